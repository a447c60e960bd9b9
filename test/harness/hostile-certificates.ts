// Certificates that a mesh must refuse, by kind of attack: names (S50), chains (S51), trust domains (S52).
import { distinguishedName } from '../../certs/certificate.ts';
import { toDer } from '../../certs/der-writer.ts';
import { Oid } from '../../certs/oid.ts';
import { readCertificate } from '../../certs/x509.ts';
import { REVIEWS, ecKey, rsaKey, testLeaf, testRoot } from './certificates.ts';
import type { TestCertificate } from './certificates.ts';
import { craft, element, rawExtension, unknownExtension, uriConstraints, uriName } from './crafted-certificate.ts';
import type { Craft } from './crafted-certificate.ts';

/** Somebody who shows `certificate` (its chain and key) and must not be believed. */
export interface HostilePeer {
  /** Promise and what is wrong. */
  readonly name: string;
  readonly certificate: Pick<TestCertificate, 'chain' | 'key'>;
}

const CA: Craft = { ca: {}, keyUsage: 0x06, uses: [], names: [uriName('spiffe://cluster.local')] };
const ID_AS_CN = [[Oid.commonName, REVIEWS]] as const;

/** URIs of which none is the SPIFFE id of a workload of cluster.local. One byte a character. */
const URIS: Readonly<Record<string, string>> = {
  'NUL and more in the path': 'spiffe://cluster.local/ns/a/sa/b\0.evil',
  'NUL at the end': 'spiffe://cluster.local/ns/a/sa/b\0',
  'NUL in the trust domain': 'spiffe://cluster.local\0/ns/a/sa/b',
  'no path': 'spiffe://cluster.local',
  'an empty path': 'spiffe://cluster.local/',
  'a scheme in upper case': 'SPIFFE://cluster.local/ns/a/sa/b',
  'a scheme in mixed case': 'Spiffe://cluster.local/ns/a/sa/b',
  'a trust domain in upper case': 'spiffe://CLUSTER.local/ns/a/sa/b',
  'an escape in the path': 'spiffe://cluster.local/ns/a/sa/%62',
  'an escaped slash': 'spiffe://cluster.local/ns/a%2fsa/b',
  'an escape in the trust domain': 'spiffe://cluster%2elocal/ns/a/sa/b',
  'an empty segment': 'spiffe://cluster.local/ns//sa/b',
  'a dot segment': 'spiffe://cluster.local/ns/./sa/b',
  'segments that go up': 'spiffe://cluster.local/ns/a/sa/x/../b',
  'a slash at the end': 'spiffe://cluster.local/ns/a/sa/b/',
  'a port': 'spiffe://cluster.local:443/ns/a/sa/b',
  'a user': 'spiffe://me@cluster.local/ns/a/sa/b',
  'a query': 'spiffe://cluster.local/ns/a/sa/b?x=y',
  'a fragment': 'spiffe://cluster.local/ns/a/sa/b#x',
  'over 2048 bytes': `spiffe://cluster.local/ns/a/sa/${'b'.repeat(2048)}`,
  'a trust domain over 255 bytes': `spiffe://cluster.local${'a'.repeat(250)}/ns/a/sa/b`,
  'UTF-8 in the path': Buffer.from('spiffe://cluster.local/ns/a/sa/b\u00e9').toString('latin1'),
  'a Cyrillic letter in the trust domain': Buffer.from('spiffe://cluster.loc\u0430l/ns/a/sa/b').toString('latin1'),
  'a wildcard in the path': 'spiffe://cluster.local/ns/*/sa/*',
  'a wildcard as trust domain': 'spiffe://*/ns/a/sa/b',
  'white space': 'spiffe://cluster.local/ns/a/sa/b c',
  'a line end': 'spiffe://cluster.local/ns/a/sa/b\n',
  'a comma that displays as a second name': `spiffe://cluster.local/ns/a/sa/b, URI:${REVIEWS}`,
  'a backslash': 'spiffe://cluster.local/ns/a\\sa/b',
  'no authority': 'spiffe:/cluster.local/ns/a/sa/b',
  'an empty trust domain': 'spiffe:///ns/a/sa/b',
  'another scheme': 'https://cluster.local/ns/a/sa/b',
  'a scheme that ends alike': 'xspiffe://cluster.local/ns/a/sa/b',
  'nothing in it': '',
};

