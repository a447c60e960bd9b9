// Routes that a path leaves, in their order; where many of them ask for values of one header, found by its value.
import type { RequestHead } from '../http/message.ts';
import type { MetadataHolder } from '../telemetry/dynamic-metadata.ts';
import type { RequestMatch } from './request-match.ts';

export interface Matched {
  readonly match: RequestMatch;
}

/** Below so many routes with values of one header the walk is as fast. */
const BY_VALUE_MIN = 8;

const NONE: readonly number[] = [];

/** Immutable. Places rise, so that a walk ends where a better route is known. */
export class Candidates {
  readonly #routes: readonly Matched[];
  readonly #places: readonly number[];
  /** The header by whose value the others are kept; '' without. */
  readonly #header: string;
  readonly #byValue: ReadonlyMap<string, readonly number[]> | undefined;

  constructor(routes: readonly Matched[], places: readonly number[]) {
    this.#routes = routes;
    this.#header = headerOf(routes, places);
    const byValue = new Map<string, number[]>();
    this.#places = this.#header === '' ? places : places.filter((place) => {
      const value = valueOf(routes[place]!, this.#header);
      if (value === undefined) return true;
      const known = byValue.get(value);
      if (known === undefined) byValue.set(value, [place]);
      else known.push(place);
      return false;
    });
    this.#byValue = byValue.size === 0 ? undefined : byValue;
  }

  /** The first place below `best` that matches, else `best`. */
  first(best: number, head: RequestHead, end: number, random: number, info?: MetadataHolder): number {
    let first = this.#firstOf(this.#places, best, head, end, random, info);
    if (this.#byValue === undefined) return first;
    const { headers } = head;
    for (let i = 0; i < headers.count; i++) {
      if (headers.nameAt(i) !== this.#header) continue;
      first = this.#firstOf(this.#byValue.get(headers.valueAt(i)) ?? NONE, first, head, end, random, info);
    }
    return first;
  }

  #firstOf(
    places: readonly number[], best: number, head: RequestHead, end: number, random: number, info?: MetadataHolder,
  ): number {
    for (const place of places) {
      if (place >= best) return best;
      if (this.#routes[place]!.match.matches(head, end, random, info)) return place;
    }
    return best;
  }
}

/** The header of which most routes ask for a value; '' where that isn't worth a look. */
function headerOf(routes: readonly Matched[], places: readonly number[]): string {
  if (places.length < BY_VALUE_MIN) return '';
  const counts = new Map<string, number>();
  for (const place of places) {
    for (const [name] of routes[place]!.match.fieldValues) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  let most = '';
  for (const [name, count] of counts) if (count >= BY_VALUE_MIN && count > (counts.get(most) ?? 0)) most = name;
  return most;
}

function valueOf({ match }: Matched, header: string): string | undefined {
  return match.fieldValues.find(([name]) => name === header)?.[1];
}
