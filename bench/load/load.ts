// What every load generator of the comparison takes and gives.
/** What is loaded, and for how long. */
export interface Target {
  readonly port: number;
  readonly seconds: number;
  /** Where certificates and request bodies are, and where a generator may write. */
  readonly folder: string;
  /** Called once, when all connections that are not to be measured stand. */
  readonly begin: () => void;
}

export interface LoadResult {
  readonly requests: number;
  /** Bytes of answers; 0 where the generator doesn't say. */
  readonly bytes: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that were not 2xx, and connections that failed. */
  readonly errors: number;
}

/** A generator that is not done so long after its time is ended: what it waits for doesn't come. */
export const LATE_MS = 30_000;

export const HOST = 'reviews';
/** A path of sidecar.yaml's route with retries, which stands behind seven others. */
export const PATH = '/flaky/0';

/** `values` in order; `share` 0.5 is the median. NaN without values. */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
