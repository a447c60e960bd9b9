// What an operator sees of refused HTTP/1.1: a status, a flag and a detail of its own in the access log, and counters.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { EchoServer } from '../harness/echo-server.ts';
import { LoggingProxy } from '../harness/logging-proxy.ts';
import { exchange } from '../harness/raw-client.ts';
import { until } from '../harness/until.ts';
import { staticCluster } from '../harness/weft.ts';

const get = (lines: string): string => `GET / HTTP/1.1\r\nhost: a\r\n${lines}\r\n\r\n`;
const chunked = (body: string): string => get(`transfer-encoding: chunked\r\n\r\n${body}`);
const big = (bytes: number): string => 'y'.repeat(bytes);

/** Every refusal of the server codec, by its status and detail. */
const REFUSALS: readonly (readonly [id: string, status: number, detail: string, bytes: string])[] = [
  ['S01', 400, 'http1.content_length_and_chunked_not_allowed', get('content-length: 1\r\ntransfer-encoding: chunked')],
  ['S02', 400, 'http1.invalid_content_length', get('content-length: +1')],
  ['S03', 400, 'http1.malformed_transfer_encoding', get('transfer-encoding: Chunked')],
  ['S03', 501, 'http1.invalid_transfer_encoding', get('transfer-encoding: gzip')],
  ['S03', 400, 'http1.transfer_encoding_not_allowed', 'GET / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: x\r\n\r\n'],
  ['S04', 400, 'http1.codec_error', get('x : y')],
  ['S06', 400, 'http1.invalid_chunk', chunked('0x1\r\na\r\n')],
  ['S07', 400, 'http1.chunk_extensions_too_large', chunked(`1;${big(300)}\r\n`)],
  ['S08', 400, 'http1.invalid_trailers', chunked('0\r\nx : y\r\n\r\n')],
  ['S10', 400, 'http1.unknown_expectation', get('expect: x')],
  ['S11', 400, 'http1.body_disallowed', get('connection: upgrade\r\nupgrade: x\r\ncontent-length: 1')],
  ['S13', 400, 'missing_host_header', 'GET / HTTP/1.1\r\n\r\n'],
  ['S13', 400, 'http1.multiple_host', get('host: a')],
  ['S13', 400, 'http1.invalid_host', 'GET / HTTP/1.1\r\nhost: a@b\r\n\r\n'],
  ['S13', 400, 'http1.host_mismatch', 'GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n'],
  ['S13', 400, 'http1.invalid_url', 'GET x HTTP/1.1\r\nhost: a\r\n\r\n'],
  ['S13', 400, 'http1.connection_header_rejected', get('connection: host')],
  ['S14', 414, 'http1.uri_too_long', `GET /${big(9000)} HTTP/1.1\r\nhost: a\r\n\r\n`],
  ['S14', 431, 'http1.header_line_too_long', get(`x: ${big(9000)}`)],
  ['S14', 431, 'http1.headers_too_large', get(Array.from({ length: 10 }, () => `x: ${big(7000)}`).join('\r\n'))],
  ['S14', 431, 'http1.too_many_headers', get(Array.from({ length: 101 }, () => 'x: y').join('\r\n'))],
  ['S14', 400, 'http1.trailer_line_too_long', chunked(`0\r\nx: ${big(9000)}\r\n\r\n`)],
  ['S14', 400, 'http1.trailers_too_large', chunked(`0\r\n${`x: ${big(7000)}\r\n`.repeat(10)}\r\n`)],
  ['S14', 400, 'http1.too_many_trailers', chunked(`0\r\n${'x: y\r\n'.repeat(101)}\r\n`)],
  ['S14', 400, 'http1.method_too_long', `${big(65)} / HTTP/1.1\r\nhost: a\r\n\r\n`],
  ['S16', 400, 'http1.unexpected_underscore', get('x_y: z')],
  ['S17', 505, 'http1.version_not_supported', 'GET / HTTP/1.2\r\nhost: a\r\n\r\n'],
  ['S42', 400, 'path_with_fragment', 'GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n'],
];

/** Every fault of the client codec. */
const FAULTS: readonly (readonly [id: string, detail: string, bytes: string])[] = [
  ['S18', 'http1.content_length_and_chunked_not_allowed', 'content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n'],
  ['S18', 'http1.invalid_content_length', 'content-length: 1\r\ncontent-length: 1\r\n\r\nx'],
  ['S18', 'http1.malformed_transfer_encoding', 'transfer-encoding: chunked, chunked\r\n\r\n'],
  ['S18', 'http1.invalid_transfer_encoding', 'transfer-encoding: gzip\r\n\r\n'],
  ['S18', 'http1.codec_error', 'x : y\r\n\r\n'],
  ['S18', 'http1.header_line_too_long', `x: ${big(9000)}\r\n\r\n`],
  ['S18', 'http1.headers_too_large', `${`x: ${big(7000)}\r\n`.repeat(10)}\r\n`],
  ['S18', 'http1.too_many_headers', `${'x: y\r\n'.repeat(101)}\r\n`],
];

function startLogging(port: number, format: string): Promise<LoggingProxy> {
  return LoggingProxy.start(format, staticCluster('app', [port]), {
    http_protocol_options: { accept_http_10: true, enable_trailers: true },
    common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' },
  });
}

test('S01-S17 each refusal by its own status and detail, closed, logged as DPE, counted, and nothing goes upstream',
  async () => {
  await using upstream = await EchoServer.start('app');
  await using logged = await startLogging(upstream.port,
    '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%');
  for (const [id, status, detail, bytes] of REFUSALS) {
    const answer = await exchange(logged.proxy.port(), bytes);
    const connection = answer.headers.find(([name]) => name === 'connection')?.[1];
    assert.deepEqual([answer.status, connection], [status, 'close'], `${id} ${detail}`);
  }
  const lines = await logged.lines(REFUSALS.length);
  assert.deepEqual(lines, REFUSALS.map(([, status, detail]) => `${status} DPE ${detail}`));
  assert.equal(new Set(lines).size, REFUSALS.length, 'no two refusals look alike');
  const count = (digit: number): number => REFUSALS.filter(([, status]) => Math.floor(status / 100) === digit).length;
  assert.equal(logged.proxy.stat('http.http.downstream_rq_4xx'), count(4));
  assert.equal(logged.proxy.stat('http.http.downstream_rq_5xx'), count(5));
  const byCodec = REFUSALS.filter(([, , detail]) => detail.startsWith('http1.')).length;
  assert.equal(logged.proxy.stat('http.http.downstream_cx_protocol_error'), byCodec);
  assert.equal(upstream.requests, 0);
});

test('S18 a raw upstream that breaks the protocol is a 502, logged as UPE with the reason, and counted', async () => {
  const answers = FAULTS.map(([, , rest]) => `HTTP/1.1 200 OK\r\n${rest}`);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write(answers.shift() ?? ''));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await using logged = await startLogging(port,
    '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%');
  for (const [, detail] of FAULTS) {
    const { status } = await exchange(logged.proxy.port(), get('x: y'));
    assert.equal(status, 502, detail);
  }
  const expected = FAULTS.map(([, detail]) =>
    `502 UPE upstream_reset_before_response_started{protocol_error} ${detail}`);
  assert.deepEqual(await logged.lines(FAULTS.length), expected);
  assert.equal(logged.proxy.stat('cluster.app.upstream_cx_protocol_error'), FAULTS.length);
  await until('its connections are gone', () => logged.proxy.stat('cluster.app.upstream_cx_active') === 0);
  server.close();
});
