// Why TLS failed, in words: OpenSSL's reason where there is one. Shown by %UPSTREAM_TRANSPORT_FAILURE_REASON% and in
// logs.
import { messageOf } from '../base/error.ts';
import { nodeErrorCode } from '../base/node-error.ts';

/** `wrong version number`, `CERT_HAS_EXPIRED`, or the message of anything else. */
export function tlsFailureText(cause: unknown): string {
  if (typeof cause === 'object' && cause !== null && 'reason' in cause && typeof cause.reason === 'string') {
    return cause.reason;
  }
  const code = nodeErrorCode(cause);
  return code === '' ? messageOf(cause) : `${messageOf(cause)} (${code})`;
}
