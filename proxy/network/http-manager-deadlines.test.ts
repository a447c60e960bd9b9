// Deadlines of a connection manager's requests over memory, for both codecs: bodies that dribble, clients that stall.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GET, Http2Probe, frame } from '../../test/harness/http2-probe.ts';
import { MemoryTransport, settle } from '../../test/harness/memory-transport.ts';
import { sampleConnection } from '../../test/harness/stream-sample.ts';
import { ManualClock } from '../base/clock.ts';
import { SeededRandom } from '../base/random.ts';
import { TimerWheel } from '../base/timers.ts';
import { WriteBatch } from '../base/write-batch.ts';
import type { HttpConnectionManager as HttpManagerConfig } from '../config/http-connection-manager.ts';
import { LIMITS } from '../config/limits.ts';
import { FrameFlag, FrameType, PREFACE } from '../http/http2-frame.ts';
import { RouteTableRef } from '../route/route-tables.ts';
import { Stats } from '../telemetry/stats.ts';
import { HttpConnectionManager } from './http-connection-manager.ts';
import { compileHttpManager } from './http-manager-compile.ts';

const BODY_BYTES = 120_000;
/** Well within stream_idle_timeout. */
const STEP_MS = 50_000;
const AT_MOST_MS = LIMITS.bodyGraceMs + (BODY_BYTES / LIMITS.bodyBytesPerSecondMin) * 1000;
const POST = GET.map(([name, value]) => [name, name === ':method' ? 'POST' : value] as const);

/** A connection to a manager whose requests nobody answers. */
function connect(streamIdleTimeout = '300s') {
  const clock = new ManualClock();
  const timers = new TimerWheel(clock);
  const config = { statPrefix: 'in', streamIdleTimeout } as HttpManagerConfig;
  const settings = compileHttpManager(config, {
    filters: [], routes: new RouteTableRef('r', undefined), accessLogs: undefined, tracer: undefined,
    bufferBytesMax: 1_000_000, outbound: false,
  }, {
    clock, timers, random: new SeededRandom(1), writes: new WriteBatch(), localIp: '127.0.0.1',
    stats: new Stats({ chunk: () => {}, register: () => {} }),
  });
  const transport = new MemoryTransport();
  new HttpConnectionManager(settings).accept(transport, sampleConnection(), () => undefined);
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    timers.advance();
    await settle();
  };
  return { settings, transport, pass };
}

type Codec = readonly [
  name: string, head: (length: boolean) => Buffer, piece: (bytes: number) => Buffer, refused: RegExp,
];

const CODECS: readonly Codec[] = [
  ['HTTP/1.1',
    (length) => Buffer.from(`POST / HTTP/1.1\r\nhost: a\r\n${length ? `content-length: ${BODY_BYTES}`
      : 'transfer-encoding: chunked'}\r\n\r\n`),
    (bytes) => Buffer.alloc(bytes, 'x'), /^HTTP\/1.1 408 /],
  ['HTTP/2',
    (length) => Buffer.concat([PREFACE, frame(FrameType.SETTINGS, 0, 0), new Http2Probe().headers(1,
      length ? [['content-length', String(BODY_BYTES)]] : [], false, POST)]),
    (bytes) => frame(FrameType.DATA, 0, 1, Buffer.alloc(bytes, 'x')), /request timeout/],
];

for (const [name, head, piece, refused] of CODECS) {
  const chunk = name === 'HTTP/1.1' ? Buffer.from('1\r\nx\r\n') : piece(1);

  void test(`S80 ${name}: a body of declared length that dribbles is refused, a steady one is not`, async () => {
    const slow = connect();
    slow.transport.receive(head(true));
    for (let ms = 0; ms + STEP_MS < AT_MOST_MS; ms += STEP_MS) {
      await slow.pass(STEP_MS);
      assert.doesNotMatch(slow.transport.written, refused, `after ${ms} ms`);
      slow.transport.receive(piece(1));
    }
    await slow.pass(STEP_MS);
    assert.match(slow.transport.written, refused);
    const steady = connect();
    steady.transport.receive(head(true));
    for (let sent = 0; sent < BODY_BYTES; sent += BODY_BYTES / 10) {
      await steady.pass(STEP_MS);
      steady.transport.receive(piece(BODY_BYTES / 10));
    }
    if (name === 'HTTP/2') steady.transport.receive(frame(FrameType.DATA, FrameFlag.END_STREAM, 1));
    await steady.pass(AT_MOST_MS / 4);
    assert.doesNotMatch(steady.transport.written, refused);
  });

  void test(`S80 F32 ${name}: a body without length is a stream, and as slow as it likes`, async () => {
    const { transport, pass } = connect();
    transport.receive(head(false));
    for (let i = 0; i < 2000; i++) {
      await pass(STEP_MS);
      transport.receive(chunk);
    }
    assert.doesNotMatch(transport.written, refused);
    assert.equal(transport.ended || transport.destroyed, false);
  });
}

test('S25 S80 where stream_idle_timeout is off, what waits for a client has a deadline all the same', () => {
  assert.equal(connect('0s').settings.http2.flushTimeoutMs, LIMITS.flushTimeoutMs);
  assert.equal(connect('7s').settings.http2.flushTimeoutMs, 7000);
});
