// Two trust domains, each with a root of its own, and peers that are of one, of the other, or pretend to be (S52).
import { Oid } from '../../certs/oid.ts';
import { testLeaf, testRoot } from './certificates.ts';
import type { TestCertificate } from './certificates.ts';
import { craft, element, uriConstraints, uriName } from './crafted-certificate.ts';
import type { Craft } from './crafted-certificate.ts';
import type { HostilePeer } from './hostile-certificates.ts';

export const EAST = testRoot('east.example');
export const WEST = testRoot('west.example');
export const EAST_SERVER = testLeaf(EAST, { identity: 'spiffe://east.example/ns/default/sa/server' });
const EAST_ID = 'spiffe://east.example/ns/default/sa/client';
const WEST_ID = 'spiffe://west.example/ns/default/sa/client';

/** A validation context that believes each root about its own trust domain; `names` are matchers. */
export function federatedValidation(names: readonly object[] = []): object {
  return {
    matchTypedSubjectAltNames: names,
    customValidatorConfig: {
      name: 'envoy.tls.cert_validator.spiffe',
      typedConfig: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
        trustDomains: [
          { name: 'east.example', trustBundle: { inlineString: EAST.cert } },
          { name: 'west.example', trustBundle: { inlineString: WEST.cert } },
        ],
      },
    },
  };
}

function authority(issuer: TestCertificate, spec: Craft = {}): TestCertificate {
  const subject = [[Oid.commonName, 'middle']] as const;
  return craft(issuer, { ca: {}, keyUsage: 0x06, uses: [], names: [], subject, ...spec });
}

function named(uri: string): Craft {
  return { names: [uriName(uri)] };
}

/** Workloads of both trust domains. */
export function federatedPeers(): HostilePeer[] {
  const shallow = authority(EAST, { ca: { pathLength: 0 } });
  const permitted = { more: [uriConstraints(['east.example', '.example'], ['west.example'])] };
  return [
    { name: 'an id of the east by the east', certificate: craft(EAST, named(EAST_ID)) },
    { name: 'an id of the west by the west', certificate: craft(WEST, named(WEST_ID)) },
    { name: 'an id of the east below an authority of the east', certificate: craft(authority(EAST), named(EAST_ID)) },
    { name: 'an id that its authority may name', certificate: craft(authority(EAST, permitted), named(EAST_ID)) },
    { name: 'an id just as deep as it may be', certificate: craft(shallow, named(EAST_ID)) },
  ];
}

/** What each root, and each authority below it, must not be believed about. */
export function strangePeers(): HostilePeer[] {
  const shallow = authority(EAST, { ca: { pathLength: 0 } });
  const deep = authority(shallow, { subject: [[Oid.commonName, 'deep']] });
  const narrow = authority(EAST, { more: [uriConstraints(['north.example'], [])] });
  const barred = authority(EAST, { more: [uriConstraints([], ['east.example'])] });
  const odd = authority(EAST, { more: [uriConstraints(['.west.example'], [])] });
  // The same authority as `narrow`, as the west sees it: without constraints.
  const crossed = authority(WEST, { privateKey: narrow.privateKey });
  const list: readonly (readonly [string, TestCertificate, Craft])[] = [
    ['an id of the east by the west', WEST, named(EAST_ID)],
    ['an id of the west by the east', EAST, named(WEST_ID)],
    ['an id of the east below an authority of the west', authority(WEST), named(EAST_ID)],
    ['an id of a third by the east', EAST, named('spiffe://south.example/ns/default/sa/client')],
    ['an id of a domain that ends alike', EAST, named('spiffe://up.east.example/ns/default/sa/client')],
    ['an id of a domain that begins alike', EAST, named('spiffe://east.example.west.example/ns/default/sa/client')],
    ['an id of the east by a stranger', testRoot('east.example'), named(EAST_ID)],
    ['no id', EAST, { names: [element(0x82, 'east.example')] }],
    ['no names at all', EAST, { names: [], subject: [[Oid.commonName, EAST_ID]] }],
    ['an authority as leaf', EAST, { ...named(EAST_ID), ca: {}, keyUsage: 0x86 }],
    ['a leaf that may sign', EAST, { ...named(EAST_ID), keyUsage: 0x84 }],
    ['an expired leaf', EAST, { ...named(EAST_ID), notBeforeMs: -120_000, notAfterMs: -60_000 }],
    ['below an expired authority', authority(EAST, { notBeforeMs: -120_000, notAfterMs: -60_000 }), named(EAST_ID)],
    ['deeper than it may be', deep, named(EAST_ID)],
    ['outside of what its authority may name', narrow, named(EAST_ID)],
    ['among what its authority may not name', barred, named(EAST_ID)],
    ['outside of the hosts that its authority may name', odd, named(EAST_ID)],
    ['around its constraints by an authority of both', crossed, named(EAST_ID)],
    ['below a leaf', craft(EAST, { ...named(EAST_ID), subject: [[Oid.commonName, 'leaf']] }), named(EAST_ID)],
  ];
  return list.map(([name, issuer, spec]) => ({ name, certificate: craft(issuer, spec) }));
}

/** Both paths are shown: that of the west without constraints, and that of the east with them. */
export function crossedPeer(): HostilePeer {
  const narrow = authority(EAST, { more: [uriConstraints(['north.example'], [])] });
  const crossed = authority(WEST, { privateKey: narrow.privateKey });
  const leaf = craft(narrow, named(EAST_ID));
  return {
    name: 'around its constraints, with both ways shown',
    certificate: { key: leaf.key, chain: leaf.cert + crossed.cert + narrow.cert },
  };
}
