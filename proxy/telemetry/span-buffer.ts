// Finished spans of one worker on their way to the supervisor: posted in batches; beyond a bound dropped and counted.
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { SpanRecord } from './span-record.ts';
import type { StatScope } from './stat-name.ts';
import { statName } from './stat-name.ts';
import type { Counter, Stats } from './stats.ts';

/** Spans per batch and so per half second: what is more is dropped (S89). */
export const BATCH_SPANS_MAX = 2048;
const FLUSH_MS = 500;

/** `tracing.zipkin.*`, envoy_tracing_zipkin_*. */
export const tracingScope: StatScope = { flat: 'tracing.zipkin.', family: 'envoy_tracing_zipkin_', labels: [] };

export class SpanBuffer implements TimerTarget {
  readonly #post: (spans: readonly SpanRecord[]) => void;
  readonly #timer: Timer;
  readonly #sent: Counter;
  readonly #dropped: Counter;
  #spans: SpanRecord[] = [];

  /** `post` gets each batch; it must not keep the array's spans from being collected. */
  constructor(timers: TimerWheel, stats: Stats, post: (spans: readonly SpanRecord[]) => void) {
    this.#post = post;
    this.#timer = new Timer(timers, this);
    this.#sent = stats.counter(statName(tracingScope, 'spans_sent'));
    this.#dropped = stats.counter(statName(tracingScope, 'spans_dropped'));
  }

  add(span: SpanRecord): void {
    if (this.#spans.length >= BATCH_SPANS_MAX) {
      this.#dropped.inc();
      return;
    }
    this.#spans.push(span);
    if (!this.#timer.armed) this.#timer.arm(FLUSH_MS);
  }

  onTimer(): void {
    this.flush();
  }

  /** Posts what is there, at once. */
  flush(): void {
    this.#timer.cancel();
    if (this.#spans.length === 0) return;
    const batch = this.#spans;
    this.#spans = [];
    this.#sent.add(batch.length);
    this.#post(batch);
  }
}
