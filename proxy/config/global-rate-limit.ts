// Rate limits that a service keeps for all proxies (envoy.extensions.filters.http.ratelimit.v3).
import { GrpcService } from './config-source.ts';
import { HeaderValueOption } from './header-value-option.ts';
import { RuntimeFractionalPercent } from './percent.ts';
import { FilterRateLimit, HttpStatus } from './rate-limit.ts';
import { bool, duration, enumeration, string, uint32 } from './scalar.ts';
import { list, message, optional, required, type Static } from './schema.ts';

export const RateLimitServiceConfig = message('envoy.config.ratelimit.v3.RateLimitServiceConfig', {
  grpcService: required(GrpcService, 'The service, as a cluster of this proxy; its circuit breakers bound the calls.'),
  transportApiVersion: optional(enumeration(['AUTO', 'V3'], {
    refused: { V2: 'the v2 API is gone' }, numbers: { AUTO: 0, V2: 1, V3: 2 },
  }), 'V3; default AUTO means the same.'),
});
export interface RateLimitServiceConfig extends Static<typeof RateLimitServiceConfig> {}

/** The filter. */
export const GlobalRateLimit = message('envoy.extensions.filters.http.ratelimit.v3.RateLimit', {
  domain: required(string({ minLength: 1 }), 'Which set of limits the service looks into.'),
  stage: optional(uint32({ maximum: 10 }), 'Rate limits of this stage are looked at; default 0.'),
  requestType: optional(string({ oneOf: ['internal', 'external', 'both', ''] }), 'Requests that are counted: internal '
    + '(x-envoy-internal), external, or both (default).'),
  timeout: optional(duration(), 'How long the service may take; default 0.020s, 0s is for ever.'),
  failureModeDeny: optional(bool(), 'Requests are refused where the service does not answer. Default false: they '
    + 'pass.'),
  rateLimitedAsResourceExhausted: optional(bool(), 'gRPC requests are refused with RESOURCE_EXHAUSTED; default '
    + 'UNAVAILABLE.'),
  rateLimitService: required(RateLimitServiceConfig, 'The service.'),
  enableXRatelimitHeaders: optional(enumeration(['OFF', 'DRAFT_VERSION_03']), 'Sends x-ratelimit-limit, -remaining '
    + 'and -reset. Default OFF.'),
  disableXEnvoyRatelimitedHeader: optional(bool(), 'x-envoy-ratelimited is not sent with refusals. Default false.'),
  rateLimitedStatus: optional(HttpStatus, 'Status of refusals; default 429, as for those below 400.'),
  responseHeadersToAdd: optional(list(HeaderValueOption, { max: 10 }), 'Set on refusals.'),
  statusOnError: optional(HttpStatus, 'Status where the service does not answer and failure_mode_deny is set; default '
    + '500.'),
  statPrefix: optional(string(), 'Stats are cluster.<name>.ratelimit.<stat_prefix>.*; default without it.'),
  filterEnabled: optional(RuntimeFractionalPercent, 'Share of requests that the service is asked about; default all.'),
  filterEnforced: optional(RuntimeFractionalPercent, 'Share of requests above a limit that are refused; default all.'),
  rateLimits: optional(list(FilterRateLimit), 'In place of those of routes and virtual hosts.'),
}, {
  refused: {
    'use failure_mode_deny': ['failure_mode_deny_percent'],
    'use enable_x_ratelimit_headers': ['enable_retry_after_header'],
  },
  warned: { 'no filter reads metadata of requests': ['metadata_namespace'] },
});
export interface GlobalRateLimit extends Static<typeof GlobalRateLimit> {}

/** In typed_per_filter_config of a route, virtual host or table. */
export const RateLimitPerRoute = message('envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute', {
  vhRateLimits: optional(enumeration(['OVERRIDE', 'INCLUDE', 'IGNORE']), 'Whether the virtual host\'s rate limits '
    + 'hold: OVERRIDE (default) where the route has none, INCLUDE always, IGNORE never.'),
  domain: optional(string(), 'In place of the filter\'s.'),
  rateLimits: optional(list(FilterRateLimit), 'In place of those of routes and virtual hosts, and of the filter\'s.'),
}, { refused: { 'Envoy does not honour it either': ['override_option'] } });
export interface RateLimitPerRoute extends Static<typeof RateLimitPerRoute> {}
