// A trailer section: fields like a head's, without those that frame, route or authorise (S08).
import type { ProxyError } from '../base/error.ts';
import type { Headers } from './headers.ts';
import type { FieldRules } from './http1-head.ts';
import { parseFields } from './http1-head.ts';
import { ProxyError as Failure } from '../base/error.ts';

const FORBIDDEN = /^(authorization|proxy-authorization|cookie|set-cookie|content-(encoding|range|type)|x-forwarded-.*|x-envoy-.*|x-request-id)$/;

/** undefined for no trailers. Framing fields refuse the message; others that do not belong here are dropped. */
export function parseTrailers(text: string, rules: FieldRules): Headers | ProxyError | undefined {
  if (text === '') return undefined;
  const fields = parseFields(`${text}\r\n`, 0, rules);
  if (fields instanceof Failure) return fields;
  if (fields.chunked || fields.contentLength !== -1 || fields.host !== undefined) {
    return new Failure(rules.source === 'upstream' ? 'upstream-protocol' : 'bad-request', rules.source, 'forbidden_trailer');
  }
  const { headers } = fields;
  for (let i = headers.count - 1; i >= 0; i--) if (FORBIDDEN.test(headers.nameAt(i))) headers.remove(headers.nameAt(i));
  return headers.count === 0 ? undefined : headers;
}
