// Format strings: every operator, absent values, and lines that nobody can forge.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../base/error.ts';
import { ENVOY_DEFAULT_FORMAT, ISTIO_DEFAULT_FORMAT, compileFormat } from './formatter.ts';
import { LineBuffer } from './line-buffer.ts';
import { flagBit } from './response-flag.ts';
import { headersOf, sampleConnection, sampleStream } from '../../test/harness/stream-sample.ts';

/** Formats, and checks that the bytes of a log line are the same. */
function format(text: string, info = sampleStream()): string {
  const compiled = compileFormat(text);
  const formatted = compiled.format(info);
  const line = new LineBuffer();
  compiled.writeTo(line, info);
  assert.equal(line.take().toString('latin1'), formatted);
  return formatted;
}

const expectFormat = (text: string, wanted: string, info = sampleStream()): void => {
  assert.equal(format(text, info), wanted);
};

test('a format without operators is constant, and %% is a percent sign', () => {
  const compiled = compileFormat('100%% weft');
  assert.equal(compiled.dynamic, false);
  assert.equal(compiled.format(sampleStream()), '100% weft');
});

test('Envoy and Istio default lines', () => {
  const info = sampleStream();
  assert.equal(
    format(ENVOY_DEFAULT_FORMAT, info),
    '[2023-11-14T22:13:20.123Z] "GET /reviews/0?x=1 HTTP/1.1" 200 - 0 295 12 7 "-" "curl/8" "id-1" "reviews:9080" ' +
      '"10.0.0.9:9080"\n',
  );
  assert.equal(
    format(ISTIO_DEFAULT_FORMAT, info),
    '[2023-11-14T22:13:20.123Z] "GET /reviews/0?x=1 HTTP/1.1" 200 - via_upstream - "-" 0 295 12 7 "-" "curl/8" ' +
      '"id-1" "reviews:9080" "10.0.0.9:9080" outbound|9080||reviews.default.svc.cluster.local 10.0.0.1:5000 ' +
      '10.1.0.1:9080 10.0.0.1:40000 - default\n',
  );
});

test('absent values are a dash, or nothing with omitEmptyValues', () => {
  assert.equal(format('%REQ(nope)%|%TRAILER(x)%|%UPSTREAM_TLS_VERSION%|%DOWNSTREAM_PEER_URI_SAN%'), '-|-|-|-');
  const compiled = compileFormat('a%REQ(nope)%b', { omitEmptyValues: true });
  assert.equal(compiled.format(sampleStream()), 'ab');
});

test('header operators: case, alternatives, pseudo-headers, cut', () => {
  expectFormat(
    '%REQ(USER-AGENT)% %REQ(nope?:METHOD)% %REQ(:path):8% %REQ(host)%',
    'curl/8 GET /reviews reviews:9080',
  );
  assert.equal(format('%RESP(:status)% %RESP(x-envoy-upstream-service-time)%'), '200 7');
  expectFormat(
    '%PATH(NQ)% %PATH(WQ:ORIG)% %REQ_WITHOUT_QUERY(:path)% %QUERY_PARAM(x)%',
    '/reviews/0 - /reviews/0 1',
  );
});

test('a parameter of the query is told without its percent-encoding', () => {
  const info = sampleStream();
  info.request = { ...info.request!, path: '/?%78=a%20b%zz&x=2' };
  assert.equal(compileFormat('%QUERY_PARAM(x)% %QUERY_PARAM(X)%').format(info), 'a b%zz -');
});

test('fields that are one list are told whole, others by their first', () => {
  const info = sampleStream();
  info.request = { ...info.request!, headers: headersOf(['accept', 'a', 'x-a', '1', 'accept', 'b', 'x-a', '2']) };
  assert.equal(compileFormat('%REQ(Accept)% %REQ(X-A)%').format(info), 'a,b 1');
});

test('START_TIME patterns', () => {
  assert.equal(format('%START_TIME(%Y/%m/%dT%H:%M:%S.%3f%z %s)%'), '2023/11/14T22:13:20.123+0000 1700000000');
  assert.equal(format('%START_TIME(%a %b %e %j %I%p %y %6f %f %%)%'), 'Tue Nov 14 318 10PM 23 123000 123000000 %');
  const compiled = compileFormat('%START_TIME(%S.%1f)%');
  const info = sampleStream();
  assert.equal(compiled.format(info), '20.1');
  info.startWallMs += 1900;
  assert.equal(compiled.format(info), '22.0');
});

test('durations are whole milliseconds, absent until both ends happened', () => {
  const all = '%DURATION% %REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION% ' +
    '%COMMON_DURATION(DS_RX_BEG:US_TX_END:us)%';
  assert.equal(format(all), '12 1 7 5 2000');
  const info = sampleStream();
  info.endMs = -1;
  info.upstreamFirstByteMs = -1;
  assert.equal(format(all, info), '- 1 - - 2000');
});

