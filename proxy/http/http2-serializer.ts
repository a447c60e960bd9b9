// Heads as HTTP/2 field sections: pseudo-header fields first, framing from typed values (RFC 9113 section 8.3).
import type { ByteBuffer } from '../base/byte-buffer.ts';
import { isFieldValue, isTarget, isToken } from './char-class.ts';
import type { Headers } from './headers.ts';
import type { HpackEncoder } from './hpack-encoder.ts';
import type { RequestHead, ResponseHead } from './message.ts';
import { LENGTH_UNKNOWN } from './message.ts';

/** End-to-end fields. One that could not be sent as HTTP/1.1 either is left out (S28, S49). */
export function encodeFields(encoder: HpackEncoder, out: ByteBuffer, headers: Headers): void {
  const { fields } = headers;
  if (headers.verified) {
    for (let i = 0; i < fields.length; i += 2) encoder.field(out, fields[i]!, fields[i + 1]!);
    return;
  }
  for (let i = 0; i < fields.length; i += 2) {
    if (isToken(fields[i]!) && isFieldValue(fields[i + 1]!)) encoder.field(out, fields[i]!, fields[i + 1]!);
  }
}

/**
 * False, and nothing is written, when method, path or authority cannot be sent: a rewrite has made them so. An upgrade
 * becomes an extended CONNECT (RFC 8441).
 */
export function encodeRequest(encoder: HpackEncoder, out: ByteBuffer, head: RequestHead, endStream: boolean): boolean {
  const { method, upgrade } = head;
  const connect = method === 'CONNECT';
  if (!isToken(method) || !isTarget(head.authority) || (!connect && !isTarget(head.path))) return false;
  encoder.begin(out);
  encoder.field(out, ':method', upgrade === undefined ? method : 'CONNECT');
  if (upgrade !== undefined) encoder.field(out, ':protocol', upgrade);
  encoder.field(out, ':authority', head.authority);
  if (!connect) {
    encoder.field(out, ':scheme', head.scheme);
    encoder.field(out, ':path', head.path);
  }
  encodeFields(encoder, out, head.headers);
  if (!endStream && upgrade === undefined && !connect && head.contentLength !== LENGTH_UNKNOWN) {
    encoder.field(out, 'content-length', String(head.contentLength));
  }
  if (head.acceptsTrailers) encoder.field(out, 'te', 'trailers');
  return true;
}

/** The answer to an upgrade is 200 (RFC 8441 section 5). `length` is written when it is known. */
export function encodeResponse(encoder: HpackEncoder, out: ByteBuffer, head: ResponseHead, length: number): void {
  encoder.begin(out);
  encoder.status(out, head.status === 101 ? 200 : head.status);
  encodeFields(encoder, out, head.headers);
  if (length !== LENGTH_UNKNOWN) encoder.field(out, 'content-length', String(length));
}
