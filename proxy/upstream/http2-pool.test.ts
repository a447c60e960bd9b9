// HTTP/2 pools against node:http2 servers: sharing, the server's limits, GOAWAY, resets, flow control, and retirement.
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { test } from 'node:test';
import { NOTHING_HELD, UpstreamServer, get, http2Options, post } from '../../test/harness/upstream-server.ts';
import { RecordingSink, eventually, started } from '../../test/harness/upstreams.ts';
import { ManualClock } from '../base/clock.ts';
import type { RequestHead } from '../http/message.ts';
import type { Attempt } from './upstream.ts';

const echoPath = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void => {
  stream.respond({ ':status': 200 });
  stream.end(String(headers[':path']));
};

function startMany(fixture: UpstreamServer, count: number): { sinks: RecordingSink[]; attempts: Attempt[] } {
  const sinks = Array.from({ length: count }, () => new RecordingSink());
  const attempts = sinks.map((sink, i) => started(fixture.start(sink, get(`/${i}`))));
  return { sinks, attempts };
}

test('requests at the same time share a connection (node:http2)', async () => {
  await using fixture = await UpstreamServer.http2(echoPath);
  await fixture.get('/first');
  const { sinks } = startMany(fixture, 100);
  for (const [i, sink] of sinks.entries()) assert.equal((await sink.end()).body, `/${i}`);
  assert.equal(fixture.connections, 1);
  const { clusters } = fixture;
  assert.equal(clusters.stat('upstream_cx_http2_total'), 1);
  assert.equal(clusters.stat('upstream_rq_total'), 101);
  assert.deepEqual({ ...clusters.held(), upstream_cx_active: 0, 'breaker 0': 0 }, NOTHING_HELD);
});

test('a server that takes two streams at once gets another connection for the third (node:http2)', async () => {
  const waiting: ServerHttp2Stream[] = [];
  await using fixture = await UpstreamServer.http2((stream, headers) => {
    if (headers[':path'] === '/first') stream.respond({ ':status': 204 }, { endStream: true });
    else waiting.push(stream);
  }, { maxConcurrentStreams: 2 });
  await fixture.get('/first');
  const { sinks } = startMany(fixture, 5);
  await eventually(() => waiting.length === 5);
  assert.equal(fixture.connections, 3);
  for (const stream of waiting) stream.respond({ ':status': 204 }, { endStream: true });
  for (const sink of sinks) assert.equal((await sink.end()).head!.status, 204);
});

test('bodies flow both ways under flow control, with trailers at their end (node:http2)', async () => {
  await using fixture = await UpstreamServer.http2((stream) => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.pipe(stream);
  });
  const sink = new RecordingSink();
  const attempt = started(fixture.start(sink, post(), false));
  const chunk = Buffer.alloc(100_000, 97);
  let held = 0;
  for (let i = 0; i < 30; i++) {
    const drains = sink.events.filter((event) => event === 'drain').length;
    if (attempt.sendData(chunk, i === 29) || i === 29) continue;
    held++;
    await sink.until(() => sink.events.filter((event) => event === 'drain').length > drains);
  }
  await sink.end();
  assert.ok(held > 0, 'the server’s window never held anything back');
  assert.equal(sink.body.length, 3_000_000);
  assert.equal(sink.events.at(-1), 'trailers');
});

test('S81 a paused response stops at the stream’s window, and others go on (node:http2)', async () => {
  let written = 0;
  await using fixture = await UpstreamServer.http2((stream, headers) => {
    stream.respond({ ':status': 200 });
    if (headers[':path'] !== '/big') {
      stream.end('small');
      return;
    }
    const more = (): void => {
      while (written < 10_000_000) {
        written += 16_384;
        if (!stream.write(Buffer.alloc(16_384))) {
          stream.once('drain', more);
          return;
        }
      }
      stream.end();
    };
    more();
  });
  const sink = new RecordingSink();
  const attempt = started(fixture.start(sink, get('/big')));
  attempt.pauseBody();
  await sink.until(() => sink.body.length >= 65_535);
  for (let i = 0; i < 20; i++) assert.equal((await fixture.get('/small')).body, 'small');
  assert.ok(sink.body.length <= 65_536, `${sink.body.length} bytes came although nobody read`);
  attempt.resumeBody();
  await sink.end();
  assert.equal(sink.body.length, written);
  assert.equal(fixture.connections, 1);
});

test('F06 GOAWAY: what the server has not looked at is safe to retry, the rest finishes (node:http2)', async () => {
  const streams: ServerHttp2Stream[] = [];
  let session: ServerHttp2Session | undefined;
  await using fixture = await UpstreamServer.http2((stream, headers) => {
    session = stream.session as ServerHttp2Session;
    if (headers[':path'] === '/first') stream.respond({ ':status': 204 }, { endStream: true });
    else streams.push(stream);
  });
  await fixture.get('/first');
  const { sinks } = startMany(fixture, 2);
  await eventually(() => streams.length === 2);
  session!.goaway(constants.NGHTTP2_NO_ERROR, streams[0]!.id!);
  await sinks[1]!.end();
  assert.deepEqual([sinks[1]!.error!.kind, sinks[1]!.error!.retry], ['upstream-refused', 'safe']);
  const next = await fixture.get('/first');
  assert.equal(next.head!.status, 204);
  assert.equal(fixture.connections, 2);
  streams[0]!.respond({ ':status': 200 });
  streams[0]!.end('late');
  assert.equal((await sinks[0]!.end()).body, 'late');
});

