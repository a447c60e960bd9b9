// The life of an HTTP/1.1 connection against node:http and raw servers: retirement, closing races, and broken
// responses.
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { NOTHING_HELD, UpstreamServer, get, hello, options, post,
  thresholds } from '../../test/harness/upstream-server.ts';
import { RecordingSink, eventually, started } from '../../test/harness/upstreams.ts';
import { ManualClock } from '../base/clock.ts';

test('max_requests_per_connection retires a connection', async () => {
  await using fixture = await UpstreamServer.http(hello, options({ maxRequestsPerConnection: 2 }));
  for (let i = 0; i < 5; i++) assert.equal((await fixture.get()).body, 'hello');
  assert.equal(fixture.connections, 3);
  assert.equal(fixture.clusters.stat('upstream_cx_max_requests'), 2);
});

test('`connection: close` from the server ends the connection, and the next request gets another', async () => {
  await using fixture = await UpstreamServer.http((_request, response) => {
    response.setHeader('connection', 'close');
    response.end('bye');
  });
  for (let i = 0; i < 3; i++) assert.equal((await fixture.get()).body, 'bye');
  assert.equal(fixture.connections, 3);
});

for (const [title, keepAlive, changes, keptMs] of [
  ['4 s where nobody says anything', undefined, {}, 4000],
  ["less than the server's promise", 'timeout=2', {}, 1000],
  ['longer where the server promises more', 'timeout=61', {}, 60_000],
  ['idle_timeout where it is configured', undefined, options({ idleTimeout: '120s' }), 120_000],
  ["the server's promise before a longer idle_timeout", 'timeout=10', options({ idleTimeout: '120s' }), 9000],
] as const) {
  test(`idle connections are retired after ${title}`, async () => {
    const clock = new ManualClock();
    await using fixture = await UpstreamServer.http((_request, response) => {
      if (keepAlive !== undefined) response.setHeader('keep-alive', keepAlive);
      response.end('hello');
    }, changes, clock);
    await fixture.get();
    clock.advance(keptMs - 20);
    fixture.clusters.timers.advance();
    await fixture.get();
    assert.equal(fixture.connections, 1);
    clock.advance(keptMs + 20);
    fixture.clusters.timers.advance();
    await eventually(() => fixture.sockets.size === 0);
    assert.equal(fixture.clusters.stat('upstream_cx_idle_timeout'), 1);
    await fixture.get();
    assert.equal(fixture.connections, 2);
  });
}

test('idle_timeout 0s keeps connections for ever, but for what was learned', async () => {
  const clock = new ManualClock();
  await using fixture = await UpstreamServer.http(hello, options({ idleTimeout: '0s' }), clock);
  await fixture.get();
  clock.advance(86_400_000);
  fixture.clusters.timers.advance();
  await fixture.get();
  assert.equal(fixture.connections, 1);
  clock.advance(3000);
  for (const socket of fixture.sockets) socket.end();
  await eventually(() => fixture.clusters.stat('upstream_cx_active') === 0);
  await fixture.get();
  clock.advance(2100);
  fixture.clusters.timers.advance();
  await eventually(() => fixture.clusters.stat('upstream_cx_idle_timeout') === 1);
});

test('max_connection_duration drains: an idle connection now, a busy one after its response', async () => {
  const clock = new ManualClock();
  const waiting: ServerResponse[] = [];
  await using fixture = await UpstreamServer.http((request, response) => {
    if (request.url === '/wait') waiting.push(response);
    else response.end('hello');
  }, options({ maxConnectionDuration: '2s' }), clock);
  await fixture.get();
  clock.advance(2010);
  fixture.clusters.timers.advance();
  await eventually(() => fixture.sockets.size === 0);
  const sink = new RecordingSink();
  started(fixture.start(sink, get('/wait')));
  await eventually(() => waiting.length === 1);
  clock.advance(2010);
  fixture.clusters.timers.advance();
  waiting[0]!.end('late');
  assert.equal((await sink.end()).body, 'late');
  await eventually(() => fixture.sockets.size === 0);
  assert.equal(fixture.clusters.stat('upstream_cx_max_duration_reached'), 2);
});

