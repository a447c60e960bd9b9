// How long a request's body may take (S80).
import { LIMITS } from '../config/limits.ts';
import type { RequestHead } from '../http/message.ts';
import { LENGTH_UNKNOWN } from '../http/message.ts';

/**
 * Milliseconds from the head to the body's end, 0 for no limit: request_timeout if there is one, else what the declared
 * length takes at the lowest rate. A body without length may be a stream, and as slow as it likes.
 */
export function bodyDeadlineMs({ contentLength }: RequestHead, requestTimeoutMs: number): number {
  if (requestTimeoutMs > 0 || contentLength === LENGTH_UNKNOWN) return requestTimeoutMs;
  return LIMITS.bodyGraceMs + (contentLength * 1000) / LIMITS.bodyBytesPerSecondMin;
}
