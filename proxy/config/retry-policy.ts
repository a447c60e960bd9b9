// When and how a request is tried again (envoy.config.route.v3.RetryPolicy).
import { HeaderMatcher } from './header-matcher.ts';
import { nearestName } from './nearest-name.ts';
import { Metadata } from './node.ts';
import { duration, enumeration, headerName, int32, int64, string, uint32 } from './scalar.ts';
import { any, list, message, optional, Refusal, required, type Static } from './schema.ts';

/** The words of retry_on. */
export const RETRY_ON = ['5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx', 'refused-stream', 'retriable-status-codes', 'retriable-headers', 'cancelled', 'deadline-exceeded',
  'internal', 'resource-exhausted', 'unavailable'] as const;

/** No HTTP/3 here, so that its word can never apply. */
const WITHOUT_EFFECT = 'http3-post-connect-failure';

export const PreviousHostsPredicate = message(
  'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate', {},
);
export interface PreviousHostsPredicate extends Static<typeof PreviousHostsPredicate> {}

export const OmitCanaryHostsPredicate = message(
  'envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate', {},
);
export interface OmitCanaryHostsPredicate extends Static<typeof OmitCanaryHostsPredicate> {}

export const OmitHostMetadataConfig = message(
  'envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig', {
    metadataMatch: optional(Metadata, 'Endpoints that have all of filter_metadata.envoy.lb in theirs; empty: none.'),
  },
);
export interface OmitHostMetadataConfig extends Static<typeof OmitHostMetadataConfig> {}

export const PreviousPrioritiesConfig = message(
  'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig', {
    updateFrequency: required(int32({ minimum: 1 }), 'After every so many tries their priorities are left out, until '
      + 'none is left.'),
  },
);
export interface PreviousPrioritiesConfig extends Static<typeof PreviousPrioritiesConfig> {}

export const RetryPriority = message('envoy.config.route.v3.RetryPolicy.RetryPriority', {
  name: required(string({ minLength: 1 }), 'Free name, usually envoy.retry_priorities.previous_priorities.'),
  typedConfig: required(any('retry priority', [PreviousPrioritiesConfig]), 'Priorities that a retry goes to.'),
});
export interface RetryPriority extends Static<typeof RetryPriority> {}

export const RetryHostPredicate = message('envoy.config.route.v3.RetryPolicy.RetryHostPredicate', {
  name: required(string({ minLength: 1 }), 'Free name, usually envoy.retry_host_predicates.previous_hosts.'),
  typedConfig: required(any('retry host predicate', [PreviousHostsPredicate, OmitCanaryHostsPredicate,
    OmitHostMetadataConfig]), 'Endpoints that a retry avoids.'),
});
export interface RetryHostPredicate extends Static<typeof RetryHostPredicate> {}

export const RetryBackOff = message('envoy.config.route.v3.RetryPolicy.RetryBackOff', {
  baseInterval: required(duration({ above: 0 }), 'First back-off; the nth is random below base * 2^n.'),
  maxInterval: optional(duration({ above: 0 }), 'Longest back-off; default ten times the base.'),
});
export interface RetryBackOff extends Static<typeof RetryBackOff> {}

const ResetHeader = message('envoy.config.route.v3.RetryPolicy.ResetHeader', {
  name: required(headerName(), 'Such as retry-after.'),
  format: optional(enumeration(['SECONDS', 'UNIX_TIMESTAMP']), 'SECONDS (default) from now, or a time.'),
});

export const RateLimitedRetryBackOff = message('envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff', {
  resetHeaders: required(list(ResetHeader, { min: 1 }), 'Response headers; the first that says a time that is not too '
    + 'long is taken, and up to half of it added.'),
  maxInterval: optional(duration({ above: 0 }), 'Longer times are ignored; default 300s.'),
});
export interface RateLimitedRetryBackOff extends Static<typeof RateLimitedRetryBackOff> {}

export const RetryPolicy = message('envoy.config.route.v3.RetryPolicy', {
  retryOn: optional(string(), `Comma-separated words: ${RETRY_ON.join(', ')}. Empty: never. 5xx and reset may repeat `
    + 'what a service has already done.'),
  numRetries: optional(uint32(), 'Tries after the first; default 1.'),
  perTryTimeout: optional(duration(), 'Time for each try; default the route\'s timeout for all of them.'),
  perTryIdleTimeout: optional(duration(), 'Silence of the upstream that ends a try; default none.'),
  retryPriority: optional(RetryPriority, 'Priorities that a retry goes to; default as all requests. Without effect on '
    + 'policies by hash.'),
  retryHostPredicate: optional(list(RetryHostPredicate), 'Endpoints that a retry avoids while there are others.'),
  hostSelectionRetryMaxAttempts: optional(int64(), 'Picks before an avoided endpoint is taken; default 1.'),
  retriableStatusCodes: optional(list(uint32()), 'For retry_on: retriable-status-codes.'),
  retryBackOff: optional(RetryBackOff, 'Default 25ms, at most 250ms.'),
  retriableHeaders: optional(list(HeaderMatcher), 'Response headers, for retry_on: retriable-headers.'),
  retriableRequestHeaders: optional(list(HeaderMatcher), 'Only requests with one of them are retried by this policy.'),
  rateLimitedRetryBackOff: optional(RateLimitedRetryBackOff, 'Retries of a response wait as long as it says.'),
}, {
  refused: {
    'retry option predicates are not supported': ['retry_options_predicates', 'refresh_cluster_on_retry'],
  },
  check: ({ retryOn = '', retryBackOff: backOff }) => {
    const unknown = retryOn.split(',').map((word) => word.trim()).find((word) => !isRetryWord(word));
    if (unknown !== undefined) {
      return new Refusal(`unknown condition '${unknown}'${nearestName(unknown, RETRY_ON)}`, ['retryOn']);
    }
    return backOff === undefined ? undefined : checkBackOff(backOff);
  },
});
export interface RetryPolicy extends Static<typeof RetryPolicy> {}

function isRetryWord(word: string): boolean {
  return word === '' || word === WITHOUT_EFFECT || (RETRY_ON as readonly string[]).includes(word);
}

function checkBackOff({ baseInterval, maxInterval }: RetryBackOff): Refusal | undefined {
  return maxInterval !== undefined && Number.parseFloat(maxInterval) < Number.parseFloat(baseInterval)
    ? new Refusal('must not be below base_interval', ['retryBackOff', 'maxInterval'])
    : undefined;
}
