// Budgets of HTTP/2 connections to node:http2 servers: what honest servers do passes, floods end the connection.
import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import { UpstreamServer } from '../../test/harness/upstream-server.ts';
import { eventually } from '../../test/harness/upstreams.ts';
import { LIMITS } from '../config/limits.ts';

/** Each answered before the next: a session takes only so many at a time. */
function pingTimes(session: ServerHttp2Session, count: number): void {
  if (count === 0 || session.destroyed) return;
  session.ping(() => pingTimes(session, count - 1));
}

test('S24 a server may send a PING for each round of data, and not without data (node:http2)', async () => {
  let session: ServerHttp2Session | undefined;
  await using fixture = await UpstreamServer.http2((stream: ServerHttp2Stream) => {
    session = stream.session as ServerHttp2Session;
    session.ping(() => {});
    stream.respond({ ':status': 200 });
    stream.end('ok');
  });
  for (let i = 0; i < LIMITS.http2ControlFramesMax + 500; i++) assert.equal((await fixture.get()).body, 'ok');
  assert.equal(fixture.connections, 1);
  const { clusters } = fixture;
  assert.equal(clusters.stat('http2.inbound_control_frames_flood'), 0);
  pingTimes(session!, 2 * LIMITS.http2ControlFramesMax + 500);
  await eventually(() => clusters.stat('http2.inbound_control_frames_flood') === 1);
});

test('S21 a server that resets one request in ten is left alone, one that resets all is not (node:http2)', async () => {
  let count = 0;
  await using some = await UpstreamServer.http2((stream) => {
    if (++count % 10 === 0) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    else stream.respond({ ':status': 204 }, { endStream: true });
  });
  for (let i = 0; i < 2500; i++) await some.get();
  assert.equal(some.clusters.stat('http2.reset_flood'), 0);
  assert.equal(some.connections, 1);
  await using all = await UpstreamServer.http2((stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  for (let i = 0; i <= LIMITS.http2ResetsMax; i++) await all.get();
  assert.equal(all.clusters.stat('http2.reset_flood'), 1);
});
