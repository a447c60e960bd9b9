// The pieces that certificates and requests are written with, as DER. Only the service half, the node agent and tests
// load this file: workers read certificates and never write one.
import { createRequire } from 'node:module';
import type { asn1 as Asn1 } from 'node-forge';

// The one module of node-forge that is needed: its index would load ten megabytes more.
const asn1 = createRequire(import.meta.url)('node-forge/lib/asn1.js') as typeof Asn1;

const { UNIVERSAL, CONTEXT_SPECIFIC } = asn1.Class;
const { Type } = asn1;

// The published types know only the older form of the second argument.
type ReadTree = (bytes: string, options: { strict: boolean; decodeBitStrings: boolean }) => Asn1.Asn1;
const readTree = asn1.fromDer as unknown as ReadTree;

/** A node of the tree that toDer writes. */
export type DerNode = Asn1.Asn1;

export function sequence(...children: DerNode[]): DerNode {
  return asn1.create(UNIVERSAL, Type.SEQUENCE, true, children);
}

export function setOf(...children: DerNode[]): DerNode {
  return asn1.create(UNIVERSAL, Type.SET, true, children);
}

export function oid(dotted: string): DerNode {
  return asn1.create(UNIVERSAL, Type.OID, false, asn1.oidToDer(dotted).getBytes());
}

export function nullValue(): DerNode {
  return asn1.create(UNIVERSAL, Type.NULL, false, '');
}

export function booleanValue(value: boolean): DerNode {
  return asn1.create(UNIVERSAL, Type.BOOLEAN, false, value ? '\xff' : '\0');
}

/** A whole number that is not negative, given big-endian. */
export function integer(magnitude: Buffer): DerNode {
  let at = 0;
  while (at < magnitude.length - 1 && magnitude[at] === 0) at++;
  const sign = magnitude[at]! >= 0x80 ? '\0' : '';
  return asn1.create(UNIVERSAL, Type.INTEGER, false, sign + magnitude.toString('latin1', at));
}

export function octetString(contents: Buffer): DerNode {
  return asn1.create(UNIVERSAL, Type.OCTETSTRING, false, contents.toString('latin1'));
}

export function bitString(bits: Buffer, unused = 0): DerNode {
  return asn1.create(UNIVERSAL, Type.BITSTRING, false, String.fromCharCode(unused) + bits.toString('latin1'));
}

export function utf8String(text: string): DerNode {
  return asn1.create(UNIVERSAL, Type.UTF8, false, Buffer.from(text, 'utf8').toString('latin1'));
}

/** `[tag]` around whole elements, as EXPLICIT tagging and constructed IMPLICIT tagging write it. */
export function tagged(tag: number, ...children: DerNode[]): DerNode {
  return asn1.create(CONTEXT_SPECIFIC, tag as Asn1.Type, true, children);
}

/** `[tag]` in place of a primitive's own tag. */
export function taggedBytes(tag: number, contents: Buffer): DerNode {
  return asn1.create(CONTEXT_SPECIFIC, tag as Asn1.Type, false, contents.toString('latin1'));
}

/** A time to the second: UTCTime until 2049, GeneralizedTime after, as RFC 5280 4.1.2.5 has it. */
export function time(date: Date): DerNode {
  return date.getUTCFullYear() < 2050
    ? asn1.create(UNIVERSAL, Type.UTCTIME, false, asn1.dateToUtcTime(date))
    : asn1.create(UNIVERSAL, Type.GENERALIZEDTIME, false, asn1.dateToGeneralizedTime(date));
}

/** Ready DER, such as another certificate's name or a public key, as part of a tree. */
export function parsed(der: Buffer): DerNode {
  return readTree(der.toString('latin1'), { strict: true, decodeBitStrings: false });
}

export function toDer(node: DerNode): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'latin1');
}
