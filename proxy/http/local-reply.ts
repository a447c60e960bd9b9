// From an error's kind to the response that the proxy makes itself: status, body, response flag; one row for every kind.
import type { ErrorKind, ProxyError } from '../base/error.ts';
import type { ResponseFlag } from '../telemetry/response-flag.ts';

/** What a local reply says. `flag` undefined: none is set. Bodies are Envoy's. */
export interface LocalReplyRow {
  readonly status: number;
  /** gRPC status code for gRPC requests. */
  readonly grpcStatus: number;
  readonly flag: ResponseFlag | undefined;
  readonly body: string;
}

const CONNECT = 'upstream connect error or disconnect/reset before headers. reset reason: ';
const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const RESOURCE_EXHAUSTED = 8;
const PERMISSION_DENIED = 7;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const UNAVAILABLE = 14;

function row(status: number, grpcStatus: number, flag: ResponseFlag | undefined, body = ''): LocalReplyRow {
  return { status, grpcStatus, flag, body };
}

/** A kind that is missing here does not compile. */
const ROWS: Readonly<Record<ErrorKind, LocalReplyRow>> = {
  'bad-request': row(400, INTERNAL, 'DPE', 'Bad Request'),
  'headers-too-large': row(431, INTERNAL, 'DPE', 'Request Header Fields Too Large'),
  'uri-too-long': row(414, INTERNAL, 'DPE', 'URI Too Long'),
  'not-implemented': row(501, UNIMPLEMENTED, 'DPE', 'Not Implemented'),
  'version-not-supported': row(505, INTERNAL, 'DPE', 'HTTP Version Not Supported'),
  'upgrade-required': row(426, INTERNAL, 'DPE'),
  'upgrade-refused': row(403, PERMISSION_DENIED, undefined),
  'payload-too-large': row(413, RESOURCE_EXHAUSTED, undefined, 'Payload Too Large'),
  'request-timeout': row(408, DEADLINE_EXCEEDED, undefined, 'request timeout'),
  misdirected: row(421, INTERNAL, undefined, 'Misdirected Request'),
  'downstream-reset': row(0, CANCELLED, 'DC'),
  'no-route': row(404, UNIMPLEMENTED, 'NR'),
  'no-cluster': row(503, UNAVAILABLE, 'NC'),
  'no-healthy-upstream': row(503, UNAVAILABLE, 'UH', 'no healthy upstream'),
  overflow: row(503, UNAVAILABLE, 'UO', `${CONNECT}overflow`),
  denied: row(403, PERMISSION_DENIED, undefined, 'RBAC: access denied'),
  'fault-abort': row(503, UNAVAILABLE, 'FI', 'fault filter abort'),
  'fault-overflow': row(503, UNAVAILABLE, undefined),
  'connect-failure': row(503, UNAVAILABLE, 'UF', `${CONNECT}remote connection failure`),
  'connect-timeout': row(503, UNAVAILABLE, 'UF', `${CONNECT}connection timeout`),
  'upstream-tls': row(503, UNAVAILABLE, 'UF', `${CONNECT}remote connection failure`),
  'upstream-reset': row(503, UNAVAILABLE, 'UC', `${CONNECT}connection termination`),
  'upstream-refused': row(503, UNAVAILABLE, 'UR', `${CONNECT}remote refused stream reset`),
  'upstream-protocol': row(502, UNAVAILABLE, 'UPE', `${CONNECT}protocol error`),
  'upstream-timeout': row(504, DEADLINE_EXCEEDED, 'UT', 'upstream request timeout'),
  'per-try-timeout': row(504, DEADLINE_EXCEEDED, 'UT', 'upstream request timeout'),
  'stream-idle-timeout': row(504, DEADLINE_EXCEEDED, 'SI', 'stream timeout'),
  'max-duration': row(504, DEADLINE_EXCEEDED, 'DT', 'stream timeout'),
  drain: row(503, UNAVAILABLE, undefined),
  internal: row(500, INTERNAL, undefined, 'Internal Server Error'),
};


/** The row of an error; downstream-reset has status 0, because nobody is there to read a reply. */
export function localReplyFor(error: ProxyError): LocalReplyRow {
  return ROWS[error.kind];
}
