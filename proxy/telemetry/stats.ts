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

/** Told once for each block of stats. */
export interface BlockRegistration {
  readonly shape: StatShape;
  readonly scope: StatName;
  readonly chunk: number;
  readonly slot: number;
}

/** Where registrations and new chunks go: the supervisor's port in a worker, the merger itself in the supervisor. */
export interface StatSink {
  chunk(index: number, memory: SharedArrayBuffer): void;
  register(registration: StatRegistration): void;
  /** Without it each stat of a block is registered. */
  block?(registration: BlockRegistration): void;
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

/** What a shape holds: names relative to a scope. */
export type ShapeNames = Readonly<Record<StatKind, readonly string[]>>;

/** One stat of a shape, and where it is in a block. */
interface ShapedStat {
  readonly kind: StatKind;
  readonly name: string;
  readonly offset: number;
}

/**
 * Stats that many things have alike: the names are kept once for all of them, and each has its values in one block.
 * A mesh of ten thousand clusters has a million stats, most of which never count anything.
 */
export class StatShape {
  readonly id: string;
  readonly names: ShapeNames;
  readonly stats: readonly ShapedStat[];
  readonly slots: number;
  readonly #byName: ReadonlyMap<string, ShapedStat>;

  constructor(id: string, names: ShapeNames) {
    this.id = id;
    this.names = names;
    let offset = 0;
    const place = (kind: StatKind, name: string): ShapedStat => {
      const stat = { kind, name, offset };
      offset += slotsOf(kind);
      return stat;
    };
    this.stats = (['counter', 'gauge', 'histogram'] as const).flatMap(
      (kind) => names[kind].map((name) => place(kind, name)),
    );
    this.slots = offset;
    this.#byName = new Map(this.stats.map((stat) => [stat.name, stat]));
  }

  find(name: string): ShapedStat | undefined {
    return this.#byName.get(name);
  }
}

/** Values that a stat of this kind takes. */
export function slotsOf(kind: StatKind): number {
  return kind === 'histogram' ? HISTOGRAM_SLOTS : 1;
}

/** Where the values of a stat are. */
interface Cell {
  readonly values: Float64Array;
  readonly slot: number;
}

/** The stats of one thing; what counts is made when it is asked for. */
export class StatBlock {
  readonly shape: StatShape;
  readonly #values: Float64Array;
  readonly #slot: number;

  constructor(shape: StatShape, values: Float64Array, slot: number) {
    this.shape = shape;
    this.#values = values;
    this.#slot = slot;
  }

  counter(name: string): Counter {
    return new Counter(this.#values, this.cell(name).slot);
  }

  gauge(name: string): Gauge {
    return new Gauge(this.#values, this.cell(name).slot);
  }

  histogram(name: string): Histogram {
    return new Histogram(this.#values, this.cell(name).slot);
  }

  /** Of a name that the shape has. */
  cell(name: string): Cell {
    return { values: this.#values, slot: this.#slot + this.shape.find(name)!.offset };
  }
}

/** The stats of one thread. Asking twice for one name gives the same stat. */
export class Stats {
  readonly #sink: StatSink;
  readonly #counters = new Map<string, Counter>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #histograms = new Map<string, Histogram>();
  /** By the flat name of their scope. */
  readonly #blocks = new Map<string, StatBlock>();
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
    if (counter !== undefined) return counter;
    const cell = this.#cell('counter', name);
    if (cell === undefined) return new Counter(this.#unread, 0);
    counter = new Counter(cell.values, cell.slot);
    this.#counters.set(key, counter);
    return counter;
  }

  gauge(name: StatName): Gauge {
    const key = statKey(name);
    let gauge = this.#gauges.get(key);
    if (gauge !== undefined) return gauge;
    const cell = this.#cell('gauge', name);
    if (cell === undefined) return new Gauge(this.#unread, 0);
    gauge = new Gauge(cell.values, cell.slot);
    this.#gauges.set(key, gauge);
    return gauge;
  }

  histogram(name: StatName): Histogram {
    const key = statKey(name);
    let histogram = this.#histograms.get(key);
    if (histogram !== undefined) return histogram;
    const cell = this.#cell('histogram', name);
    if (cell === undefined) return new Histogram(this.#unread, 0);
    histogram = new Histogram(cell.values, cell.slot);
    this.#histograms.set(key, histogram);
    return histogram;
  }

  /** All stats of a shape at once; scopes of two shapes must differ. They count as one name. */
  block(shape: StatShape, scope: StatName): StatBlock {
    let block = this.#blocks.get(scope.flat);
    if (block !== undefined) return block;
    if (this.#full()) return new StatBlock(shape, new Float64Array(shape.slots), 0);
    const slot = this.#reserve(shape.slots);
    this.#registerBlock({ shape, scope, chunk: this.#chunkIndex, slot });
    block = new StatBlock(shape, this.#chunk, slot);
    this.#blocks.set(scope.flat, block);
    return block;
  }

  #registerBlock(registration: BlockRegistration): void {
    if (this.#sink.block !== undefined) {
      this.#sink.block(registration);
      return;
    }
    const { shape, scope, chunk, slot } = registration;
    for (const { kind, name, offset } of shape.stats) {
      const names = { flat: scope.flat + name, family: scope.family + name.replaceAll('.', '_'), labels: scope.labels };
      this.#sink.register({ kind, name: names, chunk, slot: slot + offset });
    }
  }

  #full(): boolean {
    if (this.#count < STATS_MAX) return false;
    if (this.#overflow === undefined) {
      const slot = this.#allocate('counter', OVERFLOW);
      this.#overflow = new Counter(this.#chunk, slot);
    }
    this.#overflow.inc();
    return true;
  }

  /** Where the values of a new name are: in a block that has it, or in room of their own; undefined without room. */
  #cell(kind: StatKind, name: StatName): Cell | undefined {
    const block = blockOf(this.#blocks, name.flat, kind);
    if (block !== undefined) return block.at.cell(block.name);
    if (this.#full()) return undefined;
    const slot = this.#allocate(kind, name);
    return { values: this.#chunk, slot };
  }

  #allocate(kind: StatKind, name: StatName): number {
    const slot = this.#reserve(slotsOf(kind));
    this.#sink.register({ kind, name, chunk: this.#chunkIndex, slot });
    return slot;
  }

  /** Room in a chunk, which #chunk is afterwards. */
  #reserve(slots: number): number {
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
    return slot;
  }
}

/** The block that has a stat of this name, by the longest scope of which there is one. */
export function blockOf<B extends { readonly shape: StatShape }>(
  blocks: ReadonlyMap<string, B>, flat: string, kind?: StatKind,
): { readonly at: B; readonly name: string } | undefined {
  if (blocks.size === 0) return undefined;
  for (let dot = flat.lastIndexOf('.'); dot > 0; dot = flat.lastIndexOf('.', dot - 1)) {
    const at = blocks.get(flat.slice(0, dot + 1));
    const name = flat.slice(dot + 1);
    const found = at?.shape.find(name);
    if (at !== undefined && found !== undefined && (kind ?? found.kind) === found.kind) return { at, name };
  }
  return undefined;
}

/** What makes two names the same stat. */
export function statKey(name: StatName): string {
  let key = name.flat === '' ? name.family : name.flat;
  if (name.flat === '') for (const [label, value] of name.labels) key += `\u0000${label}\u0000${value}`;
  return key;
}
