// What the login filter counts, under the names of Envoy's oauth2 filter.
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';

export class LoginCounters {
  /** Logins, and requests of those who are logged in. */
  readonly succeeded: Counter;
  readonly failed: Counter;
  readonly passed: Counter;
  readonly refreshed: Counter;
  readonly refreshFailed: Counter;
  /** Sent to the provider, or answered 401 where that has no use. */
  readonly unauthorized: Counter;
  /** Beyond the logins that may wait. */
  readonly overflow: Counter;

  constructor(stats: Stats, scope: StatScope, prefix: string) {
    const counter = (name: string): Counter => stats.counter(
      statName(scope, prefix === '' ? name : `${prefix}.${name}`),
    );
    [this.succeeded, this.failed] = [counter('oauth_success'), counter('oauth_failure')];
    [this.passed, this.unauthorized] = [counter('oauth_passthrough'), counter('oauth_unauthorized_rq')];
    this.refreshed = counter('oauth_refreshtoken_success');
    this.refreshFailed = counter('oauth_refreshtoken_failure');
    this.overflow = counter('oauth_overflow');
  }
}
