// gRPC through a real proxy: retries, deadlines, replies of its own, streams, logs. Peers are grpc-js and node:http2.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, constants } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { request } from 'undici';
import { GRPC_JS_CALLS, connectTo } from '../harness/grpc-js-calls.ts';
import { GrpcTestServer } from '../harness/grpc-test-service.ts';
import { GrpcUpstream, begin, grpcCall, grpcFrame, trailersOnly, withTrailers } from '../harness/grpc-upstream.ts';
import { http2Cluster } from '../harness/http2-bootstrap.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http';
const BACK_OFF = { base_interval: '0.010s' };

function proxyTo(port: number, routes: readonly unknown[], manager: Record<string, unknown> = {}): Promise<TestProxy> {
  const clusters = [http2Cluster('app', port), staticCluster('dead', [1])];
  return TestProxy.start(bootstrapOf([httpListener(routes, manager)], clusters));
}

test('a node:http2 server that says UNAVAILABLE in its head is tried again, and not when it says it in trailers',
  async () => {
    await using upstream = await GrpcUpstream.start((stream, headers, count) => {
      stream.resume();
      if (headers[':path'] === '/s/trailers') withTrailers(stream, 14);
      else if (headers[':path'] === '/s/never') trailersOnly(stream, 14, 'down');
      else if (headers[':path'] === '/s/other') trailersOnly(stream, 5);
      else if (count < 3) trailersOnly(stream, 14);
      else withTrailers(stream, 0);
    });
    const retry = { retry_on: 'unavailable,cancelled', num_retries: 2, retry_back_off: BACK_OFF };
    await using proxy = await proxyTo(upstream.port, [routeTo('app', { retry_policy: retry })]);
    const call = async (path: string): Promise<unknown[]> => {
      const before = upstream.calls.length;
      const { head, trailers } = await grpcCall(proxy.port(), path);
      return [head['grpc-status'] ?? trailers['grpc-status'], upstream.calls.length - before];
    };
    const stat = (name: string): number => proxy.stat(`cluster.app.upstream_rq_retry${name}`);
    assert.deepEqual(await call('/s/again'), ['0', 3]);
    assert.deepEqual([stat(''), stat('_success'), stat('_limit_exceeded')], [2, 1, 0]);
    assert.deepEqual(await call('/s/trailers'), ['14', 1], 'the head was sent on: too late');
    assert.deepEqual(await call('/s/other'), ['5', 1]);
    assert.deepEqual(await call('/s/never'), ['14', 3]);
    assert.deepEqual([stat(''), stat('_success'), stat('_limit_exceeded')], [4, 1, 1]);
  });

test('a node:http2 server whose calls fail at once is ejected, as one that answers 503', async () => {
  await using upstream = await GrpcUpstream.start((stream, headers) => {
    stream.resume();
    trailersOnly(stream, headers[':path'] === '/s/refuse' ? 9 : 14);
  });
  const app = {
    ...(http2Cluster('app', upstream.port) as object), common_lb_config: { healthy_panic_threshold: { value: 0 } },
    outlier_detection: { consecutive_5xx: 2, max_ejection_percent: 100 },
  };
  await using proxy = await TestProxy.start(bootstrapOf([httpListener([routeTo('app')])], [app]));
  const message = async (path: string): Promise<unknown> => (await grpcCall(proxy.port(), path)).head['grpc-message'];
  for (let i = 0; i < 3; i++) assert.equal(await message('/s/refuse'), '', 'a call that was wrong');
  for (let i = 0; i < 2; i++) assert.equal(await message('/s/m'), '');
  assert.equal(await message('/s/m'), 'no healthy upstream');
});

