// What was translated for one caller serves all others of whom translation would have seen the same.
import type { Labels } from '../registry/workload.ts';
import type { Scope } from './mesh-view.ts';

/** Labels that note which of them somebody asked for. */
class NotedLabels extends Map<string, string> {
  readonly asked = new Map<string, string | undefined>();
  /** Somebody has looked at all of them. */
  isWhole = false;

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

/** Gives way between pieces of work that take some milliseconds together, and returns what they came to. */
export type Steps<T> = Generator<void, T, undefined>;

/** Does all of it. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

interface Entry<T> {
  readonly value: T;
  fits(labels: Labels): boolean;
}

/**
 * Remembers what was made for a scope: of thousands of workloads in a namespace few differ in a label that a rule asks
 * for. `make` must depend on nothing else of its scope.
 */
export class ScopeMemo<T> {
  readonly #byPlace = new Map<string, Entry<T>[]>();

  get(scope: Scope, make: (scope: Scope) => Steps<T>): T {
    return atOnce(this.steps(scope, make));
  }

  /** The same, a little at a time. */
  * steps(scope: Scope, make: (scope: Scope) => Steps<T>): Steps<T> {
    const { namespace, isWeft, isGateway = false, redirected = false, autoAddresses, locality = '' } = scope;
    const place = JSON.stringify([namespace, isWeft, isGateway, redirected, autoAddresses, locality]);
    const entries = this.#byPlace.get(place) ?? [];
    this.#byPlace.set(place, entries);
    const known = entries.find((entry) => entry.fits(scope.labels));
    if (known !== undefined) return known.value;
    const noted = new NotedLabels(scope.labels);
    const value = yield* make({ namespace, isWeft, isGateway, redirected, autoAddresses, locality, labels: noted });
    entries.push({ value, fits: fitFor(noted, scope.labels) });
    return value;
  }
}

function fitFor({ asked, isWhole }: NotedLabels, labels: Labels): (others: Labels) => boolean {
  const wanted = isWhole ? [...labels] : [...asked];
  return (others) => (!isWhole || others.size === labels.size)
    && wanted.every(([key, value]) => others.get(key) === value);
}
