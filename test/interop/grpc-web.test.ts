// gRPC-Web by hand over undici through weft and through a real Envoy to a grpc-js server: what browsers' libraries do.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { Agent, request } from 'undici';
import { ECHO_INITIAL, ECHO_TRAILING, GrpcTestServer, testService } from '../harness/grpc-test-service.ts';
import type { PayloadResponse } from '../harness/grpc-test-service.ts';
import { grpcFrame } from '../harness/grpc-upstream.ts';
import { WEB, WEB_TEXT, fromText, webCall } from '../harness/grpc-web-client.ts';
import type { WebAnswer, WebCall } from '../harness/grpc-web-client.ts';
import { http2Cluster } from '../harness/http2-bootstrap.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import type { ProxyKind } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener, staticCluster } from '../harness/weft.ts';
import { GRPC_WEB_DIFFERENCES } from './differences.ts';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http';
const FILE_LOG = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';
const ORIGIN = 'https://shop.example';

/** More than weft puts into a head, less than Envoy does. */
const LONG_PAGE = 'x'.repeat(6000);

const { unaryCall, streamingOutputCall, fullDuplexCall } = testService;

/** A server of pages in front of which somebody has put a route for gRPC. */
async function startPages() {
  const server = createServer((incoming, outgoing) => {
    outgoing.writeHead(incoming.url === '/pages/empty' ? 404 : 500, { 'content-type': 'text/html' });
    outgoing.end(incoming.url === '/pages/long' ? LONG_PAGE
      : incoming.url === '/pages/empty' ? undefined : '<h1>100% broken</h1>\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

function bootstrap(grpc: number, pages: number, log: string): unknown {
  const cors = { '@type': `${FILTERS}.cors.v3.CorsPolicy`, allow_origin_string_match: [{ exact: ORIGIN }],
    allow_methods: 'POST', allow_headers: 'content-type,x-grpc-web', expose_headers: 'grpc-status,grpc-message' };
  const always = { numerator: 100 };
  const abort = { '@type': `${FILTERS}.fault.v3.HTTPFault`, abort: { http_status: 503, percentage: always } };
  const routes = [
    { match: { prefix: '/pages/' }, route: { cluster: 'pages' } },
    { match: { prefix: '/dead/' }, route: { cluster: 'dead' } },
    { match: { prefix: '/abort/' }, route: { cluster: 'grpc' }, typed_per_filter_config: { fault: abort } },
    { match: { prefix: '/grpc.testing.TestService/' }, route: { cluster: 'grpc', timeout: '0s' },
      typed_per_filter_config: { cors } },
  ];
  const filters = [['cors', 'cors.v3.Cors'], ['grpc_web', 'grpc_web.v3.GrpcWeb'],
    ['grpc_stats', 'grpc_stats.v3.FilterConfig'], ['fault', 'fault.v3.HTTPFault']]
    .map(([name, type]) => ({ name, typed_config: { '@type': `${FILTERS}.${type}` } }));
  const calls = { ...http2Cluster('grpc', grpc) as object, alt_stat_name: 'calls' };
  const clusters = [calls, staticCluster('pages', [pages]), staticCluster('dead', [1])];
  const format = { text_format_source: { inline_string: '%RESPONSE_CODE% %GRPC_STATUS_NUMBER%\n' } };
  const accessLog = [{ name: 'file', typed_config: { '@type': FILE_LOG, path: log, log_format: format } }];
  return bootstrapOf([httpListener(routes, { http_filters: filters, access_log: accessLog })], clusters);
}

/** One proxy of a kind, with its upstreams. */
async function start(kind: ProxyKind) {
  const [grpc, pages] = [await GrpcTestServer.start(), await startPages()];
  const folder = await mkdtemp(join(tmpdir(), 'weft-grpc-web-'));
  const log = join(folder, 'access.log');
  const proxy = await ProxyProcess.start(kind, bootstrap(grpc.port, pages.port, log));
  return {
    proxy, port: proxy.port('http'), log,
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]();
      await grpc[Symbol.asyncDispose]();
      pages.server.close();
      await rm(folder, { recursive: true });
    },
  };
}

const unary = (value: object, call: Partial<WebCall> = {}): WebCall =>
  ({ path: unaryCall.path, message: unaryCall.requestSerialize(value), ...call });

/** Length of each message's payload. */
function sizes({ messages }: WebAnswer): (number | undefined)[] {
  return messages.map((message) => (unaryCall.responseDeserialize(message) as PayloadResponse).payload)
    .map((payload) => payload?.body?.length);
}

const CASES: readonly (readonly [string, (port: number) => Promise<void>])[] = [
  ...([undefined, 'request', 'answer', 'both'] as const).map((text) => [
    `a unary call, text: ${text ?? 'neither'}`, async (port: number) => {
      const value = { responseSize: 31_415, payload: { body: Buffer.alloc(27_182) } };
      const answer = await webCall(port, unary(value, text === undefined ? {} : { text }));
      const type = text === 'answer' || text === 'both' ? `${WEB_TEXT}+proto` : WEB;
      assert.deepEqual([answer.status, answer.headers['content-type'], sizes(answer)], [200, type, [31_415]]);
      assert.equal(answer.trailers['grpc-status'], '0');
    }] as const),
  ['metadata in the head and in the trailers', async (port) => {
    const headers = { [ECHO_INITIAL]: 'initial', [ECHO_TRAILING]: 'AQID' };
    const answer = await webCall(port, unary({ responseSize: 1 }, { headers }));
    assert.deepEqual([answer.headers[ECHO_INITIAL], answer.trailers[ECHO_TRAILING]], ['initial', 'AQID']);
  }],
  ['server streaming, each message padded by itself', async (port) => {
    const wanted = [31_415, 9, 2653, 58_979, 0, 1];
    const message = streamingOutputCall.requestSerialize({ responseParameters: wanted.map((size) => ({ size })) });
    for (const text of ['request', 'both'] as const) {
      const answer = await webCall(port, { path: streamingOutputCall.path, message, text });
      assert.deepEqual(sizes(answer).map((size) => size ?? 0), wanted);
      assert.equal(answer.trailers['grpc-status'], '0');
    }
  }],
  ['a status without messages stands in the head', async (port) => {
    const responseStatus = { code: 9, message: '\t100% \u263a' };
    const answer = await webCall(port, unary({ responseStatus }));
    assert.deepEqual([answer.status, answer.body.length], [200, 0]);
    assert.deepEqual([answer.headers['grpc-status'], decodeURIComponent(String(answer.headers['grpc-message']))],
      ['9', responseStatus.message]);
  }],
  ['a message arrives before the next one is asked for, in text', (port) => pingPong(port)],
  ['base64 that is none is answered 400, and 13', async (port) => {
    for (const raw of ['AAAAA', 'AA!A', '-_-_']) {
      const { status, headers, body } = await webCall(port, { path: unaryCall.path, text: 'both', raw });
      assert.deepEqual([status, headers['grpc-status'], body.length], [400, '13', 0], raw);
    }
  }],
  ['a preflight and an answer have their CORS headers', async (port) => {
    const asked = { origin: ORIGIN, 'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,x-grpc-web' };
    const preflight = await request(`http://127.0.0.1:${port}${unaryCall.path}`, { method: 'OPTIONS', headers: asked });
    assert.deepEqual([preflight.statusCode, preflight.headers['access-control-allow-headers']],
      [200, 'content-type,x-grpc-web']);
    await preflight.body.dump();
    const { headers } = await webCall(port, unary({ responseSize: 1 }, { headers: { origin: ORIGIN } }));
    assert.deepEqual([headers['access-control-allow-origin'], headers['access-control-expose-headers']],
      [ORIGIN, 'grpc-status,grpc-message']);
  }],
];

/** A call that streams both ways: no browser does it yet, but nothing of it may be held back. */
async function pingPong(port: number): Promise<void> {
  const body = new PassThrough();
  const dispatcher = new Agent();
  // undici waits for the answer's head, which a grpc-js server sends with its first message.
  const answering = request(`http://127.0.0.1:${port}${fullDuplexCall.path}`, {
    method: 'POST', body, headers: { 'content-type': WEB_TEXT, accept: WEB_TEXT }, dispatcher,
  });
  let received: Buffer = Buffer.alloc(0);
  let answer: AsyncIterator<Buffer> | undefined;
  for (const size of [10, 20, 30]) {
    const message = fullDuplexCall.requestSerialize({ responseParameters: [{ size }] });
    body.write(grpcFrame(message).toString('base64'));
    answer ??= (await answering).body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    for (received = Buffer.alloc(0); !isWhole(received); ) {
      received = Buffer.concat([received, (await answer.next()).value as Buffer]);
    }
    const answered = fullDuplexCall.responseDeserialize(fromText(received).subarray(5)) as PayloadResponse;
    assert.equal(answered.payload?.body?.length, size);
  }
  body.end();
  for (let next = await answer!.next(); next.done !== true; next = await answer!.next()) received = next.value;
  assert.match(fromText(received).toString('latin1'), /grpc-status: ?0\r\n/);
  await dispatcher.close();
}

function isWhole(text: Buffer): boolean {
  const bytes = fromText(text);
  return bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1);
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} carries gRPC-Web by undici to a grpc-js server`, { skip }, async (t) => {
    await using way = await start(kind);
    for (const [name, run] of CASES) await t.test(name, { timeout: 30_000 }, () => run(way.port));
    const name = 'cluster.calls.grpc-web.grpc.testing.TestService.StreamingOutputCall.success';
    assert.equal(await way.proxy.stat(name), 2);
    assert.ok(await way.proxy.stat('cluster.calls.grpc.success') > 0);
  });
}

/** Whose answers must be the same under both, byte for byte. */
const SAME: readonly WebCall[] = [
  unary({ responseSize: 3 }), unary({ responseSize: 3 }, { text: 'both' }),
  unary({ responseStatus: { code: 5, message: 'gone' } }), unary({ responseStatus: { code: 5, message: 'gone' } },
    { text: 'answer' }),
  unary({ responseSize: 2 }, { headers: { 'content-type': 'application/grpc-web' } }),
  unary({}, { text: 'request', raw: 'AAAA!AAA' }), unary({}, { text: 'request', raw: '' }),
  { path: '/grpc.testing.TestService/Nothing' }, { path: '/nowhere/m' }, { path: '/nowhere/m', text: 'both' },
  { path: '/dead/m' }, { path: '/abort/m' }, { path: '/abort/m', text: 'answer' },
  { path: '/pages/broken' }, { path: '/pages/broken', text: 'answer' }, { path: '/pages/empty' },
  { path: '/pages/broken', headers: { 'content-type': 'text/plain' } },
];

/** Values of chance, and `connection`: Envoy closes after a 400 and before the request's end, weft the latter. */
const VOLATILE: ReadonlySet<string> = new Set(['date', 'x-envoy-upstream-service-time', 'connection', 'keep-alive']);

function comparable({ status, headers, body }: WebAnswer): unknown {
  const kept = Object.entries(headers).filter(([name]) => !VOLATILE.has(name));
  return { status, headers: Object.fromEntries(kept), body: body.toString('latin1') };
}

test('gRPC-Web answers are those of Envoy', { skip: reasonToSkip(findEnvoy(false)) }, async () => {
  await using theirs = await start('envoy');
  await using ours = await start('weft');
  for (const call of SAME) {
    const [wanted, found] = [await webCall(theirs.port, call), await webCall(ours.port, call)];
    assert.deepEqual(comparable(found), comparable(wanted), JSON.stringify(call));
  }
});

type Way = Awaited<ReturnType<typeof start>>;

/** What is looked at for each row of GRPC_WEB_DIFFERENCES. */
const OBSERVATIONS: ReadonlyMap<string, (way: Way) => Promise<string>> = new Map([
  ['bytes of a long page that a client sees', async ({ port }) =>
    String((await webCall(port, { path: '/pages/long' })).headers['grpc-message']?.length)],
  ['text padded in the middle of a message', async ({ port }) => {
    const frame = grpcFrame(unaryCall.requestSerialize({ responseSize: 1 }));
    const raw = frame.toString('base64', 0, 5) + frame.toString('base64', 5);
    const { status, headers, trailers } = await webCall(port, { path: unaryCall.path, text: 'request', raw });
    return `${status} ${String(headers['grpc-status'] ?? trailers['grpc-status'])}`;
  }],
  ['status and grpc-status in the access log', async ({ port, log }) => {
    await webCall(port, unary({ responseStatus: { code: 9, message: 'no' } }));
    await webCall(port, unary({ responseSize: 1 }));
    await webCall(port, { path: '/pages/broken' });
    await until('three lines are written', async () => (await readFile(log, 'latin1')).split('\n').length >= 6);
    return (await readFile(log, 'latin1')).trimEnd().split('\n').slice(-3).join(', ');
  }],
]);

test('what differs from Envoy in gRPC-Web is what is intended', { skip: reasonToSkip(findEnvoy(false)) }, async () => {
  await using theirs = await start('envoy');
  await using ours = await start('weft');
  assert.deepEqual([...OBSERVATIONS.keys()], GRPC_WEB_DIFFERENCES.map(({ what }) => what));
  for (const { what, envoy, weft, id } of GRPC_WEB_DIFFERENCES) {
    const observe = OBSERVATIONS.get(what)!;
    assert.deepEqual({ envoy: await observe(theirs), weft: await observe(ours) }, { envoy, weft }, `${id}: ${what}`);
  }
});
