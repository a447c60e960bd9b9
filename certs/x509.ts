// What the mesh reads in an X.509 certificate, from its DER: the subject alternative names, and the rules of an SVID.
import { DerTag, booleanOf, childrenOf, contentsOf, encodingOf, itemsOf, oidOf, readWhole } from './der.ts';
import type { DerElement } from './der.ts';
import { Oid } from './oid.ts';
import { parseSpiffeId } from './spiffe.ts';
import type { SpiffeId } from './spiffe.ts';

/** Largest certificate that is looked at. */
export const CERTIFICATE_BYTES_MAX = 65_536;

/** Bits of KeyUsage in its first octet (RFC 5280 4.2.1.3). */
export const KeyUsage = { digitalSignature: 0x80, keyCertSign: 0x04, crlSign: 0x02 } as const;

/** Values are as the certificate has them, unchecked: a URI, DNS name or mailbox may hold any byte, read as latin1. */
export interface CertificateFields {
  readonly uriSans: string[];
  readonly dnsSans: string[];
  readonly emailSans: string[];
  /** Addresses as 4 or 16 bytes. */
  readonly ipSans: Buffer[];
  readonly ca: boolean;
  /** Most authorities that may follow below this one; undefined: any number. */
  readonly pathLength: number | undefined;
  /** DER of NameConstraints. */
  readonly nameConstraints: Buffer | undefined;
  /** First octet of KeyUsage, see above; undefined without the extension. */
  readonly keyUsage: number | undefined;
  /** Dotted OIDs; undefined without the extension. */
  readonly extendedKeyUsage: string[] | undefined;
  readonly subjectKeyId: Buffer | undefined;
  /** DER of the subject's Name and of the SubjectPublicKeyInfo. */
  readonly subject: Buffer;
  readonly publicKey: Buffer;
}

/** Reads a certificate; undefined when it is not strict DER, is too large, or has an extension twice. */
export function readCertificate(der: Buffer): CertificateFields | undefined {
  if (der.length > CERTIFICATE_BYTES_MAX) return undefined;
  const fields = itemsOf(itemsOf(readWhole(der, DerTag.sequence))?.[0]);
  if (fields === undefined) return undefined;
  const first = fields[0]?.tag === VERSION_TAG ? 1 : 0;
  const subject = fields[first + 4];
  const publicKey = fields[first + 5];
  if (subject?.tag !== DerTag.sequence || publicKey?.tag !== DerTag.sequence) return undefined;
  const extensions = readExtensions(fields.find((field) => field.tag === EXTENSIONS_TAG));
  if (extensions === undefined) return undefined;
  return readFields(extensions, encodingOf(subject), encodingOf(publicKey));
}

/** URI names of the certificate, in its order; none when it cannot be read (S50: never from a display string). */
export function uriSans(der: Buffer): string[] {
  return readCertificate(der)?.uriSans ?? [];
}

/** DNS names of the certificate, in its order; none when it cannot be read. */
export function dnsSans(der: Buffer): string[] {
  return readCertificate(der)?.dnsSans ?? [];
}

/** The identity of an SVID: its URI name, when it has exactly one and that is a workload's SPIFFE id (X509-SVID 2). */
export function spiffeIdOf(der: Buffer): SpiffeId | undefined {
  const uris = uriSans(der);
  return uris.length === 1 ? parseSpiffeId(uris[0]!) : undefined;
}

/**
 * What keeps a certificate from being a workload's SVID (X509-SVID 4, 5.2), in words, or undefined when it is one:
 * one SPIFFE URI, not a CA, digitalSignature and neither signing bit, both uses where uses are listed; for a
 * `serverOnly` that of servers.
 */
export function svidFault(der: Buffer, serverOnly = false): string | undefined {
  const fields = readCertificate(der);
  if (fields === undefined) return 'the certificate is not readable as DER';
  if (fields.uriSans.length !== 1) return `the certificate has ${fields.uriSans.length} URI names, an SVID has one`;
  if (parseSpiffeId(fields.uriSans[0]!) === undefined) return 'the URI name is not the SPIFFE id of a workload';
  if (fields.ca) return 'the certificate is a CA certificate';
  return usageFault(fields, serverOnly);
}

function usageFault({ keyUsage, extendedKeyUsage }: CertificateFields, serverOnly: boolean): string | undefined {
  if (keyUsage === undefined || (keyUsage & KeyUsage.digitalSignature) === 0) return 'key usage lacks digitalSignature';
  if ((keyUsage & KeyUsage.keyCertSign) !== 0) return 'key usage has keyCertSign';
  if ((keyUsage & KeyUsage.crlSign) !== 0) return 'key usage has cRLSign';
  if (extendedKeyUsage === undefined) return undefined;
  if (!extendedKeyUsage.includes(Oid.serverAuth)) return 'extended key usage lacks serverAuth';
  return serverOnly || extendedKeyUsage.includes(Oid.clientAuth) ? undefined : 'extended key usage lacks clientAuth';
}

const VERSION_TAG = 0xa0;
const EXTENSIONS_TAG = 0xa3;

