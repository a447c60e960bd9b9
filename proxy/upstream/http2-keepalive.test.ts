// connection_keepalive towards servers: node:http2 answers, a raw server stops to.
import assert from 'node:assert/strict';
import { createServer } from 'node:http2';
import type { ServerHttp2Session } from 'node:http2';
import type { Server } from 'node:net';
import { test } from 'node:test';
import { UpstreamServer, get, http2Options } from '../../test/harness/upstream-server.ts';
import { RecordingSink, eventually, started } from '../../test/harness/upstreams.ts';
import { ManualClock } from '../base/clock.ts';
import { frame } from '../../test/harness/http2-probe.ts';
import { FrameType } from '../http/http2-frame.ts';

const NO_JITTER = { intervalJitter: { value: 0 } };

function pass(fixture: UpstreamServer, clock: ManualClock, ms: number): void {
  clock.advance(ms);
  fixture.clusters.timers.advance();
}

test('idle connections are kept by PING, and a request after a silence has one before it (node:http2)', async () => {
  let pings = 0;
  const server = createServer((_request, response) => response.end('ok'));
  server.on('session', (session: ServerHttp2Session) => session.on('ping', () => pings++));
  const clock = new ManualClock();
  const times = { interval: '10s', timeout: '2s', connectionIdleInterval: '5s', ...NO_JITTER };
  await using fixture = await new UpstreamServer(server as unknown as Server, clock).listen(
    http2Options({}, { connectionKeepalive: times }),
  );
  assert.equal((await fixture.get()).body, 'ok');
  pass(fixture, clock, 10_100);
  await eventually(() => pings === 1);
  // Its answer, or else the next silence would seem to be shorter.
  assert.equal((await fixture.get()).body, 'ok');
  pass(fixture, clock, 6_000);
  assert.equal((await fixture.get()).body, 'ok');
  assert.equal(pings, 2, 'no PING before a request after 6 s');
  assert.equal((await fixture.get()).body, 'ok');
  assert.equal(pings, 2);
  assert.equal(fixture.clusters.stat('http2.keepalive_timeout'), 0);
  assert.equal(fixture.connections, 1);
});

test('F07 a server that is silently gone is found out, and its requests end (raw server)', async () => {
  const clock = new ManualClock();
  const times = { interval: '10s', timeout: '2s', ...NO_JITTER };
  await using fixture = await UpstreamServer.raw((socket) => {
    socket.on('error', () => undefined);
    socket.resume().write(frame(FrameType.SETTINGS, 0, 0));
  }, http2Options({}, { connectionKeepalive: times }), clock);
  const sink = new RecordingSink();
  started(fixture.start(sink, get()));
  await eventually(() => fixture.clusters.stat('upstream_cx_active') === 1 && sink.events.includes('ready'));
  pass(fixture, clock, 10_100);
  pass(fixture, clock, 2_100);
  const { error } = await sink.end();
  assert.equal(error!.kind, 'upstream-reset');
  assert.equal(fixture.clusters.stat('http2.keepalive_timeout'), 1);
  await eventually(() => fixture.clusters.stat('upstream_cx_active') === 0);
  assert.equal(fixture.clusters.stat('upstream_cx_destroy_local'), 1);
});
