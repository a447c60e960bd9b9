// The table of local replies against what Envoy 1.40 was seen to answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorKind } from '../base/error.ts';
import { ProxyError } from '../base/error.ts';
import { detailFor, localReplyFor } from './local-reply.ts';

const RESET = 'upstream connect error or disconnect/reset before headers. reset reason: ';

/** Kind, detail, status, flag, body: seen from Envoy with one route for each failure. */
const SEEN: readonly (readonly [ErrorKind, string, number, string | undefined, string])[] = [
  ['connect-failure', '', 503, 'UF', `${RESET}remote connection failure`],
  ['no-healthy-upstream', '', 503, 'UH', 'no healthy upstream'],
  ['no-cluster', '', 503, 'NC', ''],
  ['no-route', '', 404, 'NR', ''],
  ['overflow', '', 503, 'UO', `${RESET}overflow`],
  ['upstream-timeout', '', 504, 'UT', 'upstream request timeout'],
  ['per-try-timeout', '', 504, 'UT', 'upstream request timeout'],
  ['max-duration', 'max_duration_timeout', 504, undefined, 'downstream duration timeout'],
  ['stream-idle-timeout', '', 504, 'SI', 'stream timeout'],
  ['upstream-reset', 'upstream_reset_before_response_started{connection_termination}', 503, 'UC',
    `${RESET}connection termination`],
  ['upstream-reset', 'upstream_reset_before_response_started{remote_reset}', 503, 'UR', `${RESET}remote reset`],
  ['upstream-protocol', '', 502, 'UPE', `${RESET}protocol error`],
  ['upgrade-refused', '', 403, undefined, ''],
  ['upgrade-required', 'low_version', 426, 'DPE', 'Upgrade Required'],
  ['headers-too-large', 'http1.too_many_headers', 431, 'DPE', 'Request Header Fields Too Large'],
  ['not-implemented', 'http1.invalid_transfer_encoding', 501, 'DPE', 'Not Implemented'],
  ['bad-request', 'http1.codec_error', 400, 'DPE', 'Bad Request'],
  ['bad-request', 'missing_host_header', 400, 'DPE', ''],
  ['bad-request', 'path_with_fragment', 400, 'DPE', ''],
  ['downstream-reset', 'downstream_remote_disconnect', 0, 'DC', ''],
  ['downstream-reset', 'http2.remote_reset', 0, 'DR', ''],
  ['downstream-reset', 'http2.remote_refuse', 0, 'DR', ''],
  ['downstream-reset', 'http2.violation.of.messaging.rule', 0, 'DPE', ''],
  ['request-timeout', 'request_header_timeout', 408, undefined, 'request header timeout'],
];

test('local replies are those of Envoy', () => {
  for (const [kind, detail, status, flag, body] of SEEN) {
    const reply = localReplyFor(new ProxyError(kind, 'downstream', detail));
    assert.deepEqual([kind, reply.status, reply.flag, reply.body], [kind, status, flag, body]);
  }
});

test('the cluster\'s own limit of a stream\'s life is not the route\'s; only that one is gRPC\'s deadline', () => {
  const upstream = localReplyFor(new ProxyError('max-duration', 'upstream', 'upstream_max_stream_duration_reached'));
  assert.deepEqual([upstream.status, upstream.grpcStatus, upstream.flag, upstream.body],
    [504, 14, 'UMSDR', 'upstream max stream duration reached']);
  assert.equal(localReplyFor(new ProxyError('max-duration', 'internal', 'max_duration_timeout')).grpcStatus, 4);
});

test('what breaks the framing of a request ends its connection; what an upstream did does not', () => {
  const closes = (kind: ErrorKind): boolean => localReplyFor(new ProxyError(kind, 'downstream', 'http1.x')).close;
  for (const kind of ['bad-request', 'headers-too-large', 'uri-too-long', 'version-not-supported',
    'drain'] as const) assert.ok(closes(kind), kind);
  for (const kind of ['no-route', 'denied', 'upstream-reset', 'upstream-timeout',
    'overflow'] as const) assert.ok(!closes(kind), kind);
});

test('details tell in what words a connection failed', () => {
  const detail = (kind: ErrorKind, own: string, cause?: unknown): string =>
    detailFor(new ProxyError(kind, 'upstream', own, 'safe', cause));
  const frame = (words: string): string => `upstream_reset_before_response_started{${words}}`;
  assert.equal(detail('connect-failure', 'remote_connection_failure', 'delayed_connect_error: refused'),
    frame('remote_connection_failure|delayed_connect_error: refused'));
  const handshake = detail('upstream-tls', 'handshake', new Error('TLS_error'));
  assert.equal(handshake, frame('remote_connection_failure|TLS_error'));
  assert.equal(detail('connect-timeout', 'connection_timeout'), frame('connection_timeout'));
});
