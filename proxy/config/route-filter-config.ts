// What filters are told for one route (typed_per_filter_config).
import { BufferPerRoute } from './buffer.ts';
import { CorsPolicy } from './cors.ts';
import { ExtAuthzPerRoute } from './external-authorization.ts';
import { HTTPFault } from './fault.ts';
import { RateLimitPerRoute } from './global-rate-limit.ts';
import { PerRouteConfig as JwtPerRoute } from './jwt-authn.ts';
import { LocalRateLimit } from './local-rate-limit.ts';
import { RBACPerRoute } from './rbac.ts';
import { any, emptyAny, map, message, required } from './schema.ts';
import { StatefulSessionPerRoute } from './stateful-session.ts';

/** Turns a filter on that is `disabled` where it is listed. */
const FilterConfig = message('envoy.config.route.v3.FilterConfig', {
  config: required(emptyAny('the filter has what it is listed with'), 'Turns it on.'),
}, {
  refused: {
    'list the filter with disabled, and turn it on where it is wanted': ['disabled'],
    'a filter that is not there is a mistake': ['is_optional'],
  },
});

/** For one table, virtual host, route or weighted cluster, by the filter's name. */
export const PerFilterConfig = map(any('configuration of an HTTP filter per route',
  [RBACPerRoute, HTTPFault, CorsPolicy, LocalRateLimit, RateLimitPerRoute, ExtAuthzPerRoute, StatefulSessionPerRoute,
    JwtPerRoute, BufferPerRoute, FilterConfig]));
