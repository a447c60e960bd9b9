// What a route, virtual host or table says to the global rate limit filter (RateLimitPerRoute), compiled.
import type { RateLimitPerRoute } from '../config/global-rate-limit.ts';
import { compileRateLimits } from '../route/rate-limit-rule.ts';
import type { HostLimits, RateLimitRule } from '../route/rate-limit-rule.ts';

export class RateLimitRouteSettings {
  /** '' is the filter's. */
  readonly domain: string;
  readonly host: HostLimits;
  /** Undefined: those of the filter, or of route and virtual host. */
  readonly rules: readonly RateLimitRule[] | undefined;

  /** Throws ConfigError below `path`. */
  constructor({ domain, vhRateLimits, rateLimits = [] }: RateLimitPerRoute, path: string) {
    this.domain = domain ?? '';
    this.host = vhRateLimits ?? 'OVERRIDE';
    this.rules = rateLimits.length === 0 ? undefined
      : compileRateLimits(rateLimits, undefined, `${path}.rateLimits`);
  }
}
