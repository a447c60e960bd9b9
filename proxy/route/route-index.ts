// Which routes of a large virtual host a path can be for: by hash of its literal beginning, one look a length.
import type { RequestHead } from '../http/message.ts';
import type { PathMatch } from './path-match.ts';
import type { RequestMatch } from './request-match.ts';

/** Below so many routes the walk over all of them is as fast. */
const INDEXED_MIN = 24;
/** Beginnings of more lengths than this are kept by one of these lengths that they have room for. */
const LENGTHS_MAX = 24;

const NONE: readonly number[] = [];

interface Matched {
  readonly match: RequestMatch;
}

/** Places of the routes whose paths begin so; they rise, so that a walk ends where a better route is known. */
interface Bucket {
  readonly length: number;
  readonly places: Map<string, number[]>;
}

/** Immutable: the first route that matches, found among those that the path's beginning leaves. */
export class RouteIndex {
  readonly #routes: readonly Matched[];
  readonly #exact = new Map<string, number[]>();
  readonly #buckets: readonly Bucket[];
  /** Routes of which no beginning is known. */
  readonly #others: number[] = [];

  constructor(routes: readonly Matched[]) {
    this.#routes = routes;
    this.#buckets = keptLengths(routes).map((length) => ({ length, places: new Map<string, number[]>() }));
    routes.forEach(({ match }, place) => this.#add(match.path, place));
  }

  #add(path: PathMatch, place: number): void {
    const { literal } = path;
    if (path.kind === 'exact' && literal !== '') {
      append(this.#exact, literal, place);
      return;
    }
    const bucket = this.#buckets.findLast(({ length }) => length <= literal.length);
    if (bucket === undefined) this.#others.push(place);
    else append(bucket.places, literal.slice(0, bucket.length), place);
  }

  /** Place of the first route that matches, -1 without one. `end` is pathEnd; `random` the request's draw. */
  find(head: RequestHead, end: number, random: number): number {
    const { path } = head;
    let best = this.#lowest(this.#others, this.#routes.length, head, end, random);
    if (this.#exact.size > 0) {
      const whole = end === path.length ? path : path.slice(0, end);
      best = this.#lowest(this.#exact.get(whole) ?? NONE, best, head, end, random);
    }
    for (const { length, places } of this.#buckets) {
      if (length > end) break;
      best = this.#lowest(places.get(path.slice(0, length)) ?? NONE, best, head, end, random);
    }
    return best === this.#routes.length ? -1 : best;
  }

  /** The first of `places` that matches and is below `best`, else `best`. */
  #lowest(places: readonly number[], best: number, head: RequestHead, end: number, random: number): number {
    for (const place of places) {
      if (place >= best) return best;
      if (this.#routes[place]!.match.matches(head, end, random)) return place;
    }
    return best;
  }
}

/** Undefined for hosts with few routes. */
export function indexRoutes(routes: readonly Matched[]): RouteIndex | undefined {
  return routes.length < INDEXED_MIN ? undefined : new RouteIndex(routes);
}

/** Lengths of the beginnings, rising; the least is always among them, so that each beginning has a bucket. */
function keptLengths(routes: readonly Matched[]): readonly number[] {
  const lengths = new Set<number>();
  for (const { match: { path } } of routes) {
    if (path.kind !== 'exact' && path.literal !== '') lengths.add(path.literal.length);
  }
  const rising = [...lengths].toSorted((a, b) => a - b);
  const step = Math.ceil(rising.length / LENGTHS_MAX);
  return step <= 1 ? rising : rising.filter((_length, i) => i % step === 0);
}

function append(map: Map<string, number[]>, key: string, place: number): void {
  const places = map.get(key);
  if (places === undefined) map.set(key, [place]);
  else places.push(place);
}