test('x-envoy-retry-grpc-on of an internal client asks for retries', async () => {
  await using upstream = await GrpcUpstream.start((stream, _headers, count) => {
    stream.resume();
    trailersOnly(stream, count === 1 ? 8 : 0);
  });
  const ranges = { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] };
  await using proxy = await proxyTo(upstream.port, [routeTo('app')], { internal_address_config: ranges });
  const asks = { 'x-forwarded-for': '10.0.0.1', 'x-envoy-retry-grpc-on': 'resource-exhausted,internal' };
  assert.equal((await grpcCall(proxy.port(), '/s/m', asks)).head['grpc-status'], '0');
  assert.equal(upstream.calls.length, 2);
  assert.equal(upstream.calls[0]!['x-envoy-retry-grpc-on'], undefined);
});

test('grpc-timeout makes the deadline that a route allows, and a node:http2 server is told what is left', async () => {
  await using upstream = await GrpcUpstream.start((stream, headers) => {
    stream.resume();
    if (headers[':path'] === '/max/again') trailersOnly(stream, 14);
  });
  const again = { retry_on: 'unavailable', num_retries: 1, retry_back_off: { base_interval: '0.200s' } };
  await using proxy = await proxyTo(upstream.port, [
    { match: { path: '/max/again' }, route: { cluster: 'app', max_grpc_timeout: '5s', retry_policy: again } },
    { match: { prefix: '/max/' },
      route: { cluster: 'app', max_grpc_timeout: '0.200s', grpc_timeout_offset: '0.010s' } },
    { match: { prefix: '/life/' },
      route: { cluster: 'app', max_stream_duration: {
        grpc_timeout_header_max: '0.200s', grpc_timeout_header_offset: '0.010s' } } },
  ]);
  const call = async (path: string, timeout?: string): Promise<unknown[]> => {
    upstream.calls.length = 0;
    const { head } = await grpcCall(proxy.port(), path, timeout === undefined ? {} : { 'grpc-timeout': timeout });
    return [head[':status'], head['grpc-status'], head['grpc-message'], upstream.calls.at(-1)?.['grpc-timeout']];
  };
  assert.deepEqual(await call('/max/m', '60m'), [200, '14', 'upstream request timeout', '50m']);
  assert.deepEqual(await call('/max/m', '10S'), [200, '14', 'upstream request timeout', '200m']);
  assert.deepEqual(await call('/max/m'), [200, '14', 'upstream request timeout', '200m']);
  assert.deepEqual(await call('/life/m', '60m'), [200, '4', 'downstream duration timeout', '50m']);
  assert.deepEqual(await call('/life/m', '10S'), [200, '4', 'downstream duration timeout', '190m']);
  const [, status, message] = await call('/life/m', '5m');
  assert.deepEqual([status, message], ['4', 'downstream duration timeout'], 'nothing is left: at once');
  await call('/max/again', '4S');
  // A call that was given up at once may still be on its way.
  const tries = upstream.calls.filter((headers) => headers[':path'] === '/max/again');
  const [first, second] = tries.map((headers) => Number.parseInt(String(headers['grpc-timeout']), 10));
  assert.ok(first === 4000 && second !== undefined && second < first, `${first} then ${second}`);
});

