// connection_keepalive of HTTP/2 over memory: PING, answers, and what comes of none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Http2Probe, frame } from '../../test/harness/http2-probe.ts';
import { settle } from '../../test/harness/memory-transport.ts';
import { FrameFlag, FrameType } from './http2-frame.ts';
import { keepaliveTimes } from './http2-keepalive.ts';

const { PING, SETTINGS } = FrameType;

function pass(probe: Http2Probe, ms: number): Promise<void> {
  probe.clock.advance(ms);
  probe.timers.advance();
  return settle();
}

test('a PING per interval; without an answer the connection ends, whatever comes gives it more time', async () => {
  const keepalive = keepaliveTimes({ interval: '10s', timeout: '2s', intervalJitter: { value: 0 } });
  const probe = new Http2Probe({ keepalive });
  const pings = (): number => probe.ofType(PING).length;
  await pass(probe, 9_900);
  assert.equal(pings(), 0);
  await pass(probe, 200);
  assert.equal(pings(), 1);
  probe.send(frame(PING, FrameFlag.ACK, 0, probe.ofType(PING)[0]!.payload));
  await pass(probe, 9_900);
  assert.equal(pings(), 1);
  await pass(probe, 200);
  assert.equal(pings(), 2);
  await pass(probe, 1_500);
  probe.send(frame(SETTINGS, 0, 0));
  await pass(probe, 1_500);
  assert.equal(probe.closed, false, 'a frame says that the peer is there');
  await pass(probe, 600);
  assert.equal(probe.closed, true);
  assert.equal(probe.count('keepaliveTimeout'), 1);
  assert.equal(probe.timers.size, 0);
});

test('an interval is longer by up to its jitter, 15 % unless configured', async () => {
  const probe = new Http2Probe({ keepalive: keepaliveTimes({ interval: '100s', timeout: '1s' }) });
  await pass(probe, 100_000);
  assert.equal(probe.ofType(PING).length, 0);
  await pass(probe, 15_100);
  assert.equal(probe.ofType(PING).length, 1);
});

test('S24 answers to no PING are a flood', () => {
  const probe = new Http2Probe();
  const answers = Buffer.concat(Array.from({ length: 1001 }, () => frame(PING, FrameFlag.ACK, 0, Buffer.alloc(8))));
  probe.send(answers);
  assert.equal(probe.count('inboundControlFramesFlood'), 1);
});

test('a drain is not hurried by the answer to a keepalive PING', async () => {
  const keepalive = keepaliveTimes({ interval: '10s', timeout: '2s', intervalJitter: { value: 0 } });
  const probe = new Http2Probe({ keepalive });
  probe.send(probe.headers(1));
  await pass(probe, 10_100);
  probe.connection.drain();
  await settle();
  const [ping, drain] = probe.ofType(PING);
  probe.send(frame(PING, FrameFlag.ACK, 0, ping!.payload));
  await settle();
  assert.equal(probe.ofType(FrameType.GOAWAY).length, 1);
  probe.send(frame(PING, FrameFlag.ACK, 0, drain!.payload));
  await settle();
  assert.equal(probe.ofType(FrameType.GOAWAY).length, 2);
});
