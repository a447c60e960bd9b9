// Which routes of a large virtual host a request can be for: by the literal beginning of its path, found by binary
// search, and by the value of a header where many routes with the same beginning differ in that.
import type { RequestHead } from '../http/message.ts';
import type { MetadataHolder } from '../telemetry/dynamic-metadata.ts';
import type { RequestMatch } from './request-match.ts';
import { Candidates } from './route-candidates.ts';
import type { Matched } from './route-candidates.ts';

/** Below so many routes the walk over all of them is as fast. */
const INDEXED_MIN = 24;

/** Immutable: the first route that matches, found among those that the path's beginning leaves. */
export class RouteIndex {
  readonly #count: number;
  readonly #exact = new Map<string, Candidates>();
  /** All beginnings, sorted; '' is the first if there are routes of which no beginning is known. */
  readonly #beginnings: readonly string[];
  /** For each beginning the place of the longest other one that it begins with; -1 without. */
  readonly #outer: Int32Array;
  readonly #candidates: readonly Candidates[];

  constructor(routes: readonly Matched[]) {
    this.#count = routes.length;
    const exact = new Map<string, number[]>();
    const begins = new Map<string, number[]>();
    routes.forEach(({ match: { path } }, place) => {
      const { literal } = path;
      append(path.kind === 'exact' && literal !== '' ? exact : begins, literal, place);
    });
    for (const [path, places] of exact) this.#exact.set(path, new Candidates(routes, places));
    this.#beginnings = [...begins.keys()].toSorted((a, b) => (a < b ? -1 : 1));
    this.#outer = outerOf(this.#beginnings);
    this.#candidates = this.#beginnings.map((beginning) => new Candidates(routes, begins.get(beginning)!));
  }

  /** Place of the first route that matches, -1 without one. `end` is pathEnd; `random` the request's draw. */
  find(head: RequestHead, end: number, random: number, info?: MetadataHolder): number {
    const { path } = head;
    let best = this.#count;
    if (this.#exact.size > 0) {
      const whole = this.#exact.get(end === path.length ? path : path.slice(0, end));
      if (whole !== undefined) best = whole.first(best, head, end, random, info);
    }
    const begin = this.#beginnings;
    let at = this.#last(path);
    // The longest that the path begins with is the last before it in order, or what that begins with, and so on.
    while (at >= 0 && !path.startsWith(begin[at]!)) at = this.#outer[at]!;
    for (; at >= 0; at = this.#outer[at]!) best = this.#candidates[at]!.first(best, head, end, random, info);
    return best === this.#count ? -1 : best;
  }

  /** Place of the last beginning that is not after `path` in order, -1 without. */
  #last(path: string): number {
    const begin = this.#beginnings;
    let low = 0;
    let high = begin.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (begin[middle]! <= path) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** Undefined for hosts with few routes. */
export function indexRoutes(routes: readonly { readonly match: RequestMatch }[]): RouteIndex | undefined {
  return routes.length < INDEXED_MIN ? undefined : new RouteIndex(routes);
}

function outerOf(sorted: readonly string[]): Int32Array {
  const outer = new Int32Array(sorted.length).fill(-1);
  for (let i = 1; i < sorted.length; i++) {
    let at = i - 1;
    while (at >= 0 && !sorted[i]!.startsWith(sorted[at]!)) at = outer[at]!;
    outer[i] = at;
  }
  return outer;
}

function append(map: Map<string, number[]>, key: string, place: number): void {
  const places = map.get(key);
  if (places === undefined) map.set(key, [place]);
  else places.push(place);
}
