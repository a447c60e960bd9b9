// Rate limits that a proxy keeps by itself (envoy.extensions.filters.http.local_ratelimit.v3).
import { HeaderValueOption } from './header-value-option.ts';
import { RuntimeFractionalPercent } from './percent.ts';
import { FilterRateLimit, HttpStatus, TokenBucket } from './rate-limit.ts';
import { bool, enumeration, string, uint32 } from './scalar.ts';
import { list, message, optional, required, type Static } from './schema.ts';

const COMMON = 'envoy.extensions.common.ratelimit.v3';

const Entry = message(`${COMMON}.RateLimitDescriptor.Entry`, {
  key: required(string({ minLength: 1 }), 'Key that the rate limit\'s action gives.'),
  value: optional(string(), 'Value; empty is any, each with a bucket of its own.'),
});

export const LocalRateLimitDescriptor = message(`${COMMON}.LocalRateLimitDescriptor`, {
  entries: required(list(Entry, { min: 1 }), 'Requests whose rate limits give just these, in this order.'),
  tokenBucket: required(TokenBucket, 'Their bucket.'),
}, { refused: { 'use filter_enforced': ['shadow_mode'] } });
export interface LocalRateLimitDescriptor extends Static<typeof LocalRateLimitDescriptor> {}

/** The filter's own configuration, and the one of a route in typed_per_filter_config, which has buckets of its own. */
export const LocalRateLimit = message('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', {
  statPrefix: required(string({ minLength: 1 }), 'Stats are <stat_prefix>.http_local_rate_limit.*.'),
  status: optional(HttpStatus, 'Status of the answer; default 429, as for those below 400.'),
  tokenBucket: optional(TokenBucket, 'For requests that no descriptor is about. All worker threads share it. '
    + 'Default no limit.'),
  filterEnabled: optional(RuntimeFractionalPercent, 'Share of requests that are counted; default none.'),
  filterEnforced: optional(RuntimeFractionalPercent, 'Share of requests above the limit that are refused; default '
    + 'none.'),
  requestHeadersToAddWhenNotEnforced: optional(list(HeaderValueOption, { max: 10 }), 'Set on requests above the limit '
    + 'that go on all the same.'),
  responseHeadersToAdd: optional(list(HeaderValueOption, { max: 10 }), 'Set on refusals.'),
  descriptors: optional(list(LocalRateLimitDescriptor), 'Buckets for descriptors of the route\'s rate_limits.'),
  stage: optional(uint32({ maximum: 10 }), 'Rate limits of this stage are looked at; default 0.'),
  localRateLimitPerDownstreamConnection: optional(bool(), 'Each connection has buckets of its own. Default false.'),
  enableXRatelimitHeaders: optional(enumeration(['OFF', 'DRAFT_VERSION_03']), 'Sends x-ratelimit-limit, -remaining '
    + 'and -reset. Default OFF.'),
  vhRateLimits: optional(enumeration(['OVERRIDE', 'INCLUDE', 'IGNORE']), 'Whether the virtual host\'s rate limits '
    + 'hold: OVERRIDE (default) where the route has none, INCLUDE always, IGNORE never.'),
  alwaysConsumeDefaultTokenBucket: optional(bool(), 'token_bucket is taken from by requests of descriptors too. '
    + 'Default true.'),
  rateLimitedAsResourceExhausted: optional(bool(), 'gRPC requests are refused with RESOURCE_EXHAUSTED; default '
    + 'UNAVAILABLE.'),
  rateLimits: optional(list(FilterRateLimit), 'In place of those of routes and virtual hosts.'),
}, {
  refused: {
    'each proxy has its own limit': ['local_cluster_rate_limit'],
    'use enable_x_ratelimit_headers': ['enable_retry_after_header'],
  },
  warned: {
    'values share one table of 61440 buckets, in which full ones make room': ['max_dynamic_descriptors'],
  },
});
export interface LocalRateLimit extends Static<typeof LocalRateLimit> {}
