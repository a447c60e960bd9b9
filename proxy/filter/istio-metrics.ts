// The metrics themselves: which exist, which labels they have, and the counters of one set of labels.
import { ConfigError } from '../base/error.ts';
import type { IstioStats } from '../config/istio-stats.ts';
import { labelledName } from '../telemetry/stat-name.ts';
import type { Counter, Histogram, Stats } from '../telemetry/stats.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';

export type Label = readonly [name: string, value: string];

/** Configured name to family. */
const FAMILIES = {
  requests_total: 'istio_requests_total',
  request_duration_milliseconds: 'istio_request_duration_milliseconds',
  request_bytes: 'istio_request_bytes',
  response_bytes: 'istio_response_bytes',
} as const;
type Metric = keyof typeof FAMILIES;

/** Istio's other metrics, which are not kept: to drop them or their labels asks for nothing. */
const ABSENT: ReadonlySet<string> = new Set([
  'tcp_sent_bytes_total', 'tcp_received_bytes_total', 'tcp_connections_opened_total', 'tcp_connections_closed_total',
  'request_messages_total', 'response_messages_total',
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

  constructor(
    requests: Counter | undefined, durationMs: Histogram | undefined, requestBytes: Histogram | undefined,
    responseBytes: Histogram | undefined,
  ) {
    this.#requests = requests;
    this.#durationMs = durationMs;
    this.#requestBytes = requestBytes;
    this.#responseBytes = responseBytes;
  }

  record(info: StreamInfo): void {
    this.#requests?.inc();
    this.#durationMs?.record(info.endMs - info.startMs);
    this.#requestBytes?.record(info.bytesReceived);
    this.#responseBytes?.record(info.bytesSent);
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

  series(labels: readonly Label[]): IstioSeries {
    const histogram = (metric: Metric): Histogram | undefined => {
      const kept = this.#labelsOf(metric, labels);
      return kept === undefined ? undefined : this.#stats.histogram(labelledName(FAMILIES[metric], kept));
    };
    const counted = this.#labelsOf('requests_total', labels);
    const requests = counted && this.#stats.counter(labelledName(FAMILIES.requests_total, counted));
    const durationMs = histogram('request_duration_milliseconds');
    return new IstioSeries(requests, durationMs, histogram('request_bytes'), histogram('response_bytes'));
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
