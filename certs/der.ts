// A strict reader of DER: definite, minimal lengths only, and every element inside its parent. It is separate from the
// ASN.1 library that writes, because workers load this file and hostile peers choose its input.

/** One element: `tag` is its identifier octet, `start` where it begins, and bytes[from, to) its contents. */
export interface DerElement {
  readonly bytes: Buffer;
  readonly tag: number;
  readonly start: number;
  readonly from: number;
  readonly to: number;
}

/** Identifier octets (X.690 8.1.2) of what certificates are made of. */
export const DerTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Most elements inside one; a certificate has a dozen. */
const CHILDREN_MAX = 512;

/** The element at `at`, or undefined when it is not strict DER or does not end before `limit`. */
export function readDer(bytes: Buffer, at = 0, limit: number = bytes.length): DerElement | undefined {
  if (at + 2 > limit) return undefined;
  const tag = bytes[at]!;
  if ((tag & 0x1f) === 0x1f) return undefined; // tag numbers over 30 occur nowhere in X.509
  const first = bytes[at + 1]!;
  if (first < 0x80) return within(bytes, tag, at, at + 2, first, limit);
  const size = first & 0x7f;
  if (size === 0 || size > 3 || at + 2 + size > limit) return undefined; // 0 is BER's indefinite length
  const length = bytes.readUIntBE(at + 2, size);
  if (length < 0x80 || length < 2 ** (8 * (size - 1))) return undefined;
  return within(bytes, tag, at, at + 2 + size, length, limit);
}

function within(
  bytes: Buffer, tag: number, start: number, from: number, length: number, limit: number,
): DerElement | undefined {
  return from + length > limit ? undefined : { bytes, tag, start, from, to: from + length };
}

/** The one element that `bytes` is; undefined when something follows it. */
export function readWhole(bytes: Buffer, tag: number): DerElement | undefined {
  const element = readDer(bytes);
  return element !== undefined && element.tag === tag && element.to === bytes.length ? element : undefined;
}

/** The elements inside a constructed one; undefined when they do not fill it exactly. */
export function childrenOf(parent: DerElement | undefined): DerElement[] | undefined {
  if (parent === undefined || (parent.tag & 0x20) === 0) return undefined;
  const children: DerElement[] = [];
  for (let at = parent.from; at < parent.to;) {
    const child = readDer(parent.bytes, at, parent.to);
    if (child === undefined || children.length === CHILDREN_MAX) return undefined;
    children.push(child);
    at = child.to;
  }
  return children;
}

/** The elements of a SEQUENCE; undefined when `element` is something else or malformed. */
export function itemsOf(element: DerElement | undefined): DerElement[] | undefined {
  return element?.tag === DerTag.sequence ? childrenOf(element) : undefined;
}

/** The contents without identifier and length. */
export function contentsOf(element: DerElement): Buffer {
  return element.bytes.subarray(element.from, element.to);
}

/** The whole encoding, identifier and length included. */
export function encodingOf(element: DerElement): Buffer {
  return element.bytes.subarray(element.start, element.to);
}

/** An object identifier as dotted text; undefined when the element is none. */
export function oidOf(element: DerElement | undefined): string | undefined {
  if (element === undefined || element.tag !== DerTag.oid || element.from === element.to) return undefined;
  const parts: number[] = [];
  let value = 0;
  for (let at = element.from; at < element.to; at++) {
    const octet = element.bytes[at]!;
    if (value === 0 && octet === 0x80) return undefined; // padded, so a second spelling of the same arc
    value = value * 128 + (octet & 0x7f);
    if (value > 0xffff_ffff) return undefined;
    if (octet < 0x80) {
      parts.push(value);
      value = 0;
    } else if (at === element.to - 1) {
      return undefined;
    }
  }
  const root = Math.min(2, Math.floor(parts[0]! / 40));
  return [root, parts[0]! - root * 40, ...parts.slice(1)].join('.');
}

/** A BOOLEAN in its only two DER spellings. */
export function booleanOf(element: DerElement): boolean | undefined {
  if (element.tag !== DerTag.boolean || element.to - element.from !== 1) return undefined;
  const value = element.bytes[element.from]!;
  return value === 0xff ? true : value === 0 ? false : undefined;
}