/** The values of the extensions by OID. */
function readExtensions(field: DerElement | undefined): Map<string, Buffer> | undefined {
  const values = new Map<string, Buffer>();
  if (field === undefined) return values;
  const sequences = childrenOf(field);
  const list = sequences?.length === 1 ? itemsOf(sequences[0]) : undefined;
  if (list === undefined) return undefined;
  for (const item of list) {
    const parts = itemsOf(item);
    const oid = oidOf(parts?.[0]);
    const value = parts?.at(-1);
    if (oid === undefined || value?.tag !== DerTag.octetString || values.has(oid)) return undefined;
    if (parts!.length > 3 || (parts!.length === 3 && booleanOf(parts![1]!) === undefined)) return undefined;
    values.set(oid, contentsOf(value));
  }
  return values;
}

function readFields(
  extensions: Map<string, Buffer>, subject: Buffer, publicKey: Buffer,
): CertificateFields | undefined {
  const names = readNames(extensions.get(Oid.subjectAltName));
  const basic = readBasicConstraints(extensions.get(Oid.basicConstraints));
  const keyUsage = readKeyUsage(extensions.get(Oid.keyUsage));
  const extendedKeyUsage = readExtendedKeyUsage(extensions.get(Oid.extendedKeyUsage));
  const subjectKeyId = readKeyId(extensions.get(Oid.subjectKeyIdentifier));
  if (names === null || basic === null || keyUsage === null || extendedKeyUsage === null || subjectKeyId === null) {
    return undefined;
  }
  const nameConstraints = extensions.get(Oid.nameConstraints);
  return { ...names, ...basic, nameConstraints, keyUsage, extendedKeyUsage, subjectKeyId, subject, publicKey };
}

// Each reader below returns null when its extension is malformed, so that the whole certificate is refused.

type Names = Pick<CertificateFields, 'uriSans' | 'dnsSans' | 'emailSans' | 'ipSans'>;

/** The tags of GeneralName in DER (RFC 5280 4.2.1.6): 1 is a mailbox, 2 a DNS name, 6 a URI, 7 an address. */
const NAME_TAGS: readonly number[] = [0xa0, 0x81, 0x82, 0xa3, 0xa4, 0xa5, 0x86, 0x87, 0x88];

/** Any other form, such as a URI in pieces, is one that OpenSSL may read as a name that we do not see: refused. */
function readNames(value: Buffer | undefined): Names | null {
  const names: Names = { uriSans: [], dnsSans: [], emailSans: [], ipSans: [] };
  if (value === undefined) return names;
  const list = itemsOf(readWhole(value, DerTag.sequence));
  if (list === undefined) return null;
  for (const name of list) {
    if (!NAME_TAGS.includes(name.tag)) return null;
    if (name.tag === 0x86) names.uriSans.push(contentsOf(name).toString('latin1'));
    else if (name.tag === 0x81) names.emailSans.push(contentsOf(name).toString('latin1'));
    else if (name.tag === 0x82) names.dnsSans.push(contentsOf(name).toString('latin1'));
    else if (name.tag === 0x87) names.ipSans.push(contentsOf(name));
  }
  return names;
}

type BasicConstraints = Pick<CertificateFields, 'ca' | 'pathLength'>;

function readBasicConstraints(value: Buffer | undefined): BasicConstraints | null {
  if (value === undefined) return { ca: false, pathLength: undefined };
  const parts = itemsOf(readWhole(value, DerTag.sequence));
  if (parts === undefined || parts.length > 2) return null;
  const ca = parts[0]?.tag === DerTag.boolean ? booleanOf(parts[0]) : false;
  const length = parts.find(({ tag }) => tag === DerTag.integer);
  const pathLength = length === undefined ? undefined : smallInteger(length);
  const known = (parts[0]?.tag === DerTag.boolean ? 1 : 0) + (length === undefined ? 0 : 1);
  return ca === undefined || pathLength === null || known !== parts.length ? null : { ca, pathLength };
}

/** Of one byte, which is more than any path is long. */
function smallInteger(element: DerElement): number | null {
  const value = element.bytes[element.from];
  return element.to - element.from === 1 && value !== undefined && value < 0x80 ? value : null;
}

function readKeyUsage(value: Buffer | undefined): number | undefined | null {
  if (value === undefined) return undefined;
  const bits = readWhole(value, DerTag.bitString);
  if (bits === undefined || bits.to - bits.from < 1 || bits.bytes[bits.from]! > 7) return null;
  return bits.to - bits.from === 1 ? 0 : bits.bytes[bits.from + 1]!;
}

function readExtendedKeyUsage(value: Buffer | undefined): string[] | undefined | null {
  if (value === undefined) return undefined;
  const list = itemsOf(readWhole(value, DerTag.sequence));
  if (list === undefined) return null;
  const uses: string[] = [];
  for (const item of list) {
    const oid = oidOf(item);
    if (oid === undefined) return null;
    uses.push(oid);
  }
  return uses;
}

function readKeyId(value: Buffer | undefined): Buffer | undefined | null {
  if (value === undefined) return undefined;
  const id = readWhole(value, DerTag.octetString);
  return id === undefined ? null : contentsOf(id);
}
