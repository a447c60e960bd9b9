// The only file that knows Node's error codes: turns what a socket or a TLS handshake reports into a ProxyError.
import { messageOf, ProxyError } from './error.ts';

/** On which side of the proxy a socket is. */
export type SocketSide = 'downstream' | 'upstream';

/** Codes of Node's and OpenSSL's certificate verification; the rest of TLS begins with one of TLS_PREFIXES. */
const TLS_CODES: ReadonlySet<string> = new Set([
  'EPROTO',
  'CERT_CHAIN_TOO_LONG',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'CRL_HAS_EXPIRED',
  'CRL_NOT_YET_VALID',
  'CRL_SIGNATURE_FAILURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_CERT_IN_CHAIN',
]);
const TLS_PREFIXES = ['ERR_TLS_', 'ERR_SSL_', 'ERR_OSSL_', 'UNABLE_TO_', 'ERROR_IN_CERT_'];

/** The `code` that Node puts on an error; '' when it has none. */
export function nodeErrorCode(cause: unknown): string {
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return '';
  return typeof cause.code === 'string' ? cause.code : '';
}

/** Whether the cause is a failed handshake, a refused certificate, or a broken TLS record. */
export function isTlsError(cause: unknown): boolean {
  const code = nodeErrorCode(cause);
  return TLS_CODES.has(code) || TLS_PREFIXES.some((prefix) => code.startsWith(prefix));
}

/**
 * Maps a socket's or TLS layer's error. `connecting` says that the connection (TLS handshake included) was not yet
 * usable, so that no byte of a request has reached the peer and another attempt is safe.
 */
export function fromNodeError(cause: unknown, side: SocketSide, connecting: boolean): ProxyError {
  if (side === 'downstream') return fromDownstream(cause, connecting);
  const retry = connecting ? 'safe' : 'if-reused';
  if (isTlsError(cause)) return new ProxyError('upstream-tls', 'upstream', 'tls_error', retry, cause);
  if (!connecting) return new ProxyError('upstream-reset', 'upstream', 'connection_termination', retry, cause);
  if (nodeErrorCode(cause) === 'ETIMEDOUT') {
    return new ProxyError('connect-timeout', 'upstream', 'connection_timeout', retry, cause);
  }
  if (isLocalFailure(cause)) {
    return new ProxyError('local-connect-failure', 'internal', 'local_connection_failure', retry, cause);
  }
  return new ProxyError('connect-failure', 'upstream', 'remote_connection_failure', retry, cause);
}

function fromDownstream(cause: unknown, connecting: boolean): ProxyError {
  const tls = isTlsError(cause);
  const detail = tls && connecting ? 'downstream_tls_handshake_error' : 'downstream_remote_disconnect';
  return new ProxyError('downstream-reset', 'downstream', detail, 'never', cause);
}

/** Nothing was sent to the peer: what is missing is missing here. */
function isLocalFailure(cause: unknown): boolean {
  const code = nodeErrorCode(cause);
  return isResourceShortage(cause) || code === 'EADDRNOTAVAIL' || code === 'EADDRINUSE' || code === 'EPERM';
}

/**
 * Whether bind or accept failed for want of a resource that may come back (file descriptors, memory): the listener
 * pauses and tries again instead of ending.
 */
export function isResourceShortage(cause: unknown): boolean {
  const code = nodeErrorCode(cause);
  return code === 'EMFILE' || code === 'ENFILE' || code === 'ENOBUFS' || code === 'ENOMEM';
}

/** Why a listener could not bind, in words for its owner. */
export function bindFailureText(cause: unknown): string {
  switch (nodeErrorCode(cause)) {
    case 'EADDRINUSE':
      return 'the address is in use by another process; choose another port or stop that process';
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address; check the listener address and the interfaces';
    case 'EPERM':
      return 'a transparent listener needs CAP_NET_ADMIN; grant it to the proxy, or redirect by iptables REDIRECT';
    case 'EACCES':
      return 'binding is not permitted; ports under 1024 need CAP_NET_BIND_SERVICE or root';
    default:
      return cause instanceof Error ? cause.message : String(cause);
  }
}

const READ_FAILURES: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'may not be read by this user'],
  ['EISDIR', 'is a directory'],
  ['ERR_ENCODING_INVALID_ENCODED_DATA', 'is not UTF-8 text'],
]);

/** Why a file could not be read, for people. */
export function readFailureText(cause: unknown): string {
  return READ_FAILURES.get(nodeErrorCode(cause)) ?? messageOf(cause);
}
