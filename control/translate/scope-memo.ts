// What was translated for one caller serves all others of whom translation would have seen the same.
import { atOnce, type Steps } from '../model/steps.ts';
import type { Labels } from '../registry/workload.ts';
import type { Scope } from './mesh-view.ts';

/** Labels that note which of them somebody asked for. */
class NotedLabels extends Map<string, string> {
  readonly asked: Map<string, string | undefined> = new Map();
  /** Somebody has looked at all of them. */
  isWhole = false;

  /** What is taken over was made by asking so. */
  askAsIn({ asked, isWhole }: Omit<Entry<unknown>, 'value'>): void {
    for (const key of asked.keys()) this.get(key);
    this.isWhole ||= isWhole;
  }

  override get(key: string): string | undefined {
    const value = super.get(key);
    this.asked.set(key, value);
    return value;
  }

  override has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  override get size(): number {
    this.isWhole = true;
    return super.size;
  }

  override entries(): MapIterator<[string, string]> {
    this.isWhole = true;
    return super.entries();
  }

  override keys(): MapIterator<string> {
    this.isWhole = true;
    return super.keys();
  }

  override values(): MapIterator<string> {
    this.isWhole = true;
    return super.values();
  }

  override forEach(visit: (value: string, key: string, map: Map<string, string>) => void): void {
    this.isWhole = true;
    super.forEach(visit);
  }

  override [Symbol.iterator](): MapIterator<[string, string]> {
    return this.entries();
  }
}

interface Entry<T> {
  readonly value: T;
  /** What was asked of the labels. */
  readonly asked: ReadonlyMap<string, string | undefined>;
  /** They are all that the caller has. */
  readonly isWhole: boolean;
}

/** Makes something for a scope; `before` is what was made for it of the mesh before. */
export type MakeSteps<T> = (scope: Scope, before?: T) => Steps<T>;

/**
 * Remembers what was made for a scope: of thousands of workloads in a namespace few differ in a label that a rule asks
 * for. `make` must depend on nothing else of its scope.
 */
export class ScopeMemo<T> {
  readonly #byPlace = new Map<string, Entry<T>[]>();
  readonly #before: ReadonlyMap<string, Entry<T>[]>;

  /** `before` is what was remembered of another mesh, from which `make` may take what is the same in this one. */
  constructor(before?: ScopeMemo<T>) {
    this.#before = before === undefined ? new Map() : new Map([...before.#before, ...before.#byPlace]);
  }

  get(scope: Scope, make: MakeSteps<T>): T {
    return atOnce(this.steps(scope, make));
  }

  /** The same, a little at a time. */
  * steps(scope: Scope, make: MakeSteps<T>): Steps<T> {
    const { namespace, isWeft, isGateway = false, redirected = false, autoAddresses, locality = '' } = scope;
    const place = JSON.stringify([namespace, isWeft, isGateway, redirected, autoAddresses, locality]);
    const entries = this.#byPlace.get(place) ?? [];
    this.#byPlace.set(place, entries);
    const known = fitting(entries, scope.labels);
    if (known !== undefined) return known.value;
    const before = fitting(this.#before.get(place) ?? [], scope.labels);
    const noted = new NotedLabels(scope.labels);
    if (before !== undefined) noted.askAsIn(before);
    const labels = { namespace, isWeft, isGateway, redirected, autoAddresses, locality, labels: noted };
    const value = yield* make(labels, before?.value);
    entries.push({ value, isWhole: noted.isWhole, asked: noted.isWhole ? new Map(scope.labels) : noted.asked });
    return value;
  }
}

function fitting<T>(entries: readonly Entry<T>[], labels: Labels): Entry<T> | undefined {
  return entries.find(({ asked, isWhole }) => (!isWhole || labels.size === asked.size)
    && asked.entries().every(([key, value]) => labels.get(key) === value));
}
