// Heads as they are sent: framing and hop-by-hop fields made anew from typed values, never copied from the input.
import { isFieldValue, isTarget, isToken } from './char-class.ts';
import type { Headers } from './headers.ts';
import type { RequestHead, ResponseHead } from './message.ts';
import { statusLine } from './status-text.ts';

export const CLOSE = 'connection: close\r\n';
export const KEEP_ALIVE = 'connection: keep-alive\r\n';
export const CHUNKED = 'transfer-encoding: chunked\r\n';

export function lengthLine(length: number): string {
  return length === 0 ? 'content-length: 0\r\n' : `content-length: ${length}\r\n`;
}

/** The lines of end-to-end fields. One that could break out of its line is left out (S28, S49). */
export function fieldLines(headers: Headers): string {
  const { fields, wireNames } = headers;
  if (wireNames !== undefined || !headers.verified) return carefulLines(headers);
  let text = '';
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]!}: ${fields[i + 1]!}\r\n`;
  return text;
}

function carefulLines(headers: Headers): string {
  const { fields, wireNames } = headers;
  let text = '';
  for (let i = 0; i < fields.length; i += 2) {
    const name = wireNames?.[i >> 1] ?? fields[i]!;
    const value = fields[i + 1]!;
    if (headers.verified || (isToken(name) && isFieldValue(value))) text += `${name}: ${value}\r\n`;
  }
  return text;
}

/** A response head without its last CRLF, to which framing and connection lines are added. */
export function responseLines(head: ResponseHead, http10: boolean): string {
  const reason = head.reason === '' || !isFieldValue(head.reason) ? '' : head.reason;
  return statusLine(http10, head.status, reason) + fieldLines(head.headers);
}

/**
 * A request head without its last CRLF, always in origin-form but for CONNECT (RFC 9112 section 3.2). '' when method,
 * path or authority cannot stand in a request line: a rewrite has made them so, and the request must not be sent.
 */
export function requestLines(head: RequestHead): string {
  const target = head.method === 'CONNECT' ? head.authority : head.path;
  if (!isTarget(target) || !isTarget(head.authority) || !isToken(head.method)) return '';
  let text = `${head.method} ${target} HTTP/1.1\r\nhost: ${head.authority}\r\n`;
  text += fieldLines(head.headers);
  if (head.acceptsTrailers) text += 'te: trailers\r\n';
  const { upgrade } = head;
  if (upgrade !== undefined && isFieldValue(upgrade)) text += `connection: upgrade\r\nupgrade: ${upgrade}\r\n`;
  return text;
}

/** The head with its names as Words-With-Capitals, for peers that insist on them (proper_case_words). */
export function properCased(head: string): string {
  let text = '';
  for (let at = 0; at < head.length; ) {
    const end = head.indexOf('\r\n', at) + 2;
    // The start line is no field, nor is the empty line.
    const colon = at === 0 || end - at === 2 ? at : head.indexOf(':', at);
    text += capitalised(head.substring(at, colon)) + head.substring(colon, end);
    at = end;
  }
  return text;
}

function capitalised(name: string): string {
  let text = '';
  let first = true;
  for (let i = 0; i < name.length; i++) {
    const char = name[i]!;
    text += first ? char.toUpperCase() : char;
    first = !isAlphanumeric(name.charCodeAt(i));
  }
  return text;
}

function isAlphanumeric(code: number): boolean {
  const lower = code | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || (code >= 0x30 && code <= 0x39);
}

/** Methods whose requests mostly have no body, so that its absence needs no saying (RFC 9110 section 8.6). */
export function meansNoBody(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'DELETE' || method === 'TRACE' || method === 'CONNECT';
}
