// The route table as it is configured (envoy.config.route.v3: RouteConfiguration, VirtualHost, Route).
import { ConfigSource } from './config-source.ts';
import { HeaderValueOption } from './header-value-option.ts';
import { Metadata } from './node.ts';
import { HedgePolicy } from './hedge-policy.ts';
import { RateLimit } from './rate-limit.ts';
import { RequestMirrorPolicy } from './request-mirror.ts';
import { RetryPolicy } from './retry-policy.ts';
import { PerFilterConfig } from './route-filter-config.ts';
import { DirectResponseAction, RedirectAction, RouteAction } from './route-action.ts';
import { RouteMatch } from './route-match.ts';
import { bool, enumeration, headerName, headerValue, string, uint32, uint64 } from './scalar.ts';
import { exactlyOne, list, message, optional, Refusal, required, type Static } from './schema.ts';

/** The four lists that stand on tables, virtual hosts and routes alike. */
const headerChanges = {
  requestHeadersToAdd: optional(list(HeaderValueOption, { max: 1000 }), 'Set on requests before they are forwarded.'),
  requestHeadersToRemove: optional(list(headerName()), 'Removed from requests, before those are set.'),
  responseHeadersToAdd: optional(list(HeaderValueOption, { max: 1000 }), 'Set on responses.'),
  responseHeadersToRemove: optional(list(headerName()), 'Removed from responses, before those are set.'),
};

/** How much of a request may be kept to be sent again; on virtual hosts and routes. */
const bufferLimits = {
  perRequestBufferLimitBytes: optional(uint32(), 'Larger bodies are not sent again, by retries and redirects; default '
    + 'the listener\'s per_connection_buffer_limit_bytes.'),
  requestBodyBufferLimit: optional(uint64(), 'As per_request_buffer_limit_bytes, and over it where both are given, '
    + 'here or outside.'),
};

export const Decorator = message('envoy.config.route.v3.Decorator', {
  operation: required(string({ minLength: 1 }), 'Name of the span; default the authority and path.'),
  propagate: optional(bool(), 'Told to the upstream in x-envoy-decorator-operation; default true.'),
});
export interface Decorator extends Static<typeof Decorator> {}

export const Route = message('envoy.config.route.v3.Route', {
  name: optional(string(), 'Shown in logs, stats and decisions.'),
  match: required(RouteMatch, 'Which requests; the first route of a virtual host that matches is taken.'),
  route: optional(RouteAction, 'Forwards.'),
  redirect: optional(RedirectAction, 'Answers with a redirect.'),
  directResponse: optional(DirectResponseAction, 'Answers with a fixed response.'),
  metadata: optional(Metadata, 'filter_metadata.istio.config says where the rule was written.'),
  decorator: optional(Decorator, 'Span name.'),
  typedPerFilterConfig: optional(PerFilterConfig, 'For filters, by filter name.'),
  ...bufferLimits,
  ...headerChanges,
}, {
  refused: {
    'routes forward, redirect or answer': ['filter_action', 'non_forwarding_action'],
    'route specifiers are not supported': ['route_specifiers'],
  },
  warned: {
    'the connection manager\'s tracing holds': ['tracing'],
    'stats are not kept per route': ['stat_prefix'],
  },
  oneOf: [exactlyOne('route', 'redirect', 'direct_response', 'filter_action', 'non_forwarding_action')],
});
export interface Route extends Static<typeof Route> {}