/** SPIFFE ids of other trust domains, whoever signed them. */
const FOREIGN: Readonly<Record<string, string>> = {
  'another trust domain': 'spiffe://other.domain/ns/default/sa/bookinfo-reviews',
  'a trust domain that begins alike': 'spiffe://cluster.local.evil.com/ns/default/sa/bookinfo-reviews',
  'a trust domain that ends alike': 'spiffe://evil.cluster.local/ns/default/sa/bookinfo-reviews',
  'a trust domain with a letter more': 'spiffe://cluster.locals/ns/default/sa/bookinfo-reviews',
};

/** Names that are no URI, though they read like one. */
const NAMES: Readonly<Record<string, readonly Buffer[]>> = {
  'two ids': [uriName(REVIEWS), uriName('spiffe://cluster.local/ns/default/sa/admin')],
  'the same id twice': [uriName(REVIEWS), uriName(REVIEWS)],
  'an id and another URI': [uriName(REVIEWS), uriName('https://example.com/')],
  'another URI and an id': [uriName('https://example.com/'), uriName(REVIEWS)],
  'the id as DNS name': [element(0x82, REVIEWS)],
  'the id as mailbox': [element(0x81, REVIEWS)],
  'the id as otherName': [element(0xa0, Buffer.concat([
    Buffer.from('060a2b060104018237140203', 'hex'), element(0xa0, element(0x0c, REVIEWS))]))],
  'the id as directory name': [element(0xa4, toDer(distinguishedName(ID_AS_CN)))],
  'the id in UTF-16': [element(0x86, Buffer.from(REVIEWS, 'utf16le'))],
  'the id in pieces': [element(0xa6, Buffer.concat([
    element(0x16, REVIEWS.slice(0, 9)), element(0x16, REVIEWS.slice(9))]))],
  'the id with a universal tag': [element(0x16, REVIEWS)],
};

/** Leaves that the root itself signed. */
const LEAVES: Readonly<Record<string, Craft>> = {
  'S50 no names, the id as common name': { names: [], subject: ID_AS_CN },
  'S50 an empty list of names': { rawNames: Buffer.from('3000', 'hex') },
  'S50 two extensions with names': { more: [rawExtension(Oid.subjectAltName, element(0x30, uriName(REVIEWS)))] },
  'S50 bytes after the names': { rawNames: Buffer.concat([element(0x30, uriName(REVIEWS)), Buffer.of(0)]) },
  'S50 names of indefinite length': {
    rawNames: Buffer.concat([Buffer.from('3080', 'hex'), uriName(REVIEWS), Buffer.from('0000', 'hex')]),
  },
  'S50 a length in too many bytes': {
    rawNames: element(0x30, Buffer.concat([Buffer.of(0x86, 0x81, REVIEWS.length), Buffer.from(REVIEWS)])),
  },
  'S51 expired': { notBeforeMs: -120_000, notAfterMs: -60_000 },
  'S51 not yet valid': { notBeforeMs: 3_600_000, notAfterMs: 7_200_000 },
  'S51 a CA leaf': { ca: {} },
  'S51 a CA leaf that may sign': { ca: {}, keyUsage: 0x84 },
  'S51 a leaf that may sign certificates': { keyUsage: 0x84 },
  'S51 a leaf that may sign CRLs': { keyUsage: 0x82 },
  'S51 a leaf without digitalSignature': { keyUsage: 0x20 },
  'S51 a leaf without key usage': { keyUsage: 'none' },
  'S51 a leaf for code signing': { uses: ['1.3.6.1.5.5.7.3.3'] },
  'S51 a leaf for servers only': { uses: [Oid.serverAuth] },
  'S51 a leaf for clients only': { uses: [Oid.clientAuth] },
  'S51 an unknown critical extension': { more: [unknownExtension(true)] },
  'S51 basic constraints twice': { more: [rawExtension(Oid.basicConstraints, Buffer.from('3000', 'hex'))] },
  'S51 version 1': { version: 1, subject: ID_AS_CN },
  'S51 a forged signature': { forged: true },
  'S51 a signature by SHA-1': { digest: 'sha1' },
  'S51 another issuer name': { issuerName: toDer(distinguishedName([[Oid.commonName, 'nobody']])) },
  'S51 another issuer key identifier': { issuerKeyId: Buffer.alloc(20, 7) },
};

function withoutMiddle({ cert, key }: TestCertificate): Pick<TestCertificate, 'chain' | 'key'> {
  return { chain: cert, key };
}

