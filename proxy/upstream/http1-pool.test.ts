// HTTP/1.1 pools against node:http servers: reuse, queueing, limits, pushes, and cancelling in every state.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse, IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { NOTHING_HELD, UpstreamServer, get, hello, post, thresholds } from '../../test/harness/upstream-server.ts';
import { RecordingSink, TestClusters, eventually, started } from '../../test/harness/upstreams.ts';
import { ProxyError } from '../base/error.ts';
import type { Attempt } from './upstream.ts';

test('requests one after the other share a connection', async () => {
  await using fixture = await UpstreamServer.http((request, response) => void response.end(request.url));
  for (const path of ['/a', '/b', '/c']) assert.equal((await fixture.get(path)).body, path);
  assert.equal(fixture.connections, 1);
  const { clusters } = fixture;
  for (const [name, value] of [['upstream_cx_total', 1], ['upstream_cx_http1_total', 1], ['upstream_cx_active', 1],
    ['upstream_rq_total', 3], ['upstream_rq_active', 0], ['upstream_rq_pending_total', 1]] as const) {
    assert.equal(clusters.stat(name), value, name);
  }
  const { address } = clusters.pick();
  assert.equal(clusters.endpointStat(address, 'rq_total'), 3);
  assert.equal(clusters.endpointStat(address, 'cx_total'), 1);
  clusters.set.close();
  await eventually(() => fixture.sockets.size === 0);
  assert.equal(clusters.timers.size, 0);
});

test('requests at the same time have connections of their own, and the last used is used next', async () => {
  const ports = new Map<string, number>();
  const waiting: ServerResponse[] = [];
  await using fixture = await UpstreamServer.http((request, response) => {
    ports.set(request.url!, request.socket.remotePort!);
    if (request.url!.startsWith('/wait')) waiting.push(response);
    else response.end();
  });
  const sinks = ['/wait1', '/wait2'].map((path) => {
    const sink = new RecordingSink();
    started(fixture.start(sink, get(path)));
    return sink;
  });
  await eventually(() => waiting.length === 2);
  assert.equal(fixture.clusters.pick().activeRequests, 2);
  assert.equal(fixture.connections, 2);
  for (const response of waiting) {
    response.end();
    await sinks.shift()!.end();
  }
  await fixture.get('/next');
  assert.equal(ports.get('/next'), ports.get('/wait2'));
  assert.equal(fixture.connections, 2);
});

test('a body flows both ways, with what came before the connection first', async () => {
  await using fixture = await UpstreamServer.http((request, response) => void request.pipe(response));
  const sink = new RecordingSink();
  const attempt = started(fixture.start(sink, post(), false));
  assert.equal(attempt.sendData(Buffer.from('one '), false), false);
  await sink.until(() => sink.events.includes('drain'));
  assert.deepEqual(sink.events, ['ready', 'drain']);
  assert.equal(attempt.sendData(Buffer.from('two'), true), true);
  await sink.end();
  assert.equal(sink.body, 'one two');
});

test('a whole request that waited for the connection is sent with its end', async () => {
  await using fixture = await UpstreamServer.http((request, response) => void request.pipe(response));
  const sink = new RecordingSink();
  const attempt = started(fixture.start(sink, post(3), false));
  attempt.sendData(Buffer.from('abc'), true);
  await sink.end();
  assert.equal(sink.body, 'abc');
  assert.ok(!sink.events.includes('drain'));
});

test('beyond max_connections requests wait in turn for the connections there are', async () => {
  const order: string[] = [];
  await using fixture = await UpstreamServer.http((request, response) => {
    order.push(request.url!);
    setImmediate(() => response.end());
  }, thresholds({ maxConnections: 1 }));
  const sinks = ['/1', '/2', '/3', '/4'].map((path) => {
    const sink = new RecordingSink();
    started(fixture.start(sink, get(path)));
    return sink;
  });
  for (const sink of sinks) await sink.end();
  assert.deepEqual(order, ['/1', '/2', '/3', '/4']);
  assert.equal(fixture.connections, 1);
  assert.ok(fixture.clusters.stat('upstream_cx_overflow') >= 3);
});

