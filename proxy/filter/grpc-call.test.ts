// Calls of filters to their services, on a cluster held in memory: what ends them, and that they end once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { ProxyError } from '../base/error.ts';
import { TimerWheel } from '../base/timers.ts';
import { Headers } from '../http/headers.ts';
import { ResponseHead } from '../http/message.ts';
import type { RequestHead } from '../http/message.ts';
import type { AttemptSink, Cluster, Outcome } from '../upstream/upstream.ts';
import { GrpcCall } from './grpc-call.ts';

const TARGET = { path: '/a.B/C', authority: 'limits', timeoutMs: 20 };

function setUp() {
  const clock = new ManualClock();
  const timers = new TimerWheel(clock);
  const outcomes: Outcome[] = [];
  const ends: (Buffer | ProxyError)[] = [];
  const sent: Buffer[] = [];
  const seen = { cancelled: 0, head: undefined as RequestHead | undefined, sink: undefined as AttemptSink | undefined };
  const endpoint = { done: (outcome: Outcome) => outcomes.push(outcome) };
  const attempt = { endpoint, sendData: (chunk: Buffer) => sent.push(chunk) > 0, cancel: () => seen.cancelled++ };
  const cluster = {
    pick: () => endpoint,
    startAttempt: (_endpoint: unknown, sink: AttemptSink, head: RequestHead) => {
      seen.head = head;
      seen.sink = sink;
      return attempt;
    },
  } as unknown as Cluster;
  const call = new GrpcCall(cluster, TARGET, timers, { onCallDone: (end) => ends.push(end) });
  call.start(TARGET, new Headers(['x-a', '1']), Buffer.from('hi'));
  const advance = (ms: number): void => {
    clock.advance(ms);
    timers.advance();
  };
  return { call, seen, sent, ends, outcomes, advance };
}

const grpcHead = (): ResponseHead => new ResponseHead(200, new Headers(['content-type', 'application/grpc']));
const detailOf = (end: Buffer | ProxyError | undefined): string =>
  end instanceof ProxyError ? end.detail : String(end);

test('the message is framed, the deadline told, and the answer given without its frame', () => {
  const { seen, sent, ends, outcomes, advance } = setUp();
  assert.deepEqual(seen.head!.headers.fields, ['x-a', '1', 'content-type', 'application/grpc', 'grpc-timeout', '20m']);
  assert.deepEqual(sent, [Buffer.from([0, 0, 0, 0, 2, 0x68, 0x69])]);
  seen.sink!.onResponseHead(grpcHead(), false);
  seen.sink!.onResponseData(Buffer.from([0, 0, 0, 0]), false);
  seen.sink!.onResponseData(Buffer.from([3, 0x79, 0x65, 0x73]), false);
  seen.sink!.onResponseTrailers(new Headers(['grpc-status', '0']));
  advance(1000);
  assert.deepEqual([ends.map(detailOf), outcomes, seen.cancelled], [['yes'], [200], 0]);
});

test('S73 a service that takes too long is left, and its late answer is not heard', () => {
  const { seen, ends, outcomes, advance } = setUp();
  advance(100);
  seen.sink!.onResponseHead(grpcHead(), true);
  assert.deepEqual([ends.map(detailOf), outcomes, seen.cancelled], [['call_timeout'], ['timeout'], 1]);
});

test('a call that nobody waits for any more is ended, without a word', () => {
  const { call, seen, ends, outcomes, advance } = setUp();
  call.cancel();
  call.cancel();
  advance(100);
  assert.deepEqual([ends, outcomes, seen.cancelled], [[], ['cancelled'], 1]);
});

test('statuses, other media types, ends without trailers and long answers are no answer', () => {
  const broken: ((sink: AttemptSink) => void)[] = [
    (sink) => sink.onResponseHead(new ResponseHead(200, new Headers(['content-type', 'text/html'])), false),
    (sink) => sink.onResponseHead(new ResponseHead(200, new Headers(['grpc-status', '14'])), true),
    (sink) => sink.onResponseHead(new ResponseHead(200, new Headers(['grpc-status', '0'])), true),
    (sink) => {
      sink.onResponseHead(grpcHead(), false);
      sink.onResponseData(Buffer.from([0, 0, 0, 0, 0]), true);
    },
    (sink) => {
      sink.onResponseHead(grpcHead(), false);
      for (let i = 0; i < 5; i++) sink.onResponseData(Buffer.alloc(16_384), false);
    },
    (sink) => {
      sink.onResponseHead(grpcHead(), false);
      sink.onResponseData(Buffer.from([1, 0, 0, 0, 0]), false);
      sink.onResponseTrailers(new Headers(['grpc-status', '0']));
    },
  ];
  for (const each of broken) {
    const { seen, ends } = setUp();
    each(seen.sink!);
    assert.deepEqual(ends.map(detailOf), ['no_answer']);
  }
});