export const VirtualHost = message('envoy.config.route.v3.VirtualHost', {
  name: required(string({ minLength: 1 }), 'Shown in logs, stats and decisions.'),
  domains: required(list(headerValue(), { min: 1 }), 'Hosts: exact, *.suffix, prefix.*, or *; each only once in a '
    + 'table.'),
  routes: optional(list(Route), 'In the order in which they are tried.'),
  requireTls: optional(enumeration(['NONE', 'EXTERNAL_ONLY', 'ALL']), 'Requests that came without TLS '
    + '(x-forwarded-proto) are redirected to https; EXTERNAL_ONLY spares internal ones. Default NONE.'),
  typedPerFilterConfig: optional(PerFilterConfig, 'For filters, by filter name; a route\'s own replaces it.'),
  includeRequestAttemptCount: optional(bool(), 'x-envoy-attempt-count is sent to upstreams. Default false.'),
  includeAttemptCountInResponse: optional(bool(), 'x-envoy-attempt-count is sent to clients. Default false.'),
  retryPolicy: optional(RetryPolicy, 'For routes that have none; replaced whole by a route\'s own.'),
  hedgePolicy: optional(HedgePolicy, 'For routes that have none.'),
  requestMirrorPolicies: optional(list(RequestMirrorPolicy), 'For routes that have none.'),
  rateLimits: optional(list(RateLimit), 'What rate limit filters count, for routes that have none of their own or '
    + 'include these.'),
  metadata: optional(Metadata, 'filter_metadata.istio says where the rule was written.'),
  ...bufferLimits,
  ...headerChanges,
}, {
  refused: {
    'list the routes': ['matcher', 'route_specifiers'],
    'put envoy.extensions.filters.http.cors.v3.CorsPolicy in typed_per_filter_config': ['cors'],
    'a retry policy is given as retry_policy': ['retry_policy_typed_config'],
  },
  warned: {
    'stats are not kept per virtual cluster': ['virtual_clusters'],
    'the header is not sent': ['include_is_timeout_retry_header'],
  },
});
export interface VirtualHost extends Static<typeof VirtualHost> {}

export const Vhds = message('envoy.config.route.v3.Vhds', {
  configSource: required(ConfigSource, 'Where they come from.'),
});
export interface Vhds extends Static<typeof Vhds> {}

export const RouteConfiguration = message('envoy.config.route.v3.RouteConfiguration', {
  name: optional(string(), 'Name by which RDS asks for it; shown in logs and decisions.'),
  vhds: optional(Vhds, 'More virtual hosts, each when a request first asks for it; needs the filter on_demand, and '
    + 'comes over delta xDS.'),
  virtualHosts: optional(list(VirtualHost), 'By host: exact first, then longest *.suffix, longest prefix.*, *.'),
  mostSpecificHeaderMutationsWins: optional(bool(), 'Header changes run table, virtual host, route instead of the '
    + 'reverse. '
    + 'Default false.'),
  validateClusters: optional(bool(), 'Unknown clusters are refused; default true in a static table, false by RDS.'),
  maxDirectResponseBodySizeBytes: optional(uint32(), 'Longer bodies of direct responses are refused; default 4096.'),
  ignorePortInHostMatching: optional(bool(), 'The port of the host is left out of matching. Default false.'),
  typedPerFilterConfig: optional(PerFilterConfig, 'For filters, by filter name; a virtual host\'s own replaces it.'),
  requestMirrorPolicies: optional(list(RequestMirrorPolicy), 'For routes where they and their virtual host have none.'),
  metadata: optional(Metadata, 'Free-form.'),
  ...headerChanges,
}, {
  refused: {
    'these headers would have to be kept from outsiders': ['internal_only_headers'],
    'cluster specifier plugins are not supported': ['cluster_specifier_plugins'],
    'virtual hosts are found by the authority': ['vhost_header'],
    'path parameters are part of the path': ['ignore_path_parameters_in_path_matching'],
    'route specifiers are not supported': ['route_specifiers'],
  },
  check: ({ virtualHosts = [] }) => checkDomains(virtualHosts),
});
export interface RouteConfiguration extends Static<typeof RouteConfiguration> {}

/** A domain in two virtual hosts would make the second unreachable; hosts are compared without regard to case. */
function checkDomains(virtualHosts: readonly VirtualHost[]): Refusal | undefined {
  const owners = new Map<string, string>();
  for (const [v, { name, domains }] of virtualHosts.entries()) {
    for (const [d, domain] of domains.entries()) {
      const owner = owners.get(domain.toLowerCase());
      const at = ['virtualHosts', v, 'domains', d];
      if (owner !== undefined) return new Refusal(`'${domain}' belongs to virtual host '${owner}' already`, at);
      owners.set(domain.toLowerCase(), name);
    }
  }
  return undefined;
}