test('beyond max_pending_requests requests are refused at once', async () => {
  await using fixture = await UpstreamServer.http(hello, thresholds({ maxConnections: 1, maxPendingRequests: 2 }));
  const sinks = [new RecordingSink(), new RecordingSink()];
  for (const sink of sinks) started(fixture.start(sink));
  const refused = fixture.start(new RecordingSink());
  assert.ok(refused instanceof ProxyError);
  assert.deepEqual([refused.kind, refused.retry], ['overflow', 'safe']);
  assert.equal(fixture.clusters.stat('upstream_rq_pending_overflow'), 1);
  for (const sink of sinks) assert.equal((await sink.end()).body, 'hello');
});

test('max_requests refuses those who are too many, and a finished one makes room', async () => {
  const waiting: ServerResponse[] = [];
  const keep = (_request: IncomingMessage, response: ServerResponse): void => void waiting.push(response);
  await using fixture = await UpstreamServer.http(keep, thresholds({ maxRequests: 1 }));
  const [first, second] = [new RecordingSink(), new RecordingSink()];
  started(fixture.start(first));
  started(fixture.start(second));
  await second.until(() => second.error !== undefined || first.error !== undefined);
  const [served, refused] = first.error === undefined ? [first, second] : [second, first];
  assert.equal(refused.error!.kind, 'overflow');
  await eventually(() => waiting.length === 1);
  waiting.pop()!.end('done');
  assert.equal((await served.end()).body, 'done');
  const third = new RecordingSink();
  started(fixture.start(third));
  await eventually(() => waiting.length === 1);
  waiting.pop()!.end('again');
  assert.equal((await third.end()).body, 'again');
});

test('one connection and one request at a time: the next is not refused because the last is just ending', async () => {
  await using fixture = await UpstreamServer.http(hello, thresholds({ maxConnections: 1, maxRequests: 1 }));
  const sinks = Array.from({ length: 5 }, () => new RecordingSink());
  for (const sink of sinks) started(fixture.start(sink));
  for (const sink of sinks) assert.equal((await sink.end()).body, 'hello');
});

test('a refused connection fails all who wait, each safe to retry', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const clusters = new TestClusters();
  clusters.apply([port], thresholds({ maxConnections: 1 }));
  const sinks = Array.from({ length: 3 }, () => new RecordingSink());
  for (const sink of sinks) started(clusters.cluster.startAttempt(clusters.pick(), sink, get(), true));
  for (const sink of sinks) {
    const { error } = await sink.end();
    assert.deepEqual([error!.kind, error!.retry], ['connect-failure', 'safe']);
    assert.equal(error!.cause, 'delayed_connect_error:_Connection_refused');
  }
  assert.equal(clusters.stat('upstream_rq_pending_failure_eject'), 3);
  assert.equal(clusters.stat('upstream_cx_connect_fail'), 1);
  assert.deepEqual(clusters.held(), NOTHING_HELD);
  assert.equal(clusters.timers.size, 0);
});

test('cancel while waiting, before the response and within it leaves nothing behind', async () => {
  await using fixture = await UpstreamServer.http((request, response) => {
    if (request.url === '/body') response.write('part');
  }, thresholds({ maxConnections: 1 }));
  const { clusters } = fixture;
  const [waiting, sent, body] = [new RecordingSink(), new RecordingSink(), new RecordingSink()];
  started(fixture.start(waiting)).cancel();
  assert.deepEqual(waiting.events, []);
  assert.equal(clusters.stat('upstream_rq_cancelled'), 1);
  const second = started(fixture.start(sent));
  await sent.until(() => sent.events.includes('ready'));
  second.cancel();
  second.cancel();
  assert.equal(clusters.stat('upstream_rq_tx_reset'), 1);
  const third = started(fixture.start(body, get('/body')));
  await body.until(() => body.body === 'part');
  third.cancel();
  await eventually(() => clusters.stat('upstream_cx_active') === 0);
  assert.deepEqual(sent.events, ['ready']);
  assert.deepEqual(body.events, ['ready', 'head 200', 'data']);
  assert.deepEqual(clusters.held(), NOTHING_HELD);
  assert.equal(clusters.pick().activeRequests, 0);
});