test('addresses, with and without port, and of a trusted x-forwarded-for', () => {
  expectFormat(
    '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT% %DOWNSTREAM_LOCAL_PORT%',
    '10.0.0.1 40000 9080',
  );
  const info = sampleStream();
  info.forwardedIp = '2001:db8::1';
  info.upstreamAddress = '[::1]:80';
  expectFormat(
    '%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS%',
    '[2001:db8::1]:0 10.0.0.1:40000',
    info,
  );
  assert.equal(format('%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%', info), '::1 80');
});

test('TLS facts of both sides', () => {
  const tls = {
    version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', alpn: 'istio', peerUriSan: 'spiffe://td/ns/a/sa/b',
    peerDnsSans: ['a', 'b'], peerSubject: undefined, peerCertificateHash: undefined,
    localUriSan: 'spiffe://td/ns/c/sa/d',
  };
  const info = sampleStream(sampleConnection({ tls, serverName: 'x.example' }));
  const line = '%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_PEER_DNS_SAN% ' +
    '%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_LOCAL_URI_SAN% %REQUESTED_SERVER_NAME%';
  expectFormat(
    line,
    'TLSv1.3 TLS_AES_128_GCM_SHA256 spiffe://td/ns/a/sa/b a,b - spiffe://td/ns/c/sa/d x.example',
    info,
  );
});

test('flags, details, attempts', () => {
  const info = sampleStream();
  info.flags = flagBit('UF') + flagBit('URX');
  info.detail = 'upstream reset before response';
  info.upstreamFailure = 'TLS_error: certificate has expired';
  info.attempts = 2;
  assert.equal(
    format('%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%', info),
    'URX,UF UpstreamRetryLimitExceeded,UpstreamConnectionFailure upstream_reset_before_response ' +
      'TLS_error:_certificate_has_expired',
  );
  expectFormat(
    '%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)% %UPSTREAM_REQUEST_ATTEMPT_COUNT%',
    'upstream reset before response 2',
    info,
  );
});

test('gRPC status from trailers, head or HTTP status', () => {
  const info = sampleStream();
  assert.equal(format('%GRPC_STATUS%', info), '-');
  info.request = { ...info.request!, headers: headersOf(['content-type', 'application/grpc+proto']) };
  assert.equal(format('%GRPC_STATUS(NUMBER)%', info), '2');
  info.responseTrailers = headersOf(['grpc-status', '14']);
  expectFormat(
    '%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%',
    'Unavailable UNAVAILABLE 14',
    info,
  );
  info.responseTrailers = headersOf(['grpc-status', '99']);
  assert.equal(format('%GRPC_STATUS%', info), '99');
});

test('gRPC messages of the filter that counts them, as text and as protobuf writes JSON', () => {
  const both = '%FILTER_STATE(envoy.filters.http.grpc_stats:PLAIN)% %FILTER_STATE(envoy.filters.http.grpc_stats)%';
  const info = sampleStream();
  assert.equal(format(both, info), '- -');
  info.grpcMessages = { requests: 1, responses: 0 };
  assert.equal(format(both, info), '1,0 {"requestMessageCount":"1"}');
  info.grpcMessages.responses = 3;
  assert.equal(format(both, info), '1,3 {"requestMessageCount":"1","responseMessageCount":"3"}');
});

test('S88 control characters of others are escaped; bytes of headers stay, configured Unicode is UTF-8', () => {
  const info = sampleStream();
  info.request = { ...info.request!, headers: headersOf(['user-agent', 'a\nb\x00\x1b[31m\x7f\xc3\xa9']) };
  info.routeName = 'r\u00e9\nx\u2713';
  const line = format('%REQ(user-agent)% %ROUTE_NAME% \u2713', info);
  const wanted = 'a\\x0ab\\x00\\x1b[31m\\x7f\u00e9 r\u00e9\\x0ax\u2713 \u2713';
  assert.equal(Buffer.from(line, 'latin1').toString('utf8'), wanted);
});

test('what is not supported or misspelt is refused by name and field path', () => {
  const refused = (text: string, wanted: string): void => {
    assert.throws(() => compileFormat(text, { path: 'accessLog[0].format' }), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.path, 'accessLog[0].format');
      assert.ok(error.reason.includes(wanted), error.reason);
      return true;
    });
  };
  refused('%VIRTUAL_CLUSTER_NAME%', '%VIRTUAL_CLUSTER_NAME%');
  refused('%DYNAMIC_METADATA(a::b)%', 'NAMESPACE:KEY');
  refused('%DYNAMIC_METADATA%', 'parentheses');
  refused('100%', 'literal %');
  refused('%REQ%', 'parentheses');
  refused('%REQ(a?b?c)%', 'alternative');
  refused('%REQ(a', 'not closed');
  refused('%PROTOCOL(x)%', 'no parentheses');
  refused('%DURATION:3%', 'cannot be cut');
  refused('%REQ(a):x%', 'not a length');
  refused('%START_TIME(%Q)%', '%Q');
  refused('%GRPC_STATUS(x)%', 'SNAKE_STRING');
  refused('%FILTER_STATE(other)%', 'envoy.filters.http.grpc_stats');
  refused('%FILTER_STATE(envoy.filters.http.grpc_stats:FIELD:x)%', 'PLAIN');
  refused('%COMMON_DURATION(A:B:ms)%', 'DS_RX_BEG');
});
