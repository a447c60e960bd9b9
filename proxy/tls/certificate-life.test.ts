// When a connection is told to finish, and cut, because certificates end: also when the wall clock is set meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { TimerWheel } from '../base/timers.ts';
import { CertificateLife } from './certificate-life.ts';

class Life {
  readonly clock = new ManualClock();
  readonly timers = new TimerWheel(this.clock);
  readonly calls: string[] = [];
  readonly life: CertificateLife;

  constructor(lifeMs: number) {
    const connection = { drain: () => this.calls.push('drain'), expire: () => this.calls.push('expire') };
    this.life = new CertificateLife(connection, { endMs: this.clock.wallMs() + lifeMs }, this.timers, this.clock);
  }

  /** In steps, as time passes. */
  pass(ms: number): string {
    for (let left = ms; left > 0; left -= 1000) {
      this.clock.advance(Math.min(left, 1000));
      this.timers.advance();
    }
    return this.calls.join();
  }
}

test('S58 a connection drains half a minute before its certificate ends, and is cut then', () => {
  const day = new Life(86_400_000);
  assert.equal(day.pass(86_400_000 - 31_000), '');
  assert.equal(day.pass(2000), 'drain');
  assert.equal(day.pass(28_000), 'drain');
  assert.equal(day.pass(2000), 'drain,expire');
  assert.equal(day.timers.size, 0);
});

test('S58 of a short life the last tenth is for draining', () => {
  const short = new Life(20_000);
  assert.equal(short.pass(17_000), '');
  assert.equal(short.pass(2000), 'drain');
  assert.equal(short.pass(2000), 'drain,expire');
});

test('S58 a certificate that has ended ends its connection at once', () => {
  assert.equal(new Life(-5000).pass(1000), 'expire');
});

test('F21 a wall clock that is set forward is noticed within minutes, one that is set back gives no early end', () => {
  const forward = new Life(86_400_000);
  forward.clock.setWallBy(86_400_000);
  assert.equal(forward.pass(601_000), 'expire');
  const back = new Life(60_000);
  back.clock.setWallBy(-3_600_000);
  assert.equal(back.pass(60_000), '');
  assert.equal(back.pass(3_600_000), 'drain,expire');
});

test('a connection that is gone is left alone', () => {
  const gone = new Life(60_000);
  gone.life.close();
  assert.equal(gone.pass(120_000), '');
  assert.equal(gone.timers.size, 0);
});
