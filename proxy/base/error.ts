// The one error value of the data plane: what failed, on whose side, and whether another attempt is safe.
// Expected outcomes are values; a ProxyError is returned or passed to a callback and never thrown.

/** Every way in which a request or connection can fail; local-reply.ts maps each to a status and a response flag. */
export type ErrorKind =
  | 'bad-request' // malformed or ambiguous HTTP from downstream
  | 'headers-too-large' // head over the size or count limit
  | 'uri-too-long'
  | 'not-implemented' // unknown transfer coding or method form
  | 'version-not-supported'
  | 'upgrade-required' // HTTP/1.0 where it is not accepted
  | 'upgrade-refused' // an upgrade or CONNECT that no configuration allows
  | 'payload-too-large'
  | 'request-timeout' // head or body deadline of the downstream
  | 'path-redirect' // the client is to ask again by the path in its normal form
  | 'loop' // the request came through here again and again
  | 'misdirected' // authority outside of what the connection was verified for
  | 'downstream-reset' // the client went away
  | 'no-route'
  | 'no-cluster'
  | 'no-healthy-upstream'
  | 'overflow' // a circuit breaker or queue limit
  | 'denied' // RBAC
  | 'fault-abort'
  | 'fault-overflow'
  | 'connect-failure'
  | 'connect-timeout'
  | 'local-connect-failure' // this machine had nothing to connect with: ports, descriptors, memory, rights
  | 'upstream-tls' // handshake or peer verification failed
  | 'upstream-reset' // the upstream connection ended before the response was complete
  | 'upstream-refused' // the peer said that it did not process the stream
  | 'upstream-protocol' // malformed HTTP from upstream
  | 'upstream-timeout' // route timeout
  | 'per-try-timeout'
  | 'stream-idle-timeout'
  | 'max-duration'
  | 'drain' // this side is shutting down
  | 'internal';

/** Who caused it. */
export type ErrorSource = 'downstream' | 'upstream' | 'internal';

/**
 * Whether the same request may be sent again without the user's leave: `safe` when no byte of it reached a peer,
 * `if-reused` when it failed on a reused connection before any response byte, `never` otherwise.
 */
export type RetrySafety = 'safe' | 'if-reused' | 'never';

/** A failure with its three axes. `detail` is a stable snake_case word, as in Envoy's %RESPONSE_CODE_DETAILS%. */
export class ProxyError {
  readonly kind: ErrorKind;
  readonly source: ErrorSource;
  readonly retry: RetrySafety;
  readonly detail: string;
  readonly cause: unknown;

  constructor(kind: ErrorKind, source: ErrorSource, detail: string, retry: RetrySafety = 'never', cause?: unknown) {
    this.kind = kind;
    this.source = source;
    this.detail = detail;
    this.retry = retry;
    this.cause = cause;
  }
}

/** A refusal of configuration: `path` is the field path, `where` is file:line or resource when known. */
export class ConfigError extends Error {
  readonly path: string;
  readonly where: string | undefined;
  readonly reason: string;

  constructor(path: string, reason: string, where?: string) {
    super(`${where === undefined ? '' : `${where}: `}${path === '' ? '' : `${path}: `}${reason}`);
    this.name = 'ConfigError';
    this.path = path;
    this.where = where;
    this.reason = reason;
  }
}

/** The message of anything that was thrown, for logs. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** A ConfigError with its path put below `path`; anything else as it is. For `throw under(path, cause)`. */
export function under(path: string, cause: unknown): unknown {
  return cause instanceof ConfigError ? new ConfigError(`${path}.${cause.path}`, cause.reason, cause.where) : cause;
}
