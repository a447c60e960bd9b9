// How fast a paced response goes out, by a clock that the test moves; and who is held back meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { TimerWheel } from '../base/timers.ts';
import { Headers } from '../http/headers.ts';
import { ResponsePace } from './response-pace.ts';
import type { PacedStream } from './response-pace.ts';

class Sent implements PacedStream {
  readonly clock = new ManualClock();
  readonly timers = new TimerWheel(this.clock);
  readonly bufferBytesMax = 1000;
  readonly events: string[] = [];
  room = true;

  sendPaced(chunk: Buffer, endStream: boolean): boolean {
    this.events.push(`${chunk.length}${endStream ? ' end' : ''}`);
    return this.room;
  }

  sendPacedTrailers(): void {
    this.events.push('trailers');
  }

  onPaceRoom(): void {
    this.events.push('room');
  }

  /** What happens in so many milliseconds. */
  after(ms: number): string[] {
    this.events.length = 0;
    for (let passed = 0; passed < ms; passed += 10) {
      this.clock.advance(10);
      this.timers.advance();
    }
    return [...this.events];
  }
}

/** 2 KiB a second are 102 bytes in each 50 ms. */
function paced(): { sent: Sent; pace: ResponsePace } {
  const sent = new Sent();
  return { sent, pace: new ResponsePace(2, sent) };
}

test('a body goes out in slices, the first at once', () => {
  const { sent, pace } = paced();
  assert.equal(pace.take(Buffer.alloc(250), false), true);
  assert.deepEqual(sent.events, ['102']);
  assert.deepEqual(sent.after(60), ['102']);
  pace.take(Buffer.alloc(10), true);
  assert.deepEqual(sent.after(60), ['56 end']);
  assert.equal(sent.timers.size, 0);
});

test('what was not used is saved up, for a second at most', () => {
  const { sent, pace } = paced();
  assert.deepEqual(sent.after(5000), []);
  pace.take(Buffer.alloc(3000), true);
  assert.deepEqual(sent.events, ['2040']);
});

test('the end alone, and trailers, wait for what is before them', () => {
  const { sent, pace } = paced();
  pace.take(Buffer.alloc(150), false);
  pace.takeTrailers(new Headers());
  assert.deepEqual(sent.after(60), ['48', 'trailers']);
  const other = paced();
  other.pace.take(Buffer.alloc(0), true);
  assert.deepEqual(other.sent.events, ['0 end']);
});

test('the upstream is held back beyond the buffer, and let on at half of it', () => {
  const { sent, pace } = paced();
  assert.equal(pace.take(Buffer.alloc(1150), false), false, 'more than 1000 bytes are left');
  assert.deepEqual(sent.after(290).filter((event) => event === 'room'), []);
  assert.deepEqual(sent.after(100).filter((event) => event === 'room'), ['room']);
});

test('a client that takes nothing stops it until it has room; a stream that ends stops it for good', () => {
  const { sent, pace } = paced();
  sent.room = false;
  pace.take(Buffer.alloc(500), false);
  assert.deepEqual(sent.after(200), []);
  pace.resume();
  assert.deepEqual(sent.events, ['398']);
  pace.take(Buffer.alloc(500), true);
  pace.cancel();
  assert.deepEqual([sent.after(500), sent.timers.size], [[], 0]);
});
