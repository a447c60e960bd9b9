// Heads as text: framing is made anew from typed values, and the charset is checked again, whoever made the value (S28, S49).
import { isFieldValue, isToken } from './header-text.ts';
import type { Headers } from './headers.ts';
import type { RequestHead, ResponseHead } from './message.ts';
import { LENGTH_UNKNOWN } from './message.ts';
import { statusText } from './status-text.ts';

/** How the body of an outgoing message ends. */
export type Framing = 'none' | 'length' | 'chunked' | 'close';

/** Names that only the serialiser writes; a filter that adds one of them changes nothing. */
const OWN = new Set(['content-length', 'transfer-encoding', 'connection', 'keep-alive', 'proxy-connection', 'host', 'upgrade', 'te', 'trailer']);

export function fieldsText(headers: Headers, preserveCase: boolean): string {
  const { fields, wireNames } = headers;
  let text = '';
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    if (!isFieldValue(value) || OWN.has(name) || !isToken(name)) continue;
    const wire = preserveCase ? (wireNames?.[i >> 1] ?? name) : name;
    text += `${wire}: ${value}\r\n`;
  }
  return text;
}

/** `connection` is the option to send, '' for none. */
export function responseText(head: ResponseHead, framing: Framing, connection: string, preserveCase: boolean): string {
  const reason = head.reason !== '' && preserveCase && isFieldValue(head.reason) ? head.reason : statusText(head.status);
  let text = `HTTP/1.1 ${head.status} ${reason}\r\n`;
  text += fieldsText(head.headers, preserveCase);
  if (framing === 'chunked') text += 'transfer-encoding: chunked\r\n';
  else if (framing === 'length') text += `content-length: ${head.contentLength === LENGTH_UNKNOWN ? 0 : head.contentLength}\r\n`;
  if (head.upgrade !== undefined) text += `connection: upgrade\r\nupgrade: ${head.upgrade}\r\n`;
  else if (connection !== '') text += `connection: ${connection}\r\n`;
  return `${text}\r\n`;
}

export function requestText(head: RequestHead, framing: Framing, preserveCase: boolean): string {
  const target = head.method === 'CONNECT' ? head.authority : head.path;
  let text = `${head.method} ${target} HTTP/1.1\r\nhost: ${head.authority}\r\n`;
  text += fieldsText(head.headers, preserveCase);
  if (framing === 'chunked') text += 'transfer-encoding: chunked\r\n';
  else if (framing === 'length') text += `content-length: ${head.contentLength}\r\n`;
  if (head.upgrade !== undefined) text += `connection: upgrade\r\nupgrade: ${head.upgrade}\r\n`;
  else if (head.acceptsTrailers) text += 'te: trailers\r\n';
  return `${text}\r\n`;
}