test('REFUSED_STREAM is safe to retry, other resets are not (node:http2)', async () => {
  await using fixture = await UpstreamServer.http2((stream, headers) => {
    stream.close(headers[':path'] === '/refuse' ? constants.NGHTTP2_REFUSED_STREAM : constants.NGHTTP2_INTERNAL_ERROR);
  });
  const refused = await fixture.get('/refuse');
  assert.deepEqual([refused.error!.kind, refused.error!.retry], ['upstream-refused', 'safe']);
  const reset = await fixture.get('/reset');
  assert.deepEqual([reset.error!.kind, reset.error!.retry], ['upstream-reset', 'never']);
  assert.equal(reset.error!.detail, 'upstream_reset_before_response_started{remote_reset}');
  assert.equal(fixture.connections, 1);
});

test('F06 a server that dies in the middle of a body is told as a reset, on every stream (node:http2)', async () => {
  await using fixture = await UpstreamServer.http2((stream) => {
    stream.respond({ ':status': 200, 'content-length': 10 });
    stream.write('half');
  });
  const { sinks } = startMany(fixture, 3);
  for (const sink of sinks) await sink.until(() => sink.body === 'half');
  for (const socket of fixture.sockets) socket.destroy();
  for (const sink of sinks) assert.equal((await sink.end()).error!.kind, 'upstream-reset');
  await eventually(() => fixture.clusters.stat('upstream_cx_active') === 0);
  assert.deepEqual(fixture.clusters.held(), NOTHING_HELD);
});

test('F08 a cancelled request resets its stream and nothing else (node:http2)', async () => {
  const closed: number[] = [];
  await using fixture = await UpstreamServer.http2((stream) => {
    stream.on('close', () => closed.push(stream.rstCode));
    stream.respond({ ':status': 200 });
    stream.write('begin');
  });
  const { sinks, attempts } = startMany(fixture, 2);
  for (const sink of sinks) await sink.until(() => sink.body === 'begin');
  attempts[0]!.cancel();
  await eventually(() => closed.length === 1);
  assert.equal(closed[0], constants.NGHTTP2_CANCEL);
  assert.equal(sinks[1]!.ended, false);
  assert.equal(fixture.clusters.stat('upstream_rq_active'), 1);
});

test('max_requests_per_connection and idle_timeout retire connections (node:http2)', async () => {
  const clock = new ManualClock();
  const common = { maxRequestsPerConnection: 2, idleTimeout: '5s' };
  await using fixture = await UpstreamServer.http2(echoPath, {}, common, clock);
  for (const path of ['/1', '/2', '/3']) assert.equal((await fixture.get(path)).body, path);
  await eventually(() => fixture.connections === 2 && fixture.sockets.size === 1);
  assert.equal(fixture.clusters.stat('upstream_cx_max_requests'), 1);
  clock.advance(4_990);
  fixture.clusters.timers.advance();
  assert.equal(fixture.clusters.stat('upstream_cx_active'), 1);
  clock.advance(1_020);
  fixture.clusters.timers.advance();
  await eventually(() => fixture.clusters.stat('upstream_cx_active') === 0);
  assert.equal(fixture.clusters.stat('upstream_cx_idle_timeout'), 1);
});

function upgrade(): RequestHead {
  const head = get('/chat');
  head.upgrade = 'websocket';
  return head;
}

test('an upgrade as a connection\'s first request waits for the server\'s word (RFC 8441, node:http2)', async () => {
  await using fixture = await UpstreamServer.http2((stream, headers) => {
    stream.respond({ ':status': 200, 'x-protocol': String(headers[':protocol']) });
    stream.pipe(stream);
  }, { enableConnectProtocol: true });
  const sink = new RecordingSink();
  const attempt = started(fixture.start(sink, upgrade(), false));
  attempt.sendData(Buffer.from('early '), false);
  await eventually(() => sink.head !== undefined);
  assert.deepEqual([sink.head!.status, sink.head!.headers.get('x-protocol')], [101, 'websocket']);
  attempt.sendData(Buffer.from('late'), true);
  assert.equal((await sink.end()).body, 'early late');
  assert.deepEqual({ ...fixture.clusters.held(), upstream_cx_active: 0, 'breaker 0': 0 }, NOTHING_HELD);
});

test('an upgrade is refused when the server does not offer them (node:http2)', async () => {
  await using fixture = await UpstreamServer.http2(() => assert.fail('nothing is sent'));
  const sink = new RecordingSink();
  started(fixture.start(sink, upgrade(), false));
  await eventually(() => sink.error !== undefined);
  assert.equal(sink.error!.detail, 'http2.connect_protocol_not_offered');
  assert.deepEqual({ ...fixture.clusters.held(), upstream_cx_active: 0, 'breaker 0': 0 }, NOTHING_HELD);
});

test('a waiting upgrade can be given up, and ends with its connection (server without SETTINGS)', async () => {
  await using fixture = await UpstreamServer.raw((socket) => socket.resume(), http2Options());
  const [given, lost] = [new RecordingSink(), new RecordingSink()];
  const attempt = started(fixture.start(given, upgrade(), false));
  started(fixture.start(lost, upgrade(), false));
  await eventually(() => fixture.clusters.stat('upstream_rq_active') === 2);
  attempt.cancel();
  for (const socket of fixture.sockets) socket.destroy();
  await eventually(() => lost.error !== undefined);
  assert.equal(lost.error!.kind, 'upstream-reset');
  assert.deepEqual(fixture.clusters.held(), NOTHING_HELD);
});
