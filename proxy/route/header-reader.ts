// Where the value of a header name is found: pseudo and framing headers are typed values of the head, others fields.
import type { RequestHead } from '../http/message.ts';
import { LENGTH_UNKNOWN } from '../http/message.ts';

/** Undefined when the request does not carry it. */
export type HeaderReader = (head: RequestHead) => string | undefined;

function present(text: string): string | undefined {
  return text === '' ? undefined : text;
}

/** Methods whose senders say that a body is empty (RFC 9110 section 8.6). */
const EXPECT_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

function contentLength(head: RequestHead): string | undefined {
  if (head.contentLength === LENGTH_UNKNOWN) return undefined;
  return head.contentLength > 0 || EXPECT_BODY.has(head.method) ? String(head.contentLength) : undefined;
}

const READERS: ReadonlyMap<string, HeaderReader> = new Map<string, HeaderReader>([
  [':method', (head) => head.method],
  [':path', (head) => present(head.path)],
  [':scheme', (head) => head.scheme],
  [':authority', (head) => present(head.authority)],
  ['host', (head) => present(head.authority)],
  ['content-length', contentLength],
  // How a body is framed is no part of the request, as in Envoy.
  ['transfer-encoding', () => undefined],
  ['connection', (head) => (head.upgrade === undefined ? undefined : 'upgrade')],
  ['upgrade', (head) => head.upgrade],
  ['te', (head) => (head.acceptsTrailers ? 'trailers' : undefined)],
  ['expect', (head) => (head.expectContinue ? '100-continue' : undefined)],
]);

/** The reader of a (lower-case) name that is no field; undefined for all others, which `Headers` holds. */
export function compileHeaderReader(name: string): HeaderReader | undefined {
  return READERS.get(name);
}

/** Whether the name stands for the authority, which is kept in lower case. */
export function isAuthority(name: string): boolean {
  return name === ':authority' || name === 'host';
}

/** The first value of a name, wherever it is kept. */
export function readHeader(head: RequestHead, name: string): string | undefined {
  const reader = READERS.get(name);
  return reader === undefined ? head.headers.get(name) : reader(head);
}
