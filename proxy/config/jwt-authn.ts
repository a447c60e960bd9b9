// Verification of tokens (envoy.extensions.filters.http.jwt_authn.v3).
import { DataSource } from './data-source.ts';
import { HttpUri } from './http-uri.ts';
import { StringMatcher } from './matcher.ts';
import { RouteMatch } from './route-match.ts';
import { bool, duration, flag, headerName, headerValue, string, uint32 } from './scalar.ts';
import { atMostOne, exactlyOne, list, map, message, optional, recursive, Refusal, required, secret, type Schema,
  type Static } from './schema.ts';

const JWT = 'envoy.extensions.filters.http.jwt_authn.v3';

const JwksAsyncFetch = message(`${JWT}.JwksAsyncFetch`, {
  failedRefetchDuration: optional(duration(), 'No second fetch so soon after a failed one; default 1s.'),
}, { warned: { 'requests wait for keys, listeners do not': ['fast_listener'] } });

const RetryBackOff = message('envoy.config.core.v3.BackoffStrategy', {}, {
  warned: { 'a fetch is repeated at once': ['base_interval', 'max_interval'] },
});

const JwksRetryPolicy = message('envoy.config.core.v3.RetryPolicy', {
  retryBackOff: optional(RetryBackOff, 'Accepted.'),
  numRetries: optional(uint32({ maximum: 10 }), 'More fetches after one that fails; default 1.'),
}, {
  warned: {
    'every failure is tried again': ['retry_on', 'retry_host_predicate', 'retry_priority',
      'host_selection_retry_max_attempts'],
  },
});

export const RemoteJwks = message(`${JWT}.RemoteJwks`, {
  httpUri: required(HttpUri, 'Where the keys are. The answer is at most 1 MiB, and a redirect is a failure.'),
  cacheDuration: optional(duration({ atLeast: 0.001 }), 'Age at which keys are fetched anew, while the old ones hold; '
    + 'default 10m.'),
  asyncFetch: optional(JwksAsyncFetch, 'Present: fetched when configuration comes, not when the first token does.'),
  retryPolicy: optional(JwksRetryPolicy, 'Present: failed fetches are tried again at once.'),
});
export interface RemoteJwks extends Static<typeof RemoteJwks> {}

const JwtHeader = message(`${JWT}.JwtHeader`, {
  name: required(headerName(), 'Request header.'),
  valuePrefix: optional(headerValue(), 'What stands before the token, such as "Bearer ".'),
});

const JwtClaimToHeader = message(`${JWT}.JwtClaimToHeader`, {
  headerName: required(headerName(), 'Request header; what clients send under this name is removed.'),
  claimName: required(string({ minLength: 1 }), 'Claim; a.b is b in the object a. Lists and objects come as JSON in '
    + 'base64.'),
}, { refused: { 'use claim_name': ['claim_path'] } });

const JwtCacheConfig = message(`${JWT}.JwtCacheConfig`, {
  jwtCacheSize: optional(uint32({ maximum: 100_000 }),
    'Verified tokens that are remembered, in a worker; default 100.'),
}, { warned: { 'tokens that are not too long to be verified are remembered': ['jwt_max_token_size'] } });

const NormalizePayload = message(`${JWT}.JwtProvider.NormalizePayload`, {
  spaceDelimitedClaims: optional(list(string()), 'Claims that hold a list in one text, such as scope.'),
});

export const JwtProvider = message(`${JWT}.JwtProvider`, {
  issuer: optional(string(), 'Tokens have this iss; empty: any.'),
  audiences: optional(list(string()), 'Tokens have one of these in aud; empty: any.'),
  subjects: optional(StringMatcher, 'Tokens have a sub that matches.'),
  requireExpiration: optional(bool(), 'Tokens have exp. Default false.'),
  maxLifetime: optional(duration(), 'Tokens have exp, no further from now.'),
  remoteJwks: optional(RemoteJwks, 'Keys that are fetched.'),
  localJwks: secret(optional(DataSource, 'Keys: a JSON Web Key Set. Not printed, since secrets may be among them.')),
  forward: optional(bool(), 'The token goes on with the request; default false: its header or parameter is removed.'),
  fromHeaders: optional(list(JwtHeader), 'Headers with tokens.'),
  fromParams: optional(list(string()), 'Query parameters with tokens.'),
  fromCookies: optional(list(string()), 'Cookies with tokens. Without any location: Authorization: Bearer and '
    + 'access_token.'),
  forwardPayloadHeader: optional(headerName(), 'Request header for the payload, in base64url.'),
  padForwardPayloadHeader: optional(bool(), 'With padding. Default false.'),
  payloadInMetadata: optional(string(), 'Key below envoy.filters.http.jwt_authn for the claims.'),
  normalizePayloadInMetadata: optional(NormalizePayload, 'How claims are changed there.'),
  headerInMetadata: optional(string(), 'Key below envoy.filters.http.jwt_authn for the token\'s header.'),
  clockSkewSeconds: optional(uint32(), 'How wrong clocks may be; default, and 0, 60.'),
  jwtCacheConfig: optional(JwtCacheConfig, 'How many verified tokens are remembered.'),
  claimToHeaders: optional(list(JwtClaimToHeader), 'Claims as request headers.'),
  clearRouteCache: optional(bool(), 'The route is matched again after a token of this provider. Default false.'),
}, {
  refused: { 'response code details say why': ['failed_status_in_metadata'] },
  oneOf: [exactlyOne('remote_jwks', 'local_jwks')],
});
export interface JwtProvider extends Static<typeof JwtProvider> {}

