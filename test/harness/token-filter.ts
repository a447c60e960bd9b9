// The token filter in memory, in front of nothing: what it answers to a request.
import { ManualClock } from '../../proxy/base/clock.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import type { JwtAuthentication } from '../../proxy/config/jwt-authn.ts';
import { JwtAuthnFilter } from '../../proxy/filter/jwt-authn.ts';
import { AccessDecisions } from '../../proxy/telemetry/decision-sink.ts';
import { httpScope } from '../../proxy/telemetry/stat-name.ts';
import type { ClusterSet } from '../../proxy/upstream/upstream.ts';
import { CountedStats } from './counted.ts';
import { HeldFilterStream } from './filter-stream.ts';
import type { FilterStreamFacts } from './filter-stream.ts';
import { ISSUER, keySet, nowSeconds } from './token-keys.ts';
import type { TokenKey } from './token-keys.ts';

export interface TokenFilter {
  readonly filter: JwtAuthnFilter;
  readonly counted: CountedStats;
  readonly clock: ManualClock;
  readonly kept: Map<string, unknown>;
  /** A request that comes now. */
  stream(facts?: FilterStreamFacts): HeldFilterStream;
}

const NO_CLUSTERS: ClusterSet = { get: () => undefined };

export function tokenFilter(config: JwtAuthentication, clusters = NO_CLUSTERS, kept = new Map<string, unknown>(),
): TokenFilter {
  const clock = new ManualClock();
  const counted = new CountedStats();
  const filter = new JwtAuthnFilter('jwt', config, {
    clusters, clock, timers: new TimerWheel(clock), stats: counted.stats, scope: httpScope('in'), kept,
    decisions: new AccessDecisions(),
  }, 'typedConfig');
  const stream = (facts: FilterStreamFacts = {}): HeldFilterStream => {
    const made = new HeldFilterStream(facts);
    made.info.startWallMs = nowSeconds() * 1000;
    made.info.startMs = clock.nowMs();
    return made;
  };
  return { filter, counted, clock, kept, stream };
}

/** One provider whose token every request must have. */
export function oneProvider(keys: readonly TokenKey[], more: Record<string, unknown> = {}): JwtAuthentication {
  return {
    providers: { one: { issuer: ISSUER, localJwks: { inlineString: keySet(...keys) }, ...more } },
    rules: [{ match: { prefix: '/' }, requires: { providerName: 'one' } }],
  };
}

/** `accepted`, or what the client is told. */
export function tokenCheck({ keys }: { readonly keys: readonly TokenKey[] }): (token: string) => string {
  const { filter, stream, clock } = tokenFilter(oneProvider(keys));
  return (token) => {
    // So that what bad tokens cost is earned again.
    clock.advance(1000);
    const request = stream({ fields: ['authorization', `Bearer ${token}`] });
    return filter.onRequestHead(request) === 'continue' ? 'accepted' : request.replies[0]?.body ?? '';
  };
}