/** Leaves that are good by themselves, below authorities that are not. */
function badChains(root: TestCertificate): [string, HostilePeer['certificate']][] {
  const below = (spec: Craft, subject = 'middle'): TestCertificate => (
    craft(root, { ...CA, subject: [[Oid.commonName, subject]], ...spec })
  );
  const stranger = testRoot();
  const twin = craft(undefined, { ...CA, subject: ID_AS_CN, issuerName: readCertificate(root.der)!.subject });
  const bottom = below({ ca: { pathLength: 0 } });
  const deep = (count: number): TestCertificate => {
    let issuer = root;
    for (let i = 0; i < count; i++) issuer = craft(issuer, { ...CA, subject: [[Oid.commonName, `level ${i}`]] });
    return craft(issuer);
  };
  const good = craft(root);
  return [
    ['S51 another root', craft(stranger)],
    ['S51 another root of the same name', craft(twin, { issuerName: readCertificate(root.der)!.subject })],
    ['S51 self-signed', craft(undefined, { subject: ID_AS_CN })],
    ['S51 self-signed as a CA', craft(undefined, { ...CA, names: [uriName(REVIEWS)], keyUsage: 0x86 })],
    ['S51 below a leaf', craft(craft(root, { subject: [[Oid.commonName, 'leaf']] }))],
    ['S51 below a leaf that may sign', craft(below({ ca: 'none', keyUsage: 0x86 }))],
    ['S51 below a CA that may not sign', craft(below({ keyUsage: 0x02 }))],
    ['S51 below an expired CA', craft(below({ notBeforeMs: -120_000, notAfterMs: -60_000 }))],
    ['S51 below a CA of tomorrow', craft(below({ notBeforeMs: 3_600_000, notAfterMs: 7_200_000 }))],
    ['S51 below a CA for code signing', craft(below({ uses: ['1.3.6.1.5.5.7.3.3'] }))],
    ['S51 below a CA with an unknown critical extension', craft(below({ more: [unknownExtension(true)] }))],
    ['S51 below a CA of version 1', craft(below({ version: 1 }))],
    ['S51 beyond the path length', craft(craft(bottom, { ...CA, subject: [[Oid.commonName, 'too deep']] }))],
    ['S51 outside of what the CA may name', craft(below({ more: [uriConstraints(['other.domain'], [])] }))],
    ['S51 among what the CA may not name', craft(below({ more: [uriConstraints([], ['cluster.local'])] }))],
    ['S51 without the CA in between', withoutMiddle(craft(below({})))],
    ['S51 a chain of 12', deep(11)],
    ['S62 a chain of 60', deep(59)],
    ['S62 a chain of over 100 KiB', { key: good.key, chain: good.chain + testLeaf(root).chain.repeat(250) }],
    ['S51 a signature by SHA-1 of a CA', craft(below({ digest: 'sha1' }))],
  ];
}

/** At least 60 peers of a mesh whose only root is `root` and whose trust domain is cluster.local. */
export function hostilePeers(root: TestCertificate): HostilePeer[] {
  const names = (promise: string, texts: Readonly<Record<string, string>>): HostilePeer[] => (
    Object.entries(texts).map(([what, text]) => (
      { name: `${promise} URI name with ${what}`, certificate: craft(root, { names: [uriName(text)] }) }
    ))
  );
  return [
    ...names('S50', URIS),
    ...names('S52', FOREIGN),
    ...Object.entries(NAMES).map(([what, list]) => (
      { name: `S50 ${what}`, certificate: craft(root, { names: list }) }
    )),
    ...Object.entries(LEAVES).map(([name, spec]) => ({ name, certificate: craft(root, spec) })),
    { name: 'S51 an RSA key of 1024 bits', certificate: craft(root, { privateKey: rsaKey(1024) }) },
    { name: 'S51 a key on secp256k1', certificate: craft(root, { privateKey: ecKey('secp256k1') }) },
    ...badChains(root).map(([name, certificate]) => ({ name, certificate })),
  ];
}

/** What the mesh accepts, so that a test which refuses everything is found out. */
export function friendlyPeers(root: TestCertificate): HostilePeer[] {
  const subject = [[Oid.commonName, 'middle']] as const;
  const middle = craft(root, { ...CA, subject, more: [uriConstraints(['cluster.local'], [])] });
  const alsoDns = [uriName(REVIEWS), element(0x82, 'a.b')];
  return [
    { name: 'a leaf of the root', certificate: craft(root) },
    { name: 'a leaf of an intermediate for the trust domain', certificate: craft(middle) },
    { name: 'a leaf without extended key usage', certificate: craft(root, { uses: [] }) },
    { name: 'a leaf with an unknown extension', certificate: craft(root, { more: [unknownExtension(false)] }) },
    { name: 'a leaf with a DNS name too', certificate: craft(root, { names: alsoDns }) },
  ];
}
