// Which origins may read a route's answers (CorsPolicy), compiled; what a level leaves out its outer levels say.
import { wireText } from '../base/ascii.ts';
import type { Random } from '../base/random.ts';
import { compileStringMatch } from '../base/string-match.ts';
import type { StringMatch } from '../base/string-match.ts';
import type { CorsPolicy } from '../config/cors.ts';
import { fractionOf } from '../route/fraction.ts';

/** A policy of a route, virtual host or table. */
export class CorsRules {
  /** Texts of response headers; '' leaves the header out, and `*` in the first two gives back what was asked for. */
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  readonly maxAge: string;
  readonly allowCredentials: boolean;
  readonly allowPrivateNetwork: boolean;
  readonly forwardsForeignPreflights: boolean;
  readonly #origins: readonly StringMatch[];
  readonly #anyOrigin: boolean;
  readonly #enabledShare: number;
  readonly #shadowShare: number;

  /** Throws ConfigError below `path`. */
  constructor(config: CorsPolicy, outer: CorsRules | undefined, path: string) {
    this.allowMethods = textOr(config.allowMethods, outer?.allowMethods);
    this.allowHeaders = textOr(config.allowHeaders, outer?.allowHeaders);
    this.exposeHeaders = textOr(config.exposeHeaders, outer?.exposeHeaders);
    this.maxAge = textOr(config.maxAge, outer?.maxAge);
    this.allowCredentials = config.allowCredentials ?? outer?.allowCredentials ?? false;
    this.allowPrivateNetwork = config.allowPrivateNetworkAccess ?? outer?.allowPrivateNetwork ?? false;
    this.forwardsForeignPreflights = config.forwardNotMatchingPreflights ?? outer?.forwardsForeignPreflights ?? true;
    const own = (config.allowOriginStringMatch ?? []).map((matcher, i) =>
      compileStringMatch(matcher, `${path}.allowOriginStringMatch[${i}]`));
    this.#origins = own.length > 0 ? own : (outer === undefined ? [] : outer.#origins);
    this.#anyOrigin = this.#origins.some((origin) => origin.matches('*'));
    this.#enabledShare = config.filterEnabled === undefined ? 1 : fractionOf(config.filterEnabled.defaultValue);
    this.#shadowShare = fractionOf(config.shadowEnabled?.defaultValue);
  }

  allowsOrigin(origin: string): boolean {
    if (this.#anyOrigin) return true;
    for (const match of this.#origins) if (match.matches(origin)) return true;
    return false;
  }

  /** What becomes of one request: the policy is applied, its decision is only counted, or nothing. */
  draw(random: Random): 'apply' | 'count' | 'skip' {
    if (this.#enabledShare === 1 || random.float() < this.#enabledShare) return 'apply';
    return this.#shadowShare > 0 && random.float() < this.#shadowShare ? 'count' : 'skip';
  }
}

function textOr(own: string | undefined, outer: string | undefined): string {
  return own === undefined || own === '' ? (outer ?? '') : wireText(own);
}
