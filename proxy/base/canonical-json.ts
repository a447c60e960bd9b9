// JSON in one form only (RFC 8785: members by name, no spaces): what is signed can be written again and compared.

/** A value of JSON; members that are undefined are left out. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined };

/** Deeper values would be somebody's attack; nothing of ours comes near it. */
const DEPTH_MAX = 100;

/** Throws a RangeError for what JSON cannot say: numbers that are not finite, and depth beyond 100. */
export function canonicalJson(value: Json, depth = 0): string {
  if (depth > DEPTH_MAX) throw new RangeError(`deeper than ${DEPTH_MAX}`);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('a number that JSON has not');
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item, depth + 1)).join(',')}]`;
  // Names compare by UTF-16 units, as sort() does by itself.
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${members.map(([name, member]) =>
    `${JSON.stringify(name)}:${canonicalJson(member as Json, depth + 1)}`).join(',')}}`;
}
