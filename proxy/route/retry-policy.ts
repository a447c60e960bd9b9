// A compiled retry policy: which outcomes are retried, how often, how long each try may take.
import type { ProxyError } from '../base/error.ts';
import type { ResponseHead } from '../http/message.ts';
import type { HeaderMatch } from './header-match.ts';
import type { RateLimitedBackOff } from './rate-limited-back-off.ts';

/** Bits of Envoy's retry_on words. */
export const RetryOn = {
  serverError: 1 << 0, // 5xx
  gatewayError: 1 << 1, // gateway-error: 502, 503, 504
  reset: 1 << 2,
  resetBeforeRequest: 1 << 3,
  connectFailure: 1 << 4,
  envoyRatelimited: 1 << 5,
  retriable4xx: 1 << 6,
  refusedStream: 1 << 7,
  retriableStatusCodes: 1 << 8,
  retriableHeaders: 1 << 9,
  grpcCancelled: 1 << 10,
  grpcDeadlineExceeded: 1 << 11,
  grpcInternal: 1 << 12,
  grpcResourceExhausted: 1 << 13,
  grpcUnavailable: 1 << 14,
} as const;

export interface RetrySettings {
  /** Bits of RetryOn. */
  readonly retryOn: number;
  /** Retries after the first try. Envoy's default 1. */
  readonly maxRetries: number;
  /** 0: the route's timeout holds. */
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  /** Exponential with full jitter: uniform in [0, min(base * 2^n, max)). */
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  readonly statusCodes: ReadonlySet<number>;
  readonly retriableHeaders: readonly HeaderMatch[];
  /** Names whose mere presence in a response asks for a retry (x-envoy-retriable-header-names). */
  readonly retriableNames: readonly string[];
  /** Conditions of which a request must meet one for `retryOn` to hold; empty: none. */
  readonly requestHeaders: readonly HeaderMatch[];
  /** Waits as long as the response says, instead of the back-off. */
  readonly rateLimited: RateLimitedBackOff | undefined;
  /** Where retries go: upstream's RetryHostRules. */
  readonly avoidPreviousHosts: boolean;
  readonly omitCanaryHosts: boolean;
  readonly omitMetadata: readonly (readonly (readonly [string, unknown])[])[];
  readonly hostSelectionMaxAttempts: number;
  readonly priorityFrequency: number;
}

export interface RetryPolicy {
  readonly settings: RetrySettings;
  /** Whether a complete response head asks for another try. */
  retriesResponse(head: ResponseHead): boolean;
  /** Whether a failure without a response asks for another try; `requestStarted` says that bytes of it were sent. */
  retriesFailure(error: ProxyError, requestStarted: boolean): boolean;
}