test('replies of the proxy\'s own to gRPC are a head with a status (node:http2, and undici on HTTP/1.1)', async () => {
  await using upstream = await GrpcUpstream.start((stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  const abort = { '@type': `${FILTERS}.fault.v3.HTTPFault`, abort: { grpc_status: 8, percentage: { numerator: 100 } } };
  const deny = { '@type': `${FILTERS}.rbac.v3.RBACPerRoute`, rbac: { rules: {} } };
  const filters = [
    { name: 'rbac', typed_config: { '@type': `${FILTERS}.rbac.v3.RBAC` } },
    { name: 'fault', typed_config: { '@type': `${FILTERS}.fault.v3.HTTPFault` } },
  ];
  await using proxy = await proxyTo(upstream.port, [
    { match: { prefix: '/dead/' }, route: { cluster: 'dead' } },
    { match: { prefix: '/abort/' }, route: { cluster: 'app' }, typed_per_filter_config: { fault: abort } },
    { match: { prefix: '/deny/' }, route: { cluster: 'app' }, typed_per_filter_config: { rbac: deny } },
    { match: { prefix: '/direct/' }, direct_response: { status: 429, body: { inline_string: 'slow 100%' } } },
    { match: { prefix: '/reset/' }, route: { cluster: 'app' } },
  ], { http_filters: filters });
  const reset = 'upstream connect error or disconnect/reset before headers. reset reason:';
  const replies: [path: string, status: string, message: string | undefined][] = [
    ['/nowhere/m', '12', undefined], ['/abort/m', '8', 'fault filter abort'], ['/deny/m', '7', 'RBAC: access denied'],
    ['/direct/m', '14', 'slow 100%25'], ['/dead/m', '14', `${reset} remote connection failure`],
    ['/reset/m', '14', `${reset} remote reset`],
  ];
  for (const [path, status, message] of replies) {
    const { head, headOnly } = await grpcCall(proxy.port(), path);
    const wanted = [200, 'application/grpc', status, message];
    const found = [head[':status'], head['content-type'], head['grpc-status'], head['grpc-message']];
    assert.deepEqual([...found, headOnly, head['content-length']], [...wanted, true, undefined], path);
    const old = await http1Call(proxy.port(), path);
    const fields = old.headers;
    assert.deepEqual([old.status, fields['content-type'], fields['grpc-status'], fields['grpc-message']], wanted, path);
    assert.deepEqual([old.body, fields['content-length']], ['', '0'], path);
  }
});

async function http1Call(port: number, path: string) {
  const headers = { 'content-type': 'application/grpc', te: 'trailers' };
  const answer = await request(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body: grpcFrame('q') });
  return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
}

test('each half of a stream ends by itself, and neither waits for the other (node:http2)', async () => {
  const served: ServerHttp2Stream[] = [];
  await using upstream = await GrpcUpstream.start((stream) => {
    served.push(stream);
    begin(stream, 0);
  });
  await using proxy = await proxyTo(upstream.port, [routeTo('app', { timeout: '0s' })]);
  const session = connect(`http://127.0.0.1:${proxy.port()}`);
  const open = (): ReturnType<typeof session.request> =>
    session.request({ ':method': 'POST', ':path': '/s/m', 'content-type': 'application/grpc', te: 'trailers' });

  const early = open();
  const [head] = (await once(early, 'response')) as [Record<string, unknown>];
  assert.equal(head[':status'], 200, 'a head comes before any message');
  early.end(grpcFrame('last'));
  const [stream] = served as [ServerHttp2Stream];
  stream.resume();
  await once(stream, 'end');
  for (const message of ['one', 'two']) {
    stream.write(grpcFrame(message));
    assert.equal(String((await once(early, 'data') as [Buffer])[0].subarray(5)), message);
  }
  stream.end();
  const [trailers] = (await once(early, 'trailers')) as [Record<string, unknown>];
  assert.equal(trailers['grpc-status'], '0');

  const late = open();
  late.write(grpcFrame('first'));
  await once(late, 'response');
  served[1]!.resume().end(grpcFrame('enough'));
  await once(late, 'data');
  const [status] = (await once(late, 'trailers')) as [Record<string, unknown>];
  assert.equal(status['grpc-status'], '0', 'the server has its say while the client goes on');
  late.on('error', () => undefined);
  late.destroy();
  session.close();
});

test('S81 a stream that nobody reads is not gathered, in either direction (node:http2)', async (t) => {
  const served: ServerHttp2Stream[] = [];
  await using upstream = await GrpcUpstream.start((stream) => {
    served.push(stream);
    begin(stream, 0);
  });
  await using proxy = await proxyTo(upstream.port, [routeTo('app', { timeout: '0s' })]);
  const session = connect(`http://127.0.0.1:${proxy.port()}`);
  const head = { ':method': 'POST', ':path': '/s/m', 'content-type': 'application/grpc', te: 'trailers' };
  const call = session.request(head);
  call.on('error', () => undefined);
  await once(call, 'response');
  call.pause();
  const [stream] = served as [ServerHttp2Stream];
  const message = grpcFrame(Buffer.alloc(64 * 1024));
  for (const side of [stream, call]) {
    const written = await writeUntilStuck(side, message);
    t.diagnostic(`${written} bytes were taken`);
    assert.ok(written < 1024 * 1024, `${written} bytes were taken`);
  }
  call.destroy();
  session.destroy();
});

/** Bytes that one side gets rid of while the other does not read; what it holds itself is left out. */
async function writeUntilStuck(stream: Duplex, chunk: Buffer): Promise<number> {
  let offered = 0;
  let gone = -1;
  let unchanged = 0;
  await until('the writer is stuck, or nothing ever stops it', () => {
    for (; stream.writableLength < chunk.length * 4; offered += chunk.length) stream.write(chunk);
    const now = offered - stream.writableLength;
    unchanged = now === gone ? unchanged + 1 : 0;
    gone = now;
    return unchanged === 50 || gone > 64 * 1024 * 1024;
  });
  return gone;
}

test('statuses are in access logs and figures, over HTTP/2 and HTTP/1.1', async () => {
  await using upstream = await GrpcUpstream.start((stream, headers) => {
    stream.resume();
    if (headers[':path'] === '/s/head') trailersOnly(stream, 5);
    else withTrailers(stream, 14);
  });
  const folder = await mkdtemp(join(tmpdir(), 'weft-grpc-'));
  const path = join(folder, 'access.log');
  const format = '%PROTOCOL% %REQ(:PATH)% %GRPC_STATUS% %GRPC_STATUS_NUMBER% '
    + '%FILTER_STATE(envoy.filters.http.grpc_stats:PLAIN)%\n';
  const log = {
    '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog', path,
    log_format: { text_format_source: { inline_string: format } },
  };
  const stats = { '@type': `${FILTERS}.grpc_stats.v3.FilterConfig`, emit_filter_state: true };
  await using proxy = await proxyTo(upstream.port, [{ match: { prefix: '/s/' }, route: { cluster: 'app' } }], {
    access_log: [{ name: 'file', typed_config: log }], http_filters: [{ name: 'grpc_stats', typed_config: stats }],
  });
  for (const target of ['/s/m', '/s/head', '/nowhere']) {
    await grpcCall(proxy.port(), target);
    await http1Call(proxy.port(), target);
  }
  const lines = ['/s/m Unavailable 14 1,1', '/s/head NotFound 5 1,0', '/nowhere Unimplemented 12 -']
    .flatMap((line) => [`HTTP/2 ${line}`, `HTTP/1.1 ${line}`]);
  let written: string[] = [];
  await until('all lines are written', async () => {
    written = (await readFile(path, 'utf8').catch(() => '')).split('\n').slice(0, -1);
    return written.length >= lines.length;
  });
  assert.deepEqual(written, lines);
  const stat = (name: string): number => proxy.stat(`cluster.app.grpc.${name}`);
  const names = ['14', '5', 'failure', 'total', 'request_message_count', 'response_message_count'];
  assert.deepEqual(names.map(stat), [2, 2, 4, 4, 4, 2]);
  await rm(folder, { recursive: true, force: true });
});

test('grpc-js calls grpc-js through the filters for gRPC', async (t) => {
  await using server = await GrpcTestServer.start();
  const filters = [
    { name: 'grpc_web', typed_config: { '@type': `${FILTERS}.grpc_web.v3.GrpcWeb` } },
    { name: 'grpc_stats',
      typed_config: { '@type': `${FILTERS}.grpc_stats.v3.FilterConfig`, stats_for_all_methods: true } },
  ];
  await using proxy = await proxyTo(server.port, [routeTo('app', { timeout: '0s', max_grpc_timeout: '0s' })],
    { http_filters: filters });
  const client = connectTo(proxy.port());
  for (const [name, run] of GRPC_JS_CALLS) await t.test(name, { timeout: 60_000 }, () => run(client));
  client.close();
  const streamed = 'cluster.app.grpc.grpc.testing.TestService.StreamingOutputCall';
  assert.deepEqual([proxy.stat(`${streamed}.response_message_count`), proxy.stat(`${streamed}.success`)], [4, 1]);
});
