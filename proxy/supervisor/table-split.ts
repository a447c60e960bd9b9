// A RouteConfiguration's bytes, cut into its virtual hosts and the rest, without a schema.

export interface SplitTable {
  /** Field 1, name. */
  readonly name: string;
  /** Each is a virtual host's field, with its tag and length. */
  readonly hosts: readonly Buffer[];
  /** All other fields. */
  readonly rest: readonly Buffer[];
}

/** RouteConfiguration's fields of bytes (wire type 2): the number, and 2 in the last three bits. */
const NAME_TAG = 0x0a;
const HOSTS_TAG = 0x12;
/** Wire types of protobuf. */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Undefined for fewer than `hostsMin` virtual hosts, and for what is no message. */
export function splitTable(value: Uint8Array, hostsMin: number): SplitTable | undefined {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const hosts: Buffer[] = [];
  const rest: Buffer[] = [];
  let name = '';
  for (let at = 0; at < bytes.length;) {
    const tag = varintAt(bytes, at);
    const end = tag === undefined ? undefined : fieldEnd(bytes, tag.end, tag.value & 7);
    if (tag === undefined || end === undefined || end.at > bytes.length) return undefined;
    const field = bytes.subarray(at, end.at);
    if (tag.value === NAME_TAG) name = bytes.toString('utf8', end.at - end.length, end.at);
    (tag.value === HOSTS_TAG ? hosts : rest).push(field);
    at = end.at;
  }
  return hosts.length < hostsMin ? undefined : { name, hosts, rest };
}

/** Where a field ends whose tag ends at `at`, and how long its content is. */
function fieldEnd(bytes: Buffer, at: number, type: number): { at: number; length: number } | undefined {
  switch (type) {
    case VARINT: {
      const varint = varintAt(bytes, at);
      return varint === undefined ? undefined : { at: varint.end, length: varint.end - at };
    }
    case FIXED64: return { at: at + 8, length: 8 };
    case FIXED32: return { at: at + 4, length: 4 };
    case BYTES: {
      const length = varintAt(bytes, at);
      return length === undefined ? undefined : { at: length.end + length.value, length: length.value };
    }
    default: return undefined;
  }
}

/** Seven bits a byte, the least significant first; undefined where it does not end within ten bytes. */
function varintAt(bytes: Buffer, from: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let at = from; at < from + 10 && at < bytes.length; at++) {
    const byte = bytes[at]!;
    value += (byte & 0x7f) * 2 ** (7 * (at - from));
    if (byte < 0x80) return { value, end: at + 1 };
  }
  return undefined;
}