test('F08 a request that is cancelled within its own events stays cancelled', async () => {
  await using fixture = await UpstreamServer.http(hello);
  for (const at of ['ready', 'head 200', 'data']) {
    const sink = new RecordingSink();
    const cancelling = Object.assign(sink, { attempt: undefined as Attempt | undefined });
    const attempt = started(fixture.start(cancelling));
    const reached = (): boolean => sink.events.some((event) => event.startsWith(at));
    void sink.until(reached).then(() => attempt.cancel());
    await sink.until(reached);
    await eventually(() => fixture.clusters.stat('upstream_rq_active') === 0);
    assert.equal(sink.error, undefined);
  }
  await eventually(() => fixture.clusters.pick().activeRequests === 0);
});

test('an endpoint that leaves the cluster finishes its requests and then has no connection', async () => {
  const waiting: ServerResponse[] = [];
  await using fixture = await UpstreamServer.http((request, response) => {
    if (request.url === '/wait') waiting.push(response);
    else response.end();
  });
  await Promise.all([fixture.get(), fixture.get()]);
  const sink = new RecordingSink();
  started(fixture.start(sink, get('/wait')));
  await eventually(() => waiting.length === 1);
  fixture.clusters.apply([]);
  await eventually(() => fixture.sockets.size === 1);
  waiting[0]!.end('finished');
  assert.equal((await sink.end()).body, 'finished');
  await eventually(() => fixture.sockets.size === 0);
  assert.deepEqual(fixture.clusters.held(), NOTHING_HELD);
});

test('F04 a push keeps connections where nothing about them changed, and drains them where something did', async () => {
  await using fixture = await UpstreamServer.http(hello);
  await fixture.get();
  fixture.clusters.apply([fixture.port], { lbPolicy: 'LEAST_REQUEST' });
  await fixture.get();
  assert.equal(fixture.connections, 1);
  fixture.clusters.apply([fixture.port], { connectTimeout: '3s' });
  await fixture.get();
  assert.equal(fixture.connections, 2);
  await eventually(() => fixture.sockets.size === 1);
});

test('F04 requests that wait when a push comes are served', async () => {
  await using fixture = await UpstreamServer.http(hello, thresholds({ maxConnections: 1 }));
  const sinks = Array.from({ length: 4 }, () => new RecordingSink());
  for (const sink of sinks) started(fixture.start(sink));
  fixture.clusters.apply([fixture.port], { connectTimeout: '3s' });
  for (const sink of sinks) assert.equal((await sink.end()).body, 'hello');
});

test('back-pressure: a response that nobody reads stops at the server', async () => {
  let written = 0;
  await using fixture = await UpstreamServer.http((_request, response) => {
    const chunk = Buffer.alloc(65_536);
    const more = (): void => {
      while (response.write(chunk)) written += chunk.length;
      written += chunk.length;
      response.once('drain', more);
    };
    more();
  });
  const sink = new RecordingSink();
  const attempt = started(fixture.start(sink));
  await sink.until(() => sink.body.length > 0);
  attempt.pauseBody();
  // The kernel's buffers fill, then the server gets no drain any more.
  let before = -1;
  while (written !== before) {
    before = written;
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
  }
  const read = sink.body.length;
  assert.ok(written > read);
  attempt.resumeBody();
  await sink.until(() => sink.body.length > read);
  attempt.cancel();
});
