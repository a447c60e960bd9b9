// From the text of a response head to a ResponseHead with its framing, or to the reason why it is refused (RFC 9112 section 4).
import { ProxyError } from '../base/error.ts';
import type { FieldRules, ParsedFields } from './http1-head.ts';
import { parseFields } from './http1-head.ts';
import { LENGTH_UNKNOWN, ResponseHead } from './message.ts';

export interface ParsedResponse {
  readonly head: ResponseHead;
  readonly chunked: boolean;
  /** Neither length nor chunks: the body ends with the connection. */
  readonly untilClose: boolean;
  readonly bodyLength: number;
  readonly keepAlive: boolean;
  readonly keepAliveMs: number | undefined;
}

function refuse(detail: string): ProxyError {
  return new ProxyError('upstream-protocol', 'upstream', detail);
}

/** `method` is the request's: HEAD has no body, and a 2xx to CONNECT is a tunnel. */
export function parseResponse(text: string, method: string, rules: FieldRules): ParsedResponse | ProxyError {
  const lineEnd = text.indexOf('\r\n');
  const match = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?$/.exec(text.slice(0, Math.min(lineEnd, rules.requestLineBytesMax)));
  if (match === null) return refuse('http1.codec_error');
  const fields = parseFields(text, lineEnd + 2, rules);
  if (fields instanceof ProxyError) return fields;
  const status = Number(match[2]);
  if (status < 100) return refuse('http1.codec_error');
  const http10 = match[1] === '0';
  if (fields.chunked && http10) return refuse('transfer_encoding_in_http10');
  const head = new ResponseHead(status, fields.headers);
  head.protocol = http10 ? 'HTTP/1.0' : 'HTTP/1.1';
  head.reason = match[3] ?? '';
  head.upgrade = status === 101 ? fields.upgrade : undefined;
  return framed(head, fields, method, http10);
}

function framed(head: ResponseHead, fields: ParsedFields, method: string, http10: boolean): ParsedResponse | ProxyError {
  const { status } = head;
  const tunnel = status === 101 || (method === 'CONNECT' && status >= 200 && status < 300);
  const bodiless = method === 'HEAD' || status === 204 || status === 304 || status < 200 || tunnel;
  if ((status < 200 || status === 204) && (fields.chunked || fields.contentLength > 0)) return refuse('body_on_bodiless_status');
  head.contentLength = fields.chunked || fields.contentLength === -1 ? LENGTH_UNKNOWN : fields.contentLength;
  const untilClose = !bodiless && !fields.chunked && fields.contentLength === -1;
  return {
    head, untilClose,
    chunked: fields.chunked && !bodiless,
    bodyLength: bodiless ? 0 : Math.max(0, fields.contentLength),
    keepAlive: !untilClose && (http10 ? fields.keepAlive && !fields.close : !fields.close),
    keepAliveMs: fields.keepAliveMs,
  };
}
