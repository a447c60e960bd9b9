// Sums the stats of all threads at scrape, those of threads that have ended included, so that counts stay exact.
import type { StatSnapshot } from '../telemetry/stat-snapshot.ts';
import { statName } from '../telemetry/stat-name.ts';
import { BUCKETS, StatShape, blockOf, slotsOf, statKey } from '../telemetry/stats.ts';
import type {
  BlockRegistration, ShapeNames, StatKind, StatName, StatRegistration, StatSink,
} from '../telemetry/stats.ts';
import type { BlockMessage } from './messages.ts';
import type { Tally } from './restart-words.ts';

/** One thread's share of a stat. */
interface Cell {
  readonly source: StatSource;
  readonly values: Float64Array;
  readonly slot: number;
}

/** What threads have counted of one stat, or of a block of them. */
interface Merged {
  /** What ended threads have counted; undefined as long as none has. Not used for gauges. */
  ended: Float64Array | undefined;
  cells: Cell[];
}

interface MergedStat extends Merged {
  readonly kind: StatKind;
  readonly name: StatName;
}

interface MergedBlock extends Merged {
  readonly shape: StatShape;
  readonly scope: StatName;
}

/** Registrations and memory of one thread: the sink of the supervisor's own Stats, or fed by a worker's messages. */
export class StatSource implements StatSink {
  readonly #merger: StatsMerger;
  readonly #chunks: Float64Array[] = [];
  readonly #shapes = new Map<string, StatShape>();
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

