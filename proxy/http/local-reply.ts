// The one table from what went wrong to what the client is told; a kind without a row does not compile.
import { messageOf } from '../base/error.ts';
import type { ErrorKind, ProxyError } from '../base/error.ts';
import { grpcStatusOfHttp } from '../telemetry/grpc-status.ts';
import type { ResponseFlag } from '../telemetry/response-flag.ts';
import { Http2Error } from './http2-frame.ts';
import { reasonPhrase } from './status-text.ts';

/**
 * A reply that the proxy makes itself, as Envoy makes it. `grpcStatus` is for requests with a gRPC content-type;
 * `flag` is undefined where Envoy sets none; `close` says that the connection cannot be used for another request.
 */
export interface ErrorReply {
  readonly status: number;
  readonly grpcStatus: number;
  readonly flag: ResponseFlag | undefined;
  readonly close: boolean;
  readonly body: string;
}

// gRPC status codes (google.rpc.Code).
const GRPC = {
  CANCELLED: 1, UNKNOWN: 2, DEADLINE_EXCEEDED: 4, PERMISSION_DENIED: 7, UNIMPLEMENTED: 12, INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

const RESET = 'upstream connect error or disconnect/reset before headers. reset reason: ';
const RESET_AGAIN = 'upstream connect error or disconnect/reset before headers. retried and the latest reset reason: ';

function reply(
  status: number, grpcStatus: number, flag: ResponseFlag | undefined, body: string, close = false,
): ErrorReply {
  return { status, grpcStatus, flag, close, body };
}

/** What the client did wrong: the connection ends, because its framing can no longer be trusted. */
function refusal(status: number, grpcStatus: number = GRPC.INTERNAL): ErrorReply {
  return reply(status, grpcStatus, 'DPE', reasonPhrase(status), true);
}

const REPLIES: Readonly<Record<ErrorKind, ErrorReply>> = {
  'bad-request': refusal(400),
  'headers-too-large': refusal(431),
  'uri-too-long': refusal(414),
  'not-implemented': refusal(501, GRPC.UNIMPLEMENTED),
  'version-not-supported': refusal(505),
  'upgrade-required': refusal(426),
  'upgrade-refused': reply(403, GRPC.PERMISSION_DENIED, undefined, '', true),
  'payload-too-large': reply(413, GRPC.UNKNOWN, undefined, 'Payload Too Large', true),
  'request-timeout': reply(408, GRPC.UNAVAILABLE, undefined, 'request timeout', true),
  'path-redirect': reply(307, GRPC.UNKNOWN, undefined, ''),
  loop: reply(508, GRPC.UNKNOWN, undefined, 'Loop Detected'),
  misdirected: reply(421, GRPC.UNKNOWN, undefined, ''),
  'downstream-reset': reply(0, GRPC.CANCELLED, 'DC', '', true),
  'no-route': reply(404, GRPC.UNIMPLEMENTED, 'NR', ''),
  'no-cluster': reply(503, GRPC.UNAVAILABLE, 'NC', ''),
  'no-healthy-upstream': reply(503, GRPC.UNAVAILABLE, 'UH', 'no healthy upstream'),
  overflow: reply(503, GRPC.UNAVAILABLE, 'UO', `${RESET}overflow`),
  denied: reply(403, GRPC.PERMISSION_DENIED, undefined, 'RBAC: access denied'),
  'fault-abort': reply(503, GRPC.UNAVAILABLE, 'FI', 'fault filter abort'),
  'fault-overflow': reply(503, GRPC.UNAVAILABLE, undefined, ''),
  'connect-failure': reply(503, GRPC.UNAVAILABLE, 'UF', `${RESET}remote connection failure`),
  'local-connect-failure': reply(503, GRPC.UNAVAILABLE, 'UF', `${RESET}local connection failure`),
  'connect-timeout': reply(503, GRPC.UNAVAILABLE, 'UF', `${RESET}connection timeout`),
  'upstream-tls': reply(503, GRPC.UNAVAILABLE, 'UF', `${RESET}remote connection failure`),
  'upstream-reset': reply(503, GRPC.UNAVAILABLE, 'UC', `${RESET}connection termination`),
  'upstream-refused': reply(503, GRPC.UNAVAILABLE, 'UR', `${RESET}remote refused stream reset`),
  'upstream-protocol': reply(502, GRPC.UNAVAILABLE, 'UPE', `${RESET}protocol error`),
  'upstream-timeout': reply(504, GRPC.UNAVAILABLE, 'UT', 'upstream request timeout'),
  'per-try-timeout': reply(504, GRPC.UNAVAILABLE, 'UT', 'upstream request timeout'),
  'stream-idle-timeout': reply(504, GRPC.UNAVAILABLE, 'SI', 'stream timeout'),
  'max-duration': reply(504, GRPC.DEADLINE_EXCEEDED, undefined, 'downstream duration timeout'),
  drain: reply(503, GRPC.UNAVAILABLE, undefined, '', true),
  internal: reply(500, GRPC.INTERNAL, undefined, ''),
};

/** Envoy answers in words where its codec refuses a request, and without a body where its connection manager does. */
const BAD_REQUEST_AFTER_HEAD: ErrorReply = { ...REPLIES['bad-request'], body: '' };

/** max_stream_duration of the cluster, not of the connection manager or route. */
const UPSTREAM_DURATION = reply(504, GRPC.UNAVAILABLE, 'UMSDR', 'upstream max stream duration reached');

/** The upstream gave up the one stream (RST_STREAM), not its connection. */
const UPSTREAM_STREAM_RESET = reply(503, GRPC.UNAVAILABLE, 'UR', `${RESET}remote reset`);

/** The client gave up the one stream (RST_STREAM), not its connection. */
const DOWNSTREAM_STREAM_RESET: ErrorReply = { ...REPLIES['downstream-reset'], flag: 'DR' };

/** The client broke the protocol, or says that we did. */
const DOWNSTREAM_PROTOCOL: ErrorReply = { ...REPLIES['downstream-reset'], flag: 'DPE' };

const HEAD_TIMEOUT: ErrorReply = { ...REPLIES['request-timeout'], body: 'request header timeout' };

/** A filter had asked for one endpoint and no other, and says what is answered without it. */
function otherStatus(status: number): ErrorReply {
  return { ...REPLIES['no-healthy-upstream'], status, grpcStatus: grpcStatusOfHttp(status) };
}

function clientsEnd({ detail, cause }: ProxyError): ErrorReply {
  if (!detail.startsWith('http2.')) return REPLIES['downstream-reset'];
  const given = detail.startsWith('http2.remote_') && cause !== Http2Error.PROTOCOL_ERROR;
  return given ? DOWNSTREAM_STREAM_RESET : DOWNSTREAM_PROTOCOL;
}

/**
 * The reply to an error; downstream-reset has status 0, because nobody is there to read one. `retried` says that there
 * were tries before.
 */
export function localReplyFor(error: ProxyError, retried = false): ErrorReply {
  const reply = rowFor(error);
  return retried && reply.body.startsWith(RESET)
    ? { ...reply, body: RESET_AGAIN + reply.body.slice(RESET.length) } : reply;
}

function rowFor(error: ProxyError): ErrorReply {
  if (error.kind === 'bad-request' && !error.detail.startsWith('http1.')) return BAD_REQUEST_AFTER_HEAD;
  if (error.kind === 'upstream-reset' && error.detail.endsWith('{remote_reset}')) return UPSTREAM_STREAM_RESET;
  if (error.kind === 'no-healthy-upstream' && typeof error.cause === 'number') return otherStatus(error.cause);
  if (error.kind === 'downstream-reset') return clientsEnd(error);
  if (error.kind === 'max-duration' && error.source === 'upstream') return UPSTREAM_DURATION;
  if (error.kind === 'request-timeout' && error.detail === 'request_header_timeout') return HEAD_TIMEOUT;
  return REPLIES[error.kind];
}

/**
 * %RESPONSE_CODE_DETAILS%: why a try ended before its response is told in Envoy's frame, handshakes as connecting, and
 * what the system or the peer said of it.
 */
export function detailFor(error: ProxyError): string {
  const { cause, detail, kind } = error;
  if (!REPLIES[kind].body.startsWith(RESET) || detail.startsWith('upstream_reset')) return detail;
  const reason = kind === 'upstream-tls' ? 'remote_connection_failure' : detail;
  const words = reason.endsWith('_connection_failure') && cause !== undefined ? `|${messageOf(cause)}` : '';
  return `upstream_reset_before_response_started{${reason}${words}}`;
}
