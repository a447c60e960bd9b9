// Login by OAuth 2 as Envoy's filter has it (envoy.extensions.filters.http.oauth2.v3): without OpenID's identity.
import { HeaderMatcher } from './header-matcher.ts';
import { HttpUri } from './http-uri.ts';
import { PathMatcher } from './matcher.ts';
import { bool, duration, enumeration, string } from './scalar.ts';
import { list, message, optional, required, type Static } from './schema.ts';
import { SdsSecretConfig } from './tls.ts';

const OAUTH2 = 'envoy.extensions.filters.http.oauth2.v3';
const ONE_COOKIE = 'the session is one sealed cookie, weft-session, in place of Envoy\'s';

export const OAuth2Credentials = message(`${OAUTH2}.OAuth2Credentials`, {
  clientId: required(string({ minLength: 1 }), 'What the provider knows this proxy by.'),
  tokenSecret: required(SdsSecretConfig, 'Generic secret: proves that to the provider.'),
  hmacSecret: required(SdsSecretConfig, 'Generic secret: the keys of cookies are made from it.'),
}, {
  refused: { 'a session belongs to one host': ['cookie_domain'] },
  warned: { [ONE_COOKIE]: ['cookie_names'] },
});
export interface OAuth2Credentials extends Static<typeof OAuth2Credentials> {}

export const OAuth2Config = message(`${OAUTH2}.OAuth2Config`, {
  tokenEndpoint: required(HttpUri, 'Where codes are changed for tokens. The cluster\'s first endpoint and roots are '
    + 'used, off the workers.'),
  authorizationEndpoint: required(string({ minLength: 1 }), 'Where users log in.'),
  endSessionEndpoint: optional(string(), 'Where they log out of the provider.'),
  credentials: required(OAuth2Credentials, 'Of this proxy.'),
  redirectUri: required(string({ minLength: 1 }), 'Where the provider sends users back to; format operators are '
    + 'filled in.'),
  redirectPathMatcher: required(PathMatcher, 'Requests that come back so.'),
  signoutPath: required(PathMatcher, 'Requests that end the session.'),
  forwardBearerToken: optional(bool(), 'Upstreams get the access token. Default false.'),
  preserveAuthorizationHeader: optional(bool(), 'What clients send as Authorization goes on. Default false.'),
  passThroughMatcher: optional(list(HeaderMatcher), 'Requests that match one need no login.'),
  denyRedirectMatcher: optional(list(HeaderMatcher), 'Requests that match one are answered 401 without a session.'),
  authScopes: optional(list(string({ minLength: 1 })), 'Default user.'),
  resources: optional(list(string({ minLength: 1 })), 'For whom the token is.'),
  authType: optional(enumeration(['URL_ENCODED_BODY', 'BASIC_AUTH'], {
    refused: { TLS_CLIENT_AUTH: 'the client has a secret' },
    numbers: { URL_ENCODED_BODY: 0, BASIC_AUTH: 1, TLS_CLIENT_AUTH: 2 },
  }), 'How the secret is shown; default URL_ENCODED_BODY.'),
  useRefreshToken: optional(bool(), 'Default true.'),
  defaultExpiresIn: optional(duration(), 'Of tokens that do not say; default 3600s.'),
  defaultRefreshTokenExpiresIn: optional(duration(), 'How long a session lasts at most; default 604800s.'),
  statPrefix: optional(string(), 'Stands before the names of counters.'),
}, {
  refused: {
    'the proxy shows a secret': ['private_key_jwt_config'],
    'requests without a session that is good are sent to log in': ['allow_failed_matcher'],
    'users come back to the host that they asked': ['original_request_uri', 'allowed_redirect_domains'],
    'there is no ID token; use weft.filters.http.oidc_login': ['forward_id_token'],
  },
  warned: {
    [ONE_COOKIE]: ['cookie_configs', 'disable_id_token_set_cookie', 'disable_access_token_set_cookie',
      'disable_refresh_token_set_cookie', 'disable_token_encryption', 'use_access_token_expiry_for_id_token_cookie',
      'token_cookie_chunking'],
    'a login may take ten minutes': ['csrf_token_expires_in', 'code_verifier_token_expires_in'],
    'a code is good once: requests for tokens are not repeated': ['retry_policy'],
    'users go to / when they have logged out': ['post_logout_redirect_uri'],
  },
});
export interface OAuth2Config extends Static<typeof OAuth2Config> {}

export const OAuth2 = message(`${OAUTH2}.OAuth2`, {
  config: required(OAuth2Config, 'How users log in.'),
});
export interface OAuth2 extends Static<typeof OAuth2> {}