  block({ shape, scope, chunk, slot }: BlockRegistration): void {
    const values = this.#chunks[chunk];
    if (values === undefined || this.#ended) return;
    this.#merger.addBlock(shape, scope, { source: this, values, slot });
  }

  /** A block of another thread, which tells the names of a shape once. */
  blockOfThread({ shape: id, names, ...place }: BlockMessage): void {
    if (names !== undefined) this.#shapes.set(id, this.#merger.shapeOf(id, names));
    const shape = this.#shapes.get(id);
    if (shape !== undefined) this.block({ shape, ...place });
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
  /** By the flat name of their scope. */
  readonly #blocks = new Map<string, MergedBlock>();
  readonly #shapes = new Map<string, StatShape>();

  /** For StatSource only: the same object for all threads. */
  shapeOf(id: string, names: ShapeNames): StatShape {
    let shape = this.#shapes.get(id);
    if (shape === undefined) this.#shapes.set(id, shape = new StatShape(id, names));
    return shape;
  }

  /** A new thread. */
  source(): StatSource {
    return new StatSource(this);
  }

  /** For StatSource only. A name that comes back with another kind is left out. */
  add(kind: StatKind, name: StatName, cell: Cell): void {
    const key = statKey(name);
    const stat = this.#stats.get(key);
    if (stat === undefined) this.#stats.set(key, { kind, name, ended: undefined, cells: [cell] });
    else if (stat.kind === kind) stat.cells.push(cell);
  }

  /** For StatSource only. */
  addBlock(shape: StatShape, scope: StatName, cell: Cell): void {
    const block = this.#blocks.get(scope.flat);
    if (block === undefined) this.#blocks.set(scope.flat, { shape, scope, ended: undefined, cells: [cell] });
    else if (block.shape.id === shape.id) block.cells.push(cell);
  }

  /** For StatSource only. */
  fold(source: StatSource): void {
    for (const stat of this.#stats.values()) foldInto(stat, source, [{ kind: stat.kind, offset: 0 }]);
    for (const block of this.#blocks.values()) foldInto(block, source, block.shape.stats);
  }

  /** The sum of a counter or gauge by its flat name; 0 for one that does not exist. */
  read(flat: string): number {
    const stat = this.#stats.get(flat);
    if (stat !== undefined) return stat.kind === 'histogram' ? 0 : total(stat, 0, 1)[0]!;
    const found = blockOf(this.#blocks, flat);
    const shaped = found?.at.shape.find(found.name);
    return found === undefined || shaped === undefined || shaped.kind === 'histogram'
      ? 0 : total(found.at, shaped.offset, 1)[0]!;
  }

  /** What has been counted, for the process that takes over. Gauges say what is, and are its own. */
  tallies(): Tally[] {
    const all: Tally[] = [];
    const add = (merged: Merged, kind: StatKind, name: StatName, offset: number, inBlock: boolean): void => {
      if (kind !== 'gauge') all.push({ kind, name, inBlock, values: [...total(merged, offset, slotsOf(kind))] });
    };
    for (const stat of this.#stats.values()) add(stat, stat.kind, stat.name, 0, false);
    for (const block of this.#blocks.values()) {
      const { shape, scope } = block;
      for (const { kind, name, offset } of shape.stats) add(block, kind, statName(scope, name), offset, true);
    }
    return all;
  }

  /** Goes on counting from there. What is of a block that this process does not have is of nothing that it serves. */
  inherit(tallies: readonly Tally[]): void {
    for (const { kind, name, inBlock, values } of tallies) {
      if (kind === 'gauge' || values.length !== slotsOf(kind)) continue;
      const block = blockOf(this.#blocks, name.flat, kind);
      const shaped = block?.at.shape.find(block.name);
      if (block !== undefined && shaped !== undefined) {
        addTo(block.at, shaped.offset, values, slotsOfShape(block.at.shape));
      } else if (!inBlock) addTo(this.#plain(kind, name), 0, values, values.length);
    }
  }

  #plain(kind: StatKind, name: StatName): Merged {
    const key = statKey(name);
    let stat = this.#stats.get(key);
    if (stat === undefined) this.#stats.set(key, stat = { kind, name, ended: undefined, cells: [] });
    return stat.kind === kind ? stat : { ended: undefined, cells: [] };
  }

  /** Every stat, summed now. */
  snapshot(): StatSnapshot[] {
    const all: StatSnapshot[] = [];
    for (const stat of this.#stats.values()) all.push(snapshotOf(stat, stat.kind, stat.name, 0));
    for (const block of this.#blocks.values()) {
      for (const { kind, name, offset } of block.shape.stats) {
        all.push(snapshotOf(block, kind, statName(block.scope, name), offset));
      }
    }
    return all;
  }
}

function slotsOfShape(shape: StatShape): number {
  const last = shape.stats.at(-1)!;
  return last.offset + slotsOf(last.kind);
}

function addTo(merged: Merged, offset: number, values: readonly number[], slots: number): void {
  const ended = merged.ended ??= new Float64Array(slots);
  values.forEach((value, index) => (ended[offset + index]! += value));
}

/** What a thread has counted stays; its cells go. */
function foldInto(
  merged: Merged, source: StatSource, stats: readonly { readonly kind: StatKind; readonly offset: number }[],
): void {
  const gone = merged.cells.filter((cell) => cell.source === source);
  if (gone.length === 0) return;
  const last = stats.at(-1)!;
  const ended = merged.ended ??= new Float64Array(last.offset + slotsOf(last.kind));
  for (const { kind, offset } of stats) {
    if (kind === 'gauge') continue;
    const end = offset + slotsOf(kind);
    for (const { values, slot } of gone) for (let i = offset; i < end; i++) ended[i]! += values[slot + i]!;
  }
  merged.cells = merged.cells.filter((cell) => cell.source !== source);
}

function snapshotOf(merged: Merged, kind: StatKind, name: StatName, offset: number): StatSnapshot {
  const values = total(merged, offset, slotsOf(kind));
  if (kind !== 'histogram') return { kind, name, value: values[0]! };
  const buckets = [...values.subarray(0, BUCKETS.length + 1)];
  return { kind, name, buckets, count: values[BUCKETS.length + 1]!, sum: values[BUCKETS.length + 2]! };
}

function total({ ended, cells }: Merged, offset: number, slots: number): Float64Array {
  const sum = new Float64Array(slots);
  for (let i = 0; i < slots; i++) {
    sum[i] = ended?.[offset + i] ?? 0;
    for (const { values, slot } of cells) sum[i]! += values[slot + offset + i]!;
  }
  return sum;
}
