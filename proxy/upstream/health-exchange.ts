// What a health check asks, and how its answer is judged; one for each kind of check.
import type { Headers } from '../http/headers.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { HttpProtocol } from './connection-settings.ts';

/**
 * `unhealthy` takes the endpoint out at once, `retriable` and `network` by unhealthy_threshold. `unverified`: another
 * service answered.
 */
export type Verdict = 'healthy' | 'degraded' | 'unhealthy' | 'unverified' | 'retriable' | 'network';

/** As far as it is judged; `body` is what came of it, up to HEALTH_BODY_MAX. */
export interface HealthAnswer {
  readonly head: ResponseHead;
  readonly body: Buffer;
  readonly trailers: Headers | undefined;
}

/** Longer answers are cut before they are judged. */
export const HEALTH_BODY_MAX = 1024;

export interface HealthExchange {
  readonly protocol: HttpProtocol;
  /** `hostname` is the endpoint's own for checks. A new head each time, since sending may mark it. */
  request(hostname: string | undefined): RequestHead;
  /** Undefined: the head is all. */
  readonly body: Buffer | undefined;
  /** It asks which service answers. */
  readonly verifies: boolean;
  judge(answer: HealthAnswer): Verdict;
}

/** Envoy's, by which servers know checks. */
export const CHECK_AGENT = ['user-agent', 'Envoy/HC'] as const;
