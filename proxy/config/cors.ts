// Cross-origin requests (envoy.extensions.filters.http.cors.v3).
import { StringMatcher } from './matcher.ts';
import { RuntimeFractionalPercent } from './percent.ts';
import { bool, string } from './scalar.ts';
import { list, message, optional, type Static } from './schema.ts';

/** The filter; it does nothing where no policy applies. */
export const Cors = message('envoy.extensions.filters.http.cors.v3.Cors', {});
export interface Cors extends Static<typeof Cors> {}

/** In typed_per_filter_config of a route, virtual host or table. */
export const CorsPolicy = message('envoy.extensions.filters.http.cors.v3.CorsPolicy', {
  allowOriginStringMatch: optional(list(StringMatcher), 'Origins that are allowed: any of these.'),
  allowMethods: optional(string(), 'access-control-allow-methods of preflights.'),
  allowHeaders: optional(string(), 'access-control-allow-headers of preflights.'),
  exposeHeaders: optional(string(), 'access-control-expose-headers.'),
  maxAge: optional(string(), 'access-control-max-age of preflights, in seconds.'),
  allowCredentials: optional(bool(), 'access-control-allow-credentials. Dangerous beside a broad origin match. '
    + 'Default false.'),
  filterEnabled: optional(RuntimeFractionalPercent, 'Share of requests to which the policy applies; default all.'),
  shadowEnabled: optional(RuntimeFractionalPercent, 'Share of requests for which it is only counted; default none.'),
  allowPrivateNetworkAccess: optional(bool(), 'access-control-allow-private-network of preflights that ask. Default '
    + 'false.'),
  forwardNotMatchingPreflights: optional(bool(), 'Preflights of other origins go to the service; default true.'),
});
export interface CorsPolicy extends Static<typeof CorsPolicy> {}
