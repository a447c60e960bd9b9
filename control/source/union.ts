// Several sources as one: the first that has an object of a name holds, and the others' are said.
import type { Finding, MeshObject } from '../model/mesh-object.ts';
import { placeOf, titleOf } from '../model/mesh-object.ts';
import type { Source, SourceState, WatchStatus } from './source.ts';
import type { WantedStatus } from './status-writer.ts';

/** Objects that are said to be hidden, one by one. */
const HIDDEN_MAX = 1000;
const EMPTY: SourceState = { objects: [], refused: [], warnings: [], units: 0 };

export class UnionSource implements Source {
  readonly name: string;
  readonly #sources: readonly Source[];
  readonly #states: SourceState[];

  /** The order is that of precedence. */
  constructor(sources: readonly Source[]) {
    this.name = sources.map(({ name }) => name).join(', ');
    this.#sources = sources;
    this.#states = sources.map(() => EMPTY);
  }

  async start(onChange: (state: SourceState) => void): Promise<SourceState> {
    let isStarted = false;
    await Promise.all(this.#sources.map(async (source, at) => {
      this.#states[at] = await source.start((state) => {
        this.#states[at] = state;
        if (isStarted) onChange(this.#state());
      });
    }));
    isStarted = true;
    return this.#state();
  }

  writeStatuses(statuses: readonly WantedStatus[]): void {
    for (const source of this.#sources) source.writeStatuses?.(statuses);
  }

  watches(): WatchStatus[] {
    return this.#sources.flatMap((source) => source.watches?.() ?? []);
  }

  async close(): Promise<void> {
    await Promise.all(this.#sources.map(async (source) => source.close()));
  }

  #state(): SourceState {
    const { objects, hidden } = joined(this.#states);
    return {
      objects,
      refused: this.#states.flatMap(({ refused }) => refused),
      warnings: [...this.#states.flatMap(({ warnings }) => warnings), ...hidden],
      units: this.#states.reduce((sum, { units }) => sum + units, 0),
    };
  }
}

function joined(states: readonly SourceState[]): { objects: MeshObject[]; hidden: Finding[] } {
  const first = new Map<string, MeshObject>();
  const hidden: Finding[] = [];
  for (const object of states.flatMap(({ objects }) => objects)) {
    const title = titleOf(object);
    const other = first.get(title);
    if (other === undefined) {
      first.set(title, object);
      continue;
    }
    if (hidden.length >= HIDDEN_MAX) continue;
    const reason = `has no effect: ${placeOf(other.origin)} has one of that name, which holds`;
    hidden.push({ where: placeOf(object.origin), object: title, path: '', reason });
  }
  return { objects: [...first.values()], hidden };
}
