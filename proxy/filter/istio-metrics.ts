// The metrics themselves: which exist, which labels they have, and the counters of one set of labels.
import { ConfigError } from '../base/error.ts';
import type { IstioStats } from '../config/istio-stats.ts';
import { labelledName } from '../telemetry/stat-name.ts';
import type { Counter, Histogram, StatName, Stats } from '../telemetry/stats.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';

export type Label = readonly [name: string, value: string];

/** Configured name to family. */
const FAMILIES = {
  requests_total: 'istio_requests_total',
  request_duration_milliseconds: 'istio_request_duration_milliseconds',
  request_bytes: 'istio_request_bytes',
  response_bytes: 'istio_response_bytes',
  request_messages_total: 'istio_request_messages_total',
  response_messages_total: 'istio_response_messages_total',
} as const;
type Metric = keyof typeof FAMILIES;

/** Istio's other metrics, which are not kept: to drop them or their labels asks for nothing. */
const ABSENT: ReadonlySet<string> = new Set([
  'tcp_sent_bytes_total', 'tcp_received_bytes_total', 'tcp_connections_opened_total', 'tcp_connections_closed_total',
]);

const METRICS = Object.keys(FAMILIES) as Metric[];

interface MetricShape {
  readonly dropped: boolean;
  readonly without: ReadonlySet<string>;
}

/** One set of labels; a metric that is dropped is undefined. */
export class IstioSeries {
  readonly #requests: Counter | undefined;
  readonly #durationMs: Histogram | undefined;
  readonly #requestBytes: Histogram | undefined;
  readonly #responseBytes: Histogram | undefined;
  /** Of gRPC calls. */
  readonly #requestMessages: Counter | undefined;
  readonly #responseMessages: Counter | undefined;

  constructor(counter: (metric: Metric) => Counter | undefined, histogram: (metric: Metric) => Histogram | undefined,
    grpc: boolean) {
    this.#requests = counter('requests_total');
    this.#durationMs = histogram('request_duration_milliseconds');
    this.#requestBytes = histogram('request_bytes');
    this.#responseBytes = histogram('response_bytes');
    this.#requestMessages = grpc ? counter('request_messages_total') : undefined;
    this.#responseMessages = grpc ? counter('response_messages_total') : undefined;
  }

  record(info: StreamInfo): void {
    this.#requests?.inc();
    this.#durationMs?.record(info.endMs - info.startMs);
    this.#requestBytes?.record(info.bytesReceived);
    this.#responseBytes?.record(info.bytesSent);
    if (info.grpcMessages === undefined) return;
    this.#requestMessages?.add(info.grpcMessages.requests);
    this.#responseMessages?.add(info.grpcMessages.responses);
  }
}

/** Makes series as configuration shapes them. */
export class IstioMetrics {
  readonly #stats: Stats;
  readonly #shapes: ReadonlyMap<Metric, MetricShape>;

  /** Throws ConfigError below `path`. */
  constructor(configs: NonNullable<IstioStats['metrics']>, stats: Stats, path: string) {
    this.#stats = stats;
    this.#shapes = new Map(METRICS.map((metric) => [metric, shapeOf(metric, configs)]));
    for (const [i, { name = '' }] of configs.entries()) {
      if (name === '' || Object.hasOwn(FAMILIES, name) || ABSENT.has(name)) continue;
      throw new ConfigError(`${path}.metrics[${i}].name`, `'${name}' is no metric; known: ${METRICS.join(', ')}`);
    }
  }

  /** `grpc`: messages are counted too, where the filter grpc_stats tells them (emit_filter_state). */
  series(labels: readonly Label[], grpc: boolean): IstioSeries {
    const nameOf = (metric: Metric): StatName | undefined => {
      const kept = this.#labelsOf(metric, labels);
      return kept === undefined ? undefined : labelledName(FAMILIES[metric], kept);
    };
    const counter = (metric: Metric): Counter | undefined => {
      const name = nameOf(metric);
      return name === undefined ? undefined : this.#stats.counter(name);
    };
    const histogram = (metric: Metric): Histogram | undefined => {
      const name = nameOf(metric);
      return name === undefined ? undefined : this.#stats.histogram(name);
    };
    return new IstioSeries(counter, histogram, grpc);
  }

  #labelsOf(metric: Metric, labels: readonly Label[]): readonly Label[] | undefined {
    const { dropped, without } = this.#shapes.get(metric)!;
    if (dropped) return undefined;
    return without.size === 0 ? labels : labels.filter(([name]) => !without.has(name));
  }
}

/** An entry without a name is for all metrics; later entries win. */
function shapeOf(metric: Metric, configs: NonNullable<IstioStats['metrics']>): MetricShape {
  const mine = configs.filter(({ name = '' }) => name === '' || name === metric);
  const dropped = mine.findLast(({ drop }) => drop !== undefined)?.drop === true;
  return { dropped, without: new Set(mine.flatMap(({ tagsToRemove = [] }) => tagsToRemove)) };
}
