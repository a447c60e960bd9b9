// What filters are told for one route (typed_per_filter_config).
import { CorsPolicy } from './cors.ts';
import { ExtAuthzPerRoute } from './external-authorization.ts';
import { HTTPFault } from './fault.ts';
import { RateLimitPerRoute } from './global-rate-limit.ts';
import { PerRouteConfig as JwtPerRoute } from './jwt-authn.ts';
import { LocalRateLimit } from './local-rate-limit.ts';
import { RBACPerRoute } from './rbac.ts';
import { any, map } from './schema.ts';
import { StatefulSessionPerRoute } from './stateful-session.ts';

/** For one table, virtual host, route or weighted cluster, by the filter's name. */
export const PerFilterConfig = map(any('configuration of an HTTP filter per route',
  [RBACPerRoute, HTTPFault, CorsPolicy, LocalRateLimit, RateLimitPerRoute, ExtAuthzPerRoute, StatefulSessionPerRoute,
    JwtPerRoute]));