const ProviderWithAudiences = message(`${JWT}.ProviderWithAudiences`, {
  providerName: required(string({ minLength: 1 }), 'Whose token.'),
  audiences: optional(list(string()), 'In place of the provider\'s.'),
});

const requirements = required(list(recursive<JwtRequirement>((): Schema => JwtRequirement), { min: 2 }),
  'Two or more.');
const JwtRequirementOrList = message(`${JWT}.JwtRequirementOrList`, { requirements });
const JwtRequirementAndList = message(`${JWT}.JwtRequirementAndList`, { requirements });

export const JwtRequirement = message(`${JWT}.JwtRequirement`, {
  providerName: optional(string(), 'A token of this provider.'),
  providerAndAudiences: optional(ProviderWithAudiences, 'A token of this provider for others.'),
  requiresAny: optional(JwtRequirementOrList, 'Any of these.'),
  requiresAll: optional(JwtRequirementAndList, 'All of these.'),
  allowMissingOrFailed: optional(flag(), 'Also without a token, or with a bad one, which is as good as none.'),
  allowMissing: optional(flag(), 'Also without a token; one that is there must be good.'),
}, {
  refused: { 'unverified tokens are not read': ['extract_only_without_validation'] },
  oneOf: [atMostOne('provider_name', 'provider_and_audiences', 'requires_any', 'requires_all',
    'allow_missing_or_failed', 'allow_missing', 'extract_only_without_validation')],
});
export interface JwtRequirement extends Static<typeof JwtRequirement> {}

export const RequirementRule = message(`${JWT}.RequirementRule`, {
  match: required(RouteMatch, 'Requests that the rule is for; the first rule that matches holds.'),
  requires: optional(JwtRequirement, 'What they need; absent: nothing.'),
  requirementName: optional(string({ minLength: 1 }), 'The same, by its name in requirement_map.'),
}, { oneOf: [atMostOne('requires', 'requirement_name')] });
export interface RequirementRule extends Static<typeof RequirementRule> {}

export const JwtAuthentication = message(`${JWT}.JwtAuthentication`, {
  providers: optional(map(JwtProvider), 'Who makes tokens, by name.'),
  rules: optional(list(RequirementRule), 'Which requests need which tokens; a request that none matches needs none.'),
  bypassCorsPreflight: optional(bool(), 'Browsers\' preflights need none. Default false.'),
  requirementMap: optional(map(JwtRequirement), 'Requirements by name, for rules and routes.'),
  stripFailureResponse: optional(bool(), 'Refusals have neither body nor www-authenticate. Default false.'),
}, {
  refused: { 'no filter sets it': ['filter_state_rules'] },
  warned: { 'stats are those of the connection manager': ['stat_prefix'] },
  check: unknownProvider,
});
export interface JwtAuthentication extends Static<typeof JwtAuthentication> {}

/** In typed_per_filter_config. */
export const PerRouteConfig = message(`${JWT}.PerRouteConfig`, {
  disabled: optional(bool(), 'Tokens are not looked at; only true.'),
  requirementName: optional(string({ minLength: 1 }), 'Of the filter\'s requirement_map, in place of its rules.'),
}, {
  oneOf: [exactlyOne('disabled', 'requirement_name')],
  check: ({ disabled }) => (disabled === false ? new Refusal('must be true', ['disabled']) : undefined),
});
export interface PerRouteConfig extends Static<typeof PerRouteConfig> {}

function unknownProvider({ providers = {}, rules = [], requirementMap = {} }: {
  providers?: Record<string, JwtProvider>; rules?: RequirementRule[]; requirementMap?: Record<string, JwtRequirement>;
}): Refusal | undefined {
  const known = new Set(Object.keys(providers));
  for (const [name, requirement] of Object.entries(requirementMap)) {
    const missing = missingProvider(requirement, known);
    if (missing !== undefined) return new Refusal(unknownText(missing), ['requirementMap', name]);
  }
  for (const [i, { requires, requirementName }] of rules.entries()) {
    const missing = requires === undefined ? undefined : missingProvider(requires, known);
    if (missing !== undefined) return new Refusal(unknownText(missing), ['rules', i, 'requires']);
    if (requirementName !== undefined && !Object.hasOwn(requirementMap, requirementName)) {
      return new Refusal(`'${requirementName}' is not in requirement_map`, ['rules', i, 'requirementName']);
    }
  }
  return undefined;
}

function unknownText(provider: string): string {
  return `provider '${provider}' is not configured`;
}

function missingProvider(requirement: JwtRequirement, known: ReadonlySet<string>): string | undefined {
  const { providerName = requirement.providerAndAudiences?.providerName, requiresAny, requiresAll } = requirement;
  if (providerName !== undefined) return known.has(providerName) ? undefined : providerName;
  for (const inner of (requiresAny ?? requiresAll)?.requirements ?? []) {
    const missing = missingProvider(inner, known);
    if (missing !== undefined) return missing;
  }
  return undefined;
}
