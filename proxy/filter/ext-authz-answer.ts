// What a service said of a request, whichever protocol it said it in, and how that changes heads.
import { asciiLower } from '../base/ascii.ts';
import { isFieldValue, isToken } from '../http/char-class.ts';
import type { Headers } from '../http/headers.ts';
import { FRAMING } from '../route/header-operations.ts';
import type { MetadataStruct } from '../telemetry/dynamic-metadata.ts';

/** `append` is only for headers that are there; `ifAbsent` and `ifPresent` for those that are not, or are. */
export type HeaderWay = 'set' | 'add' | 'append' | 'ifAbsent' | 'ifPresent';

export interface HeaderWord {
  /** Lower-case. */
  readonly name: string;
  readonly value: string;
  readonly way: HeaderWay;
}

export interface AuthAnswer {
  allows: boolean;
  /** Of a denial. */
  status: number;
  /** One latin1 character for each byte. */
  body: string;
  /** Of the request that is let on; of the client's answer where it is denied. */
  readonly headers: HeaderWord[];
  readonly removed: string[];
  /** Of the response to a request that is let on. */
  readonly responseHeaders: HeaderWord[];
  /** [name, value, …] */
  readonly querySet: string[];
  readonly queryRemoved: string[];
  metadata: MetadataStruct | undefined;
}

export function emptyAnswer(): AuthAnswer {
  return {
    allows: false, status: 403, body: '', headers: [], removed: [], responseHeaders: [], querySet: [],
    queryRemoved: [], metadata: undefined,
  };
}

/** Bytes of a name and value can be sent, and the name is not the connection's or the request line's. */
export function isSendable({ name, value }: HeaderWord): boolean {
  return isToken(name) && isFieldValue(value);
}

/** The service's word on framing and host is not heard. */
function isTaken(word: HeaderWord): boolean {
  return isSendable(word) && word.name !== 'host' && !FRAMING.has(word.name);
}

const ORDER: readonly HeaderWay[] = ['set', 'add', 'append', 'ifAbsent', 'ifPresent'];

export function applyWords(headers: Headers, words: readonly HeaderWord[]): void {
  if (words.length === 0) return;
  for (const way of ORDER) {
    for (const word of words) if (word.way === way && isTaken(word)) applyWord(headers, word);
  }
}

function applyWord(headers: Headers, { name, value, way }: HeaderWord): void {
  switch (way) {
    case 'set':
      headers.set(name, value);
      return;
    case 'add':
      headers.append(name, value);
      return;
    case 'append': {
      const before = headers.joined(name);
      if (before !== undefined) headers.set(name, `${before},${value}`);
      return;
    }
    case 'ifAbsent':
      if (!headers.has(name)) headers.append(name, value);
      return;
    default:
      if (headers.has(name)) headers.set(name, value);
  }
}

/** Of a denial: what is there under the same names goes, and each word stands for itself. */
export function replaceByWords(headers: Headers, words: readonly HeaderWord[]): void {
  for (const word of words) if (isTaken(word)) headers.remove(word.name);
  for (const word of words) if (isTaken(word)) headers.append(word.name, word.value);
}

export function removeNames(headers: Headers, names: readonly string[]): void {
  for (const name of names) {
    const lower = asciiLower(name);
    if (lower !== 'host' && !lower.startsWith(':')) headers.remove(lower);
  }
}

/** The path with other query parameters, which stand in the order of their names then, as in Envoy. */
export function changeQuery(path: string, { querySet, queryRemoved }: AuthAnswer): string {
  if (querySet.length === 0 && queryRemoved.length === 0) return path;
  const mark = path.indexOf('?');
  const values = new Map<string, string[]>();
  const before = mark === -1 ? [] : path.slice(mark + 1).split('&').filter((part) => part !== '');
  for (const part of before) {
    const equals = part.indexOf('=');
    const name = equals === -1 ? part : part.slice(0, equals);
    values.set(name, [...values.get(name) ?? [], equals === -1 ? '' : part.slice(equals + 1)]);
  }
  for (let i = 0; i < querySet.length; i += 2) values.set(querySet[i]!, [querySet[i + 1]!]);
  for (const name of queryRemoved) values.delete(name);
  const query = [...values].toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, all]) => all.map((value) => `${name}=${value}`)).join('&');
  const bare = mark === -1 ? path : path.slice(0, mark);
  return query === '' ? bare : `${bare}?${query}`;
}
