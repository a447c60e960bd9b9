// Sums the stats of all threads at scrape, those of threads that have ended included, so that counts stay exact.
import type { StatSnapshot } from '../telemetry/stat-snapshot.ts';
import { BUCKETS, HISTOGRAM_SLOTS, statKey } from '../telemetry/stats.ts';
import type { StatKind, StatName, StatRegistration, StatSink } from '../telemetry/stats.ts';

/** One thread's share of a stat. */
interface Cell {
  readonly source: StatSource;
  readonly values: Float64Array;
  readonly slot: number;
}

interface MergedStat {
  readonly kind: StatKind;
  readonly name: StatName;
  /** What ended threads have counted; not used for gauges. */
  readonly ended: Float64Array;
  cells: Cell[];
}

const slotsOf = (kind: StatKind): number => (kind === 'histogram' ? HISTOGRAM_SLOTS : 1);

/** Registrations and memory of one thread: the sink of the supervisor's own Stats, or fed by a worker's messages. */
export class StatSource implements StatSink {
  readonly #merger: StatsMerger;
  readonly #chunks: Float64Array[] = [];
  #ended = false;

  constructor(merger: StatsMerger) {
    this.#merger = merger;
  }

  chunk(index: number, memory: SharedArrayBuffer): void {
    this.#chunks[index] = new Float64Array(memory);
  }

  register({ kind, name, chunk, slot }: StatRegistration): void {
    const values = this.#chunks[chunk];
    if (values === undefined || this.#ended) return;
    this.#merger.add(kind, name, { source: this, values, slot });
  }

  /** The thread has ended and writes no more: its counts are kept, its gauges count no longer, its memory is let go. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#chunks.length = 0;
    this.#merger.fold(this);
  }
}

export class StatsMerger {
  readonly #stats = new Map<string, MergedStat>();

  /** A new thread. */
  source(): StatSource {
    return new StatSource(this);
  }

  /** For StatSource only. A name that comes back with another kind is left out. */
  add(kind: StatKind, name: StatName, cell: Cell): void {
    const key = statKey(name);
    const stat = this.#stats.get(key);
    if (stat === undefined) this.#stats.set(key, { kind, name, ended: new Float64Array(slotsOf(kind)), cells: [cell] });
    else if (stat.kind === kind) stat.cells.push(cell);
  }

  /** For StatSource only. */
  fold(source: StatSource): void {
    for (const stat of this.#stats.values()) {
      if (!stat.cells.some((cell) => cell.source === source)) continue;
      for (const cell of stat.cells) if (cell.source === source && stat.kind !== 'gauge') addTo(stat.ended, cell);
      stat.cells = stat.cells.filter((cell) => cell.source !== source);
    }
  }

  /** The sum of a counter or gauge by its flat name; 0 for one that does not exist. */
  read(flat: string): number {
    const stat = this.#stats.get(flat);
    return stat === undefined || stat.kind === 'histogram' ? 0 : total(stat)[0]!;
  }

  /** Every stat, summed now. */
  snapshot(): StatSnapshot[] {
    const all: StatSnapshot[] = [];
    for (const stat of this.#stats.values()) all.push(snapshotOf(stat));
    return all;
  }
}

function snapshotOf(stat: MergedStat): StatSnapshot {
  const { kind, name } = stat;
  const values = total(stat);
  if (kind !== 'histogram') return { kind, name, value: values[0]! };
  const buckets = [...values.subarray(0, BUCKETS.length + 1)];
  return { kind, name, buckets, count: values[BUCKETS.length + 1]!, sum: values[BUCKETS.length + 2]! };
}

function total({ ended, cells }: MergedStat): Float64Array {
  const sum = ended.slice();
  for (const cell of cells) addTo(sum, cell);
  return sum;
}

function addTo(sum: Float64Array, { values, slot }: Cell): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += values[slot + i]!;
}
