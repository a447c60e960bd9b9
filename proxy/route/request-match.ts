// All conditions of one route (envoy.config.route.v3.RouteMatch), cheapest first.
import type { RouteMatch } from '../config/route-match.ts';
import type { RequestHead } from '../http/message.ts';
import type { MetadataHolder } from '../telemetry/dynamic-metadata.ts';
import { isGrpc } from '../telemetry/grpc-status.ts';
import { MetadataCondition } from '../telemetry/metadata-condition.ts';
import { DigitShare, spread } from './fraction.ts';
import type { HeaderMatch } from './header-match.ts';
import { compileHeaderMatches, matchesAll } from './header-match.ts';
import type { PathMatch } from './path-match.ts';
import { compilePathMatch } from './path-match.ts';
import { QueryMatch } from './query-match.ts';

const NO_METADATA: MetadataHolder = { dynamicMetadata: undefined };

export class RequestMatch {
  readonly path: PathMatch;
  readonly #headers: readonly HeaderMatch[];
  readonly #queries: readonly QueryMatch[];
  readonly #grpc: boolean;
  readonly #metadata: readonly MetadataCondition[] | undefined;
  /** Share of the requests that fit otherwise. */
  readonly #share: DigitShare | undefined;

  /** Throws ConfigError below `path`. */
  constructor(match: RouteMatch, path: string) {
    this.path = compilePathMatch(match, path);
    this.#headers = compileHeaderMatches(match.headers, `${path}.headers`);
    const queries = match.queryParameters ?? [];
    this.#queries = queries.map((matcher, i) => new QueryMatch(matcher, `${path}.queryParameters[${i}]`));
    this.#grpc = match.grpc !== undefined;
    this.#metadata = match.dynamicMetadata?.map((matcher, i) =>
      new MetadataCondition(matcher, `${path}.dynamicMetadata[${i}]`));
    const { runtimeFraction } = match;
    this.#share = runtimeFraction === undefined ? undefined : new DigitShare(runtimeFraction.defaultValue);
  }

  /** Names and values of fields without which a request cannot match. */
  get fieldValues(): readonly (readonly [name: string, value: string])[] {
    return this.#headers.flatMap(({ name, fieldValue }) => (fieldValue === undefined ? [] : [[name, fieldValue]]));
  }

  /** `end` is where the path ends; `random` is the request's draw in [0, 1); without `info` it has no metadata. */
  matches(head: RequestHead, end: number, random: number, info: MetadataHolder = NO_METADATA): boolean {
    if (!this.path.matches(head.method, head.path, end)) return false;
    if (this.#grpc && !isGrpc(head)) return false;
    if (!matchesAll(this.#headers, head)) return false;
    for (const query of this.#queries) if (!query.matches(head.path)) return false;
    if (this.#metadata !== undefined && !holdAll(this.#metadata, info)) return false;
    return this.#share === undefined || this.#share.takes(spread(random));
  }
}

function holdAll(conditions: readonly MetadataCondition[], info: MetadataHolder): boolean {
  for (const condition of conditions) if (!condition.holds(info)) return false;
  return true;
}
