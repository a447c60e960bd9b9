// A copy of a request: it never holds its request back, keeps a bounded number of bytes, and ends by itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { ProxyError } from '../base/error.ts';
import { TimerWheel } from '../base/timers.ts';
import { Headers } from '../http/headers.ts';
import { RequestHead, ResponseHead } from '../http/message.ts';
import { compileMirrors } from '../route/request-mirror.ts';
import type { AttemptSink, Cluster, Outcome } from '../upstream/upstream.ts';
import type { RoutedStream } from './filter.ts';
import { startMirrors } from './mirrored-request.ts';

const [MIRROR] = compileMirrors([{ cluster: 'copies' }], [], new Set(), '');

class HeldCluster {
  readonly outcomes: Outcome[] = [];
  readonly statuses: number[] = [];
  readonly sent: number[] = [];
  cancelled = 0;
  sink: AttemptSink | undefined;
  room = true;
  refusal: ProxyError | undefined;
  none = false;

  pick(): unknown {
    return this.none ? 'unavailable' : { done: (outcome: Outcome) => this.outcomes.push(outcome) };
  }

  startAttempt(endpoint: object, sink: AttemptSink): unknown {
    this.sink = sink;
    const sendData = (chunk: Buffer): boolean => {
      this.sent.push(chunk.length);
      return this.room;
    };
    const sendTrailers = (): number => this.sent.push(-1);
    return this.refusal ?? { endpoint, sendData, sendTrailers, cancel: () => this.cancelled++ };
  }

  countResponse(status: number): void {
    this.statuses.push(status);
  }
}

function started(cluster: HeldCluster, { endStream = false, timeoutMs = 1000 } = {}) {
  const clock = new ManualClock();
  const timers = new TimerWheel(clock);
  const request = new RequestHead('POST', 'shop:80', '/a', new Headers(['a', '1']));
  const stream = { clock, timers, bufferBytesMax: 100, request } as unknown as RoutedStream;
  const targets = [{ cluster: cluster as unknown as Cluster, mirror: MIRROR! }];
  const mirrors = startMirrors(targets, stream, timeoutMs, endStream)!;
  const advance = (ms: number): void => {
    clock.advance(ms);
    timers.advance();
  };
  return { mirrors, advance };
}

test('bytes, trailers and the answer: the copy goes on when its request is over', () => {
  const cluster = new HeldCluster();
  const { mirrors, advance } = started(cluster);
  mirrors.sendData(Buffer.alloc(10), false);
  mirrors.sendTrailers(new Headers(['t', '1']));
  mirrors.close();
  cluster.sink!.onResponseHead(new ResponseHead(500), false);
  cluster.sink!.onResponseData(Buffer.alloc(5), true);
  advance(5000);
  assert.deepEqual([cluster.sent, cluster.outcomes, cluster.statuses, cluster.cancelled], [[10, -1], [500], [500], 0]);
});

test('a copy whose request is cut off is given up', () => {
  const cluster = new HeldCluster();
  const { mirrors } = started(cluster);
  mirrors.sendData(Buffer.alloc(10), false);
  mirrors.close();
  mirrors.sendData(Buffer.alloc(10), true);
  assert.deepEqual([cluster.sent, cluster.outcomes, cluster.cancelled], [[10], ['cancelled'], 1]);
});

test('a slow copy is given up when more waits than may be buffered, and its request goes on', () => {
  const cluster = new HeldCluster();
  const { mirrors } = started(cluster);
  cluster.room = false;
  for (let i = 0; i < 3; i++) mirrors.sendData(Buffer.alloc(40), false);
  assert.deepEqual([cluster.sent, cluster.cancelled], [[40, 40, 40], 1]);
  mirrors.sendData(Buffer.alloc(40), true);
  assert.equal(cluster.sent.length, 3);
});

test('what has drained waits no more', () => {
  const cluster = new HeldCluster();
  const { mirrors } = started(cluster);
  cluster.room = false;
  for (let i = 0; i < 5; i++) {
    mirrors.sendData(Buffer.alloc(90), false);
    cluster.sink!.onRequestDrain();
  }
  assert.equal(cluster.cancelled, 0);
});

test('a copy without an answer ends by the timeout of the route', () => {
  const cluster = new HeldCluster();
  const { advance } = started(cluster, { endStream: true });
  advance(990);
  assert.equal(cluster.cancelled, 0);
  advance(20);
  assert.deepEqual([cluster.cancelled, cluster.outcomes], [1, ['timeout']]);
});

test('no endpoint, a full cluster and a failure are nobody\'s concern', () => {
  const none = new HeldCluster();
  none.none = true;
  started(none).mirrors.sendData(Buffer.alloc(1), true);
  const full = new HeldCluster();
  full.refusal = new ProxyError('overflow', 'upstream', 'overflow');
  started(full).mirrors.sendData(Buffer.alloc(1), true);
  const failing = new HeldCluster();
  const { mirrors } = started(failing);
  failing.sink!.onResponseError(new ProxyError('upstream-reset', 'upstream', 'reset'));
  mirrors.sendData(Buffer.alloc(1), true);
  mirrors.close();
  assert.deepEqual([none.sent, full.sent, failing.sent], [[], [], []]);
  assert.deepEqual([failing.outcomes, failing.cancelled], [['reset'], 0]);
});
