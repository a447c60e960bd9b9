// Sends finished spans to their collectors through OpenTelemetry's SDK and Zipkin exporter; loaded when spans come.
import { ZipkinExporter } from '@opentelemetry/exporter-zipkin';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { ComponentLog } from '../telemetry/log.ts';
import { tracingScope } from '../telemetry/span-buffer.ts';
import type { SpanRecord, SpanTarget } from '../telemetry/span-record.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { CollectorAddress } from './collector-address.ts';
import { GuardedExporter } from './guarded-exporter.ts';
import { FinishedSpan } from './finished-span.ts';

export interface SpanExportOptions {
  /** Service name of all spans: the node's cluster, as Envoy has it. */
  readonly serviceName: string;
  readonly stats: Stats;
  readonly log: ComponentLog;
  /** Where a collector's cluster is now. */
  readonly addressOf: (cluster: string) => CollectorAddress;
  /** Whole URLs that get every span as well. */
  readonly additionalUrls?: readonly string[];
}

/** Spans and bytes of one collector that wait; more are dropped (F14). */
export const QUEUE_SPANS_MAX = 4096;
export const QUEUE_BYTES_MAX = 8 * 1024 * 1024;
const BATCH_SPANS = 512;
const BATCH_DELAY_MS = 1000;
const EXPORT_TIMEOUT_MS = 10_000;
/** What is still queued at the end gets this long. */
const STOP_TIMEOUT_MS = 2000;

export class SpanExport {
  readonly #options: SpanExportOptions;
  readonly #dropped: Counter;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #extra: readonly Pipeline[];
  readonly #missing = new Set<string>();

  constructor(options: SpanExportOptions) {
    this.#options = options;
    this.#dropped = options.stats.counter(statName(tracingScope, 'spans_dropped'));
    this.#extra = (options.additionalUrls ?? []).map((url) => new Pipeline(url, '', options));
  }

  /** Never throws for what a collector does. */
  feed(spans: readonly SpanRecord[]): void {
    for (const record of spans) {
      const span = new FinishedSpan(record);
      for (const pipeline of this.#extra) pipeline.add(span);
      const pipeline = this.#pipelineOf(record.target);
      if (pipeline === undefined) this.#dropped.inc();
      else pipeline.add(span);
    }
  }

  /** Sends what is queued, for two seconds at most. */
  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, STOP_TIMEOUT_MS);
    const all = [...this.#pipelines.values(), ...this.#extra].map((pipeline) => pipeline.stop());
    await Promise.race([Promise.all(all), promise]);
    clearTimeout(timer);
  }

  #pipelineOf(target: SpanTarget): Pipeline | undefined {
    const { cluster, path, hostname } = target;
    const address = this.#options.addressOf(cluster);
    if ('missing' in address) {
      this.#sayMissing(cluster, address.missing);
      return undefined;
    }
    this.#missing.delete(cluster);
    const url = address.url + path;
    const key = `${cluster} ${path} ${hostname}`;
    let pipeline = this.#pipelines.get(key);
    if (pipeline?.url === url) return pipeline;
    void pipeline?.stop();
    pipeline = new Pipeline(url, hostname === '' ? cluster : hostname, this.#options);
    this.#pipelines.set(key, pipeline);
    return pipeline;
  }

  #sayMissing(cluster: string, reason: string): void {
    if (this.#missing.has(cluster)) return;
    this.#missing.add(cluster);
    this.#options.log.warning(`spans are dropped: ${reason}`);
  }
}

/** The way to one URL: a bounded queue, batches, one export at a time. */
class Pipeline {
  readonly url: string;
  readonly #exporter: GuardedExporter;
  readonly #processor: BatchSpanProcessor;
  readonly #dropped: Counter;

  constructor(url: string, host: string, { serviceName, stats, log }: SpanExportOptions) {
    this.url = url;
    this.#dropped = stats.counter(statName(tracingScope, 'spans_dropped'));
    const headers: Record<string, string> = host === '' ? {} : { host };
    this.#exporter = new GuardedExporter(new ZipkinExporter({ url, serviceName, headers }), url, stats, log);
    this.#processor = new BatchSpanProcessor(this.#exporter, {
      maxQueueSize: QUEUE_SPANS_MAX, maxExportBatchSize: BATCH_SPANS,
      scheduledDelayMillis: BATCH_DELAY_MS, exportTimeoutMillis: EXPORT_TIMEOUT_MS,
    });
  }

  add(span: FinishedSpan): void {
    const { queuedSpans, queuedBytes } = this.#exporter;
    if (queuedSpans >= QUEUE_SPANS_MAX || queuedBytes + span.bytes > QUEUE_BYTES_MAX) {
      this.#dropped.inc();
      return;
    }
    this.#exporter.queued(span);
    this.#processor.onEnd(span);
  }

  async stop(): Promise<void> {
    await this.#processor.shutdown().catch(() => undefined);
  }
}
