// Stands before an exporter: bounds what is under way, counts what becomes of spans, says once when a collector goes.
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-node';
import type { ComponentLog } from '../telemetry/log.ts';
import { tracingScope } from '../telemetry/span-buffer.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { FinishedSpan } from './finished-span.ts';

type Done = Parameters<SpanExporter['export']>[1];

/** A collector that takes requests and never answers holds at most this many. */
const UNANSWERED_MAX = 3;
const FAILED = 1;

/**
 * - unknown: nothing was sent yet.
 * - up: the last batch was taken.
 * - down: the last batch was not; told once.
 */
type CollectorState = 'unknown' | 'up' | 'down';

/** Counts tracing.zipkin.reports_sent, reports_dropped (refused by the collector or not sent), spans_dropped. */
export class GuardedExporter implements SpanExporter {
  readonly #inner: SpanExporter;
  readonly #url: string;
  readonly #log: ComponentLog;
  readonly #sent: Counter;
  readonly #failed: Counter;
  readonly #dropped: Counter;
  #state: CollectorState = 'unknown';
  #unanswered = 0;
  #queuedSpans = 0;
  #queuedBytes = 0;

  constructor(inner: SpanExporter, url: string, stats: Stats, log: ComponentLog) {
    this.#inner = inner;
    this.#url = url;
    this.#log = log;
    const counter = (name: string): Counter => stats.counter(statName(tracingScope, name));
    this.#sent = counter('reports_sent');
    this.#failed = counter('reports_dropped');
    this.#dropped = counter('spans_dropped');
  }

  /** What waits to be exported. */
  get queuedSpans(): number {
    return this.#queuedSpans;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  queued(span: FinishedSpan): void {
    this.#queuedSpans++;
    this.#queuedBytes += span.bytes;
  }

  export(spans: ReadableSpan[], done: Done): void {
    this.#queuedSpans -= spans.length;
    for (const span of spans) this.#queuedBytes -= (span as FinishedSpan).bytes;
    if (this.#unanswered >= UNANSWERED_MAX) {
      const error = new Error(`${UNANSWERED_MAX} earlier batches are still unanswered`);
      this.#onFailure(spans.length, error);
      done({ code: FAILED, error });
      return;
    }
    this.#unanswered++;
    this.#inner.export(spans, (result) => {
      this.#unanswered--;
      if (result.code === FAILED) this.#onFailure(spans.length, result.error);
      else this.#onSuccess();
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }

  #onSuccess(): void {
    this.#sent.inc();
    if (this.#state === 'down') this.#log.info(`the span collector at ${this.#url} takes spans again`);
    this.#state = 'up';
  }

  #onFailure(spans: number, error: Error | undefined): void {
    this.#failed.inc();
    this.#dropped.add(spans);
    if (this.#state === 'down') return;
    this.#state = 'down';
    const reason = reasonOf(error);
    this.#log.warning(`the span collector at ${this.#url} takes no spans: ${reason}; they are dropped until it does`);
  }
}

/** Node gives connection failures to several addresses an empty message. */
function reasonOf(error: Error | undefined): string {
  if (error === undefined) return 'no reason given';
  const code = 'code' in error ? String(error.code) : '';
  return error.message === '' ? code : error.message;
}
