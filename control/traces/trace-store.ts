// The recent traces, kept in memory within fixed bounds: the trace that is longest without a new span goes first.
import type { Span } from './span.ts';

/** A trace as it has arrived so far. */
export interface Trace {
  readonly traceId: string;
  readonly spans: readonly Span[];
}

/** What the list shows of a trace. Times in milliseconds; `startMs` is Unix time. */
export interface TraceSummary {
  readonly traceId: string;
  /** Name of the earliest span without a known parent. */
  readonly name: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly spans: number;
  readonly services: readonly string[];
  readonly error: boolean;
}

export interface TraceLimits {
  readonly traces: number;
  readonly spansPerTrace: number;
  readonly spans: number;
}

/** Some 20 MB at worst with the bounds of span.ts met by ordinary spans (a dozen short tags). */
export const TRACE_LIMITS: TraceLimits = { traces: 1000, spansPerTrace: 500, spans: 20_000 };

/** What happened to spans since the start. */
export interface TraceCounts {
  received: number;
  /** Malformed, or over a trace's own bound. */
  rejected: number;
  /** Dropped to make room for newer traces. */
  evicted: number;
}

export class TraceStore {
  readonly #limits: TraceLimits;
  /** In order of last arrival, which is what a Map's order becomes when an entry is set anew. */
  readonly #traces = new Map<string, Span[]>();
  #spans = 0;
  readonly counts: TraceCounts = { received: 0, rejected: 0, evicted: 0 };

  constructor(limits: TraceLimits = TRACE_LIMITS) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#traces.size;
  }

  get spanCount(): number {
    return this.#spans;
  }

  add(span: Span): void {
    const spans = this.#traces.get(span.traceId) ?? [];
    if (spans.length >= this.#limits.spansPerTrace) {
      this.counts.rejected++;
      return;
    }
    spans.push(span);
    this.#traces.delete(span.traceId);
    this.#traces.set(span.traceId, spans);
    this.#spans++;
    this.counts.received++;
    this.#evict();
  }

  get(traceId: string): Trace | undefined {
    const spans = this.#traces.get(traceId);
    return spans === undefined ? undefined : { traceId, spans };
  }

  /** Most recently touched first; `service` keeps traces in which that service has a span. */
  list(limit: number, service?: string): TraceSummary[] {
    const summaries: TraceSummary[] = [];
    for (const [traceId, spans] of [...this.#traces].reverse()) {
      if (summaries.length >= limit) break;
      if (service !== undefined && !spans.some((span) => span.local.serviceName === service)) continue;
      summaries.push(summarise({ traceId, spans }));
    }
    return summaries;
  }

  #evict(): void {
    for (const [traceId, spans] of this.#traces) {
      const over = this.#traces.size > this.#limits.traces || this.#spans > this.#limits.spans;
      if (!over || this.#traces.size === 1) return;
      this.#traces.delete(traceId);
      this.#spans -= spans.length;
      this.counts.evicted += spans.length;
    }
  }
}

export function summarise(trace: Trace): TraceSummary {
  const ids = new Set(trace.spans.map((span) => span.id));
  const roots = trace.spans.filter((span) => span.parentId === undefined || !ids.has(span.parentId));
  const root = roots.sort((a, b) => a.timestampUs - b.timestampUs)[0];
  const timed = trace.spans.filter((span) => span.timestampUs > 0);
  const start = timed.reduce((least, span) => Math.min(least, span.timestampUs), Infinity);
  const end = timed.reduce((most, span) => Math.max(most, span.timestampUs + span.durationUs), 0);
  const services = new Set(trace.spans.map((span) => span.local.serviceName).filter((name) => name !== ''));
  return {
    traceId: trace.traceId,
    name: root?.name ?? '',
    startMs: start === Infinity ? 0 : Math.floor(start / 1000),
    durationMs: start === Infinity ? 0 : (end - start) / 1000,
    spans: trace.spans.length,
    services: [...services].sort(),
    error: trace.spans.some((span) => span.tags.has('error')),
  };
}
