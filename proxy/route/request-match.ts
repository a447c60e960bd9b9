// All conditions of one route (envoy.config.route.v3.RouteMatch), cheapest first.
import type { RouteMatch } from '../config/route-match.ts';
import type { RequestHead } from '../http/message.ts';
import { isGrpc } from '../telemetry/grpc-status.ts';
import { DigitShare, spread } from './fraction.ts';
import type { HeaderMatch } from './header-match.ts';
import { compileHeaderMatches, matchesAll } from './header-match.ts';
import type { PathMatch } from './path-match.ts';
import { compilePathMatch } from './path-match.ts';
import { QueryMatch } from './query-match.ts';

export class RequestMatch {
  readonly path: PathMatch;
  readonly #headers: readonly HeaderMatch[];
  readonly #queries: readonly QueryMatch[];
  readonly #grpc: boolean;
  /** Share of the requests that fit otherwise. */
  readonly #share: DigitShare | undefined;

  /** Throws ConfigError below `path`. */
  constructor(match: RouteMatch, path: string) {
    this.path = compilePathMatch(match, path);
    this.#headers = compileHeaderMatches(match.headers, `${path}.headers`);
    const queries = match.queryParameters ?? [];
    this.#queries = queries.map((matcher, i) => new QueryMatch(matcher, `${path}.queryParameters[${i}]`));
    this.#grpc = match.grpc !== undefined;
    const { runtimeFraction } = match;
    this.#share = runtimeFraction === undefined ? undefined : new DigitShare(runtimeFraction.defaultValue);
  }

  /** Names and values of fields without which a request cannot match. */
  get fieldValues(): readonly (readonly [name: string, value: string])[] {
    return this.#headers.flatMap(({ name, fieldValue }) => (fieldValue === undefined ? [] : [[name, fieldValue]]));
  }

  /** `end` is where the path ends; `random` is the request's draw in [0, 1). */
  matches(head: RequestHead, end: number, random: number): boolean {
    if (!this.path.matches(head.method, head.path, end)) return false;
    if (this.#grpc && !isGrpc(head)) return false;
    if (!matchesAll(this.#headers, head)) return false;
    for (const query of this.#queries) if (!query.matches(head.path)) return false;
    return this.#share === undefined || this.#share.takes(spread(random));
  }
}