test('max_stream_duration ends a request', async () => {
  const clock = new ManualClock();
  await using fixture = await UpstreamServer.http(() => {}, options({ maxStreamDuration: '1s' }), clock);
  const sink = new RecordingSink();
  started(fixture.start(sink));
  await sink.until(() => sink.events.includes('ready'));
  clock.advance(1010);
  fixture.clusters.timers.advance();
  assert.equal(sink.error!.kind, 'max-duration');
  await eventually(() => fixture.clusters.stat('upstream_cx_active') === 0);
  assert.deepEqual(fixture.clusters.held(), NOTHING_HELD);
});

test('F06 F07 a reset on a reused connection before any byte may be retried, on a new one not by itself', async () => {
  let answers = 1;
  await using fixture = await UpstreamServer.raw((socket) => socket.on('data', () => {
    if (answers-- > 0) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    else socket.resetAndDestroy();
  }));
  assert.equal((await fixture.get()).body, 'ok');
  const reused = await fixture.get();
  assert.deepEqual([reused.error!.kind, reused.error!.retry], ['upstream-reset', 'if-reused']);
  const fresh = await fixture.get();
  assert.deepEqual([fresh.error!.kind, fresh.error!.retry], ['upstream-reset', 'never']);
  assert.equal(fixture.clusters.stat('upstream_rq_rx_reset'), 2);
  assert.deepEqual(fixture.clusters.held(), NOTHING_HELD);
});

test('F06 a response that is cut off is never a clean end, and never safe to retry', async () => {
  const cuts = ['HTTP/1.1 200 OK\r\ncontent-le', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n', 'HTTP/1.1 103 Early Hints\r\n\r\n'];
  for (const cut of cuts) {
    let answered = false;
    await using fixture = await UpstreamServer.raw((socket) => socket.on('data', () => {
      if (answered) socket.end(cut);
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
      answered = true;
    }));
    await fixture.get();
    const { error } = await fixture.get();
    assert.deepEqual([error?.kind, error?.retry], ['upstream-reset', 'never'], cut);
  }
});

test('S12 bytes that nobody asked for end the connection, and the next request gets a clean one', async () => {
  await using fixture = await UpstreamServer.raw((socket) => socket.on('data', () => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison');
  }));
  for (let i = 0; i < 3; i++) assert.equal((await fixture.get()).body, 'ok');
  assert.equal(fixture.connections, 3);
  // Nor are they the answer of one who waits for the connection.
  fixture.clusters.apply([fixture.port], thresholds({ maxConnections: 1 }));
  const sinks = Array.from({ length: 4 }, () => new RecordingSink());
  for (const sink of sinks) started(fixture.start(sink));
  for (const sink of sinks) assert.equal((await sink.end()).body, 'ok');
});

test('a malformed response is upstream-protocol and counted', async () => {
  const mail = '220 mail.example ESMTP\r\n\r\n';
  await using fixture = await UpstreamServer.raw((socket) => socket.on('data', () => socket.write(mail)));
  assert.equal((await fixture.get()).error!.kind, 'upstream-protocol');
  await eventually(() => fixture.clusters.stat('upstream_cx_active') === 0);
  assert.deepEqual(fixture.clusters.held(), NOTHING_HELD);
});

test('S09 an answer before the end of the request ends the connection', async () => {
  await using fixture = await UpstreamServer.raw((socket) => socket.once('data', () => {
    socket.write('HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n');
  }));
  const sink = new RecordingSink();
  const attempt = started(fixture.start(sink, post(1_000_000), false));
  attempt.sendData(Buffer.from('start'), false);
  await sink.end();
  assert.equal(sink.head!.status, 413);
  assert.equal(attempt.sendData(Buffer.from('more'), false), true);
  await eventually(() => fixture.sockets.size === 0);
  assert.deepEqual(fixture.clusters.held(), NOTHING_HELD);
});
