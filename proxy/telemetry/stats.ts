// Counters, gauges and histograms of one thread, kept in shared memory that only this thread writes and the supervisor
// sums at scrape.

/** A stat's name in both of Envoy's spellings: `flat` for /stats, `family` + labels for Prometheus. */
export interface StatName {
  readonly flat: string;
  readonly family: string;
  readonly labels: readonly (readonly [string, string])[];
}

export type StatKind = 'counter' | 'gauge' | 'histogram';

/** Told to the supervisor once for each stat: which chunk of shared memory, and where in it. */
export interface StatRegistration {
  readonly kind: StatKind;
  readonly name: StatName;
  readonly chunk: number;
  readonly slot: number;
}

/** Where registrations and new chunks go: the supervisor's port in a worker, the merger itself in the supervisor. */
export interface StatSink {
  chunk(index: number, memory: SharedArrayBuffer): void;
  register(registration: StatRegistration): void;
}

/** Values per chunk; a histogram takes HISTOGRAM_SLOTS of them. */
export const CHUNK_SLOTS = 8192;

/** Upper bounds of histogram buckets (Envoy's defaults for Prometheus), in the stat's unit; +Inf follows. */
export const BUCKETS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/** Buckets, +Inf, count and sum. */
export const HISTOGRAM_SLOTS: number = BUCKETS.length + 3;

/** Stats of one thread; names beyond are all counted in `server.stats_overflow` instead (S88). */
export const STATS_MAX = 200_000;

const OVERFLOW: StatName = { flat: 'server.stats_overflow', family: 'envoy_server_stats_overflow', labels: [] };

/** Only goes up. */
export class Counter {
  readonly #values: Float64Array;
  readonly #slot: number;

  constructor(values: Float64Array, slot: number) {
    this.#values = values;
    this.#slot = slot;
  }

  inc(): void {
    this.#values[this.#slot]!++;
  }

  add(amount: number): void {
    this.#values[this.#slot]! += amount;
  }

  get value(): number {
    return this.#values[this.#slot]!;
  }
}

/** Goes up and down; threads' values are summed. */
export class Gauge {
  readonly #values: Float64Array;
  readonly #slot: number;

  constructor(values: Float64Array, slot: number) {
    this.#values = values;
    this.#slot = slot;
  }

  inc(): void {
    this.#values[this.#slot]!++;
  }

  dec(): void {
    this.#values[this.#slot]!--;
  }

  set(value: number): void {
    this.#values[this.#slot] = value;
  }

  get value(): number {
    return this.#values[this.#slot]!;
  }
}

/** Counts values by bucket; the unit is the name's (milliseconds for *_time, *_milliseconds). */
export class Histogram {
  readonly #values: Float64Array;
  readonly #slot: number;

  constructor(values: Float64Array, slot: number) {
    this.#values = values;
    this.#slot = slot;
  }

  record(value: number): void {
    let bucket = 0;
    while (bucket < BUCKETS.length && value > BUCKETS[bucket]!) bucket++;
    const values = this.#values;
    values[this.#slot + bucket]!++;
    values[this.#slot + BUCKETS.length + 1]!++;
    values[this.#slot + BUCKETS.length + 2]! += value;
  }
}

/** The stats of one thread. Asking twice for one name gives the same stat. */
export class Stats {
  readonly #sink: StatSink;
  readonly #counters = new Map<string, Counter>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #histograms = new Map<string, Histogram>();
  /** Where stats go that found no place. */
  readonly #unread = new Float64Array(HISTOGRAM_SLOTS);
  #count = 0;
  #overflow: Counter | undefined = undefined;
  #chunk: Float64Array = new Float64Array(0);
  #chunkIndex = -1;
  #used: number = CHUNK_SLOTS;

  constructor(sink: StatSink) {
    this.#sink = sink;
  }

  counter(name: StatName): Counter {
    const key = statKey(name);
    let counter = this.#counters.get(key);
    if (counter === undefined) {
      if (this.#full()) return new Counter(this.#unread, 0);
      const slot = this.#allocate('counter', name, 1);
      counter = new Counter(this.#chunk, slot);
      this.#counters.set(key, counter);
    }
    return counter;
  }

  gauge(name: StatName): Gauge {
    const key = statKey(name);
    let gauge = this.#gauges.get(key);
    if (gauge === undefined) {
      if (this.#full()) return new Gauge(this.#unread, 0);
      const slot = this.#allocate('gauge', name, 1);
      gauge = new Gauge(this.#chunk, slot);
      this.#gauges.set(key, gauge);
    }
    return gauge;
  }

  histogram(name: StatName): Histogram {
    const key = statKey(name);
    let histogram = this.#histograms.get(key);
    if (histogram === undefined) {
      if (this.#full()) return new Histogram(this.#unread, 0);
      const slot = this.#allocate('histogram', name, HISTOGRAM_SLOTS);
      histogram = new Histogram(this.#chunk, slot);
      this.#histograms.set(key, histogram);
    }
    return histogram;
  }

  #full(): boolean {
    if (this.#count < STATS_MAX) return false;
    if (this.#overflow === undefined) {
      const slot = this.#allocate('counter', OVERFLOW, 1);
      this.#overflow = new Counter(this.#chunk, slot);
    }
    this.#overflow.inc();
    return true;
  }

  #allocate(kind: StatKind, name: StatName, slots: number): number {
    this.#count++;
    if (this.#used + slots > CHUNK_SLOTS) {
      const memory = new SharedArrayBuffer(CHUNK_SLOTS * Float64Array.BYTES_PER_ELEMENT);
      this.#chunk = new Float64Array(memory);
      this.#chunkIndex++;
      this.#used = 0;
      this.#sink.chunk(this.#chunkIndex, memory);
    }
    const slot = this.#used;
    this.#used += slots;
    this.#sink.register({ kind, name, chunk: this.#chunkIndex, slot });
    return slot;
  }
}

/** What makes two names the same stat. */
export function statKey(name: StatName): string {
  let key = name.flat === '' ? name.family : name.flat;
  if (name.flat === '') for (const [label, value] of name.labels) key += `\u0000${label}\u0000${value}`;
  return key;
}
