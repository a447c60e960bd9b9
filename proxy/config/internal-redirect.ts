// Redirects of upstreams that the proxy follows itself (envoy.config.route.v3.InternalRedirectPolicy, its predicates).
import { bool, headerName, string, uint32 } from './scalar.ts';
import { any, list, message, optional, Refusal, required, type Static } from './schema.ts';

/** Each is a whole request for one of a client's (S86). */
const REDIRECTS_MAX = 64;

export const AllowListedRoutesConfig = message(
  'envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig', {
    allowedRouteNames: optional(list(string({ minLength: 1 })), 'Names of the routes that may be the next one.'),
  },
);

export const PreviousRoutesConfig = message(
  'envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig', {},
);

export const SafeCrossSchemeConfig = message(
  'envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig', {},
);

export const RedirectPredicate = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: required(string({ minLength: 1 }), 'Free name.'),
  typedConfig: required(
    any('redirect predicate', [AllowListedRoutesConfig, PreviousRoutesConfig, SafeCrossSchemeConfig]),
    'Which routes may be next: listed ones; those that this route has not led to yet; none of http from https to http.',
  ),
});
export interface RedirectPredicate extends Static<typeof RedirectPredicate> {}

export const InternalRedirectPolicy = message('envoy.config.route.v3.InternalRedirectPolicy', {
  maxInternalRedirects: optional(uint32({ maximum: REDIRECTS_MAX }), 'Redirects of one request, by all routes '
    + 'together; default 1, at most 64.'),
  redirectResponseCodes: optional(list(uint32(), { max: 5 }), 'Of 301, 302, 303, 307 and 308; others are never '
    + 'followed. Default 302.'),
  predicates: optional(list(RedirectPredicate), 'All must let it happen; default none.'),
  allowCrossSchemeRedirect: optional(bool(), 'From http to https and back. Default false.'),
  responseHeadersToCopy: optional(list(headerName()), 'Headers that the next request has from the response; those that '
    + 'the response lacks are taken off it.'),
}, {
  check: ({ responseHeadersToCopy: names = [] }) => {
    const again = names.findIndex((name, i) => names.indexOf(name) !== i);
    return again === -1 ? undefined : new Refusal('is there twice', ['responseHeadersToCopy', again]);
  },
});
export interface InternalRedirectPolicy extends Static<typeof InternalRedirectPolicy> {}
