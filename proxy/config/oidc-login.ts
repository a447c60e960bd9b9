// Login by OpenID Connect before requests go on: weft's own filter, for what Envoy's oauth2 filter cannot say.
import { DataSource } from './data-source.ts';
import { HeaderMatcher } from './header-matcher.ts';
import { bool, duration, enumeration, headerName, string } from './scalar.ts';
import { list, message, optional, Refusal, required, type Static } from './schema.ts';
import { SdsSecretConfig } from './tls.ts';

const PACKAGE = 'weft.filters.http.oidc_login.v1';

export const ClaimToHeader = message(`${PACKAGE}.ClaimToHeader`, {
  claim: required(string({ minLength: 1, maxBytes: 256 }), 'Its name; dots lead into objects. Lists are joined by '
    + 'commas.'),
  header: required(headerName(), 'Header of the request to the upstream; what clients send under it is removed.'),
});
export interface ClaimToHeader extends Static<typeof ClaimToHeader> {}

export const OidcLogin = message(`${PACKAGE}.OidcLogin`, {
  issuer: required(string({ minLength: 1, maxBytes: 1024 }), 'The provider, as its tokens name it; what else is to '
    + 'know of it is at <issuer>/.well-known/openid-configuration. https, but for loopback.'),
  clientId: required(string({ minLength: 1, maxBytes: 256 }), 'What the provider knows this gateway by.'),
  clientSecret: optional(SdsSecretConfig, 'Generic secret: proves that to the provider. Without it the client is '
    + 'public.'),
  cookieSecret: optional(SdsSecretConfig, 'Generic secret: a line of at least 32 characters, from which the keys of '
    + 'cookies are made. Further lines are older ones, which still open cookies. Default: made from the client '
    + 'secret.'),
  trustedCa: optional(DataSource, 'PEM roots for the provider\'s certificate; default the system\'s.'),
  clientAuthentication: optional(enumeration(['AUTO', 'CLIENT_SECRET_BASIC', 'CLIENT_SECRET_POST']), 'How the secret '
    + 'is shown; AUTO (default) is BASIC where the provider takes it.'),
  redirectPath: optional(path(), 'Where the provider sends browsers back to; default /oauth2/callback.'),
  logoutPath: optional(path(), 'Ends the session here and at the provider; default /oauth2/logout.'),
  postLogoutPath: optional(path(), 'Where browsers are sent then; default /.'),
  scopes: optional(list(string({ minLength: 1, maxBytes: 128 }), { max: 32 }), 'Beside openid.'),
  resources: optional(list(string({ minLength: 1 }), { max: 8 }), 'For whom the access token is (RFC 8707).'),
  claimToHeaders: optional(list(ClaimToHeader, { max: 32 }), 'What upstreams are told of the user.'),
  claims: optional(list(string({ minLength: 1 }), { max: 64 }), 'Claims that the session keeps, beside sub, iss, aud '
    + 'and exp; default all that fit.'),
  forwardAccessToken: optional(bool(), 'Upstreams get the access token as Authorization: Bearer. Default false.'),
  withoutRefresh: optional(bool(), 'Refresh tokens are not used: users log in again when the token ends.'),
  withoutUserInfo: optional(bool(), 'Claims are those of the ID token alone; the provider is not asked for more.'),
  sessionDuration: optional(duration(), 'A login lasts no longer, refreshed or not; default 28800s.'),
  cookieName: optional(string({ minLength: 1, maxBytes: 64, form: 'header-value' }),
    'Of the session; __Host- stands before it over TLS. Default weft-session.'),
  passThroughMatcher: optional(list(HeaderMatcher), 'Requests that match one need no login, and have no identity '
    + 'here.'),
  denyRedirectMatcher: optional(list(HeaderMatcher), 'Requests that match one are answered 401 rather than sent to '
    + 'the provider; those of scripts always are.'),
  timeout: optional(duration(), 'For each request to the provider; default 5s.'),
  statPrefix: optional(string(), 'Stands before the names of its counters.'),
}, {
  check: ({ clientSecret, cookieSecret, redirectPath = '/oauth2/callback', logoutPath = '/oauth2/logout' }) => {
    if (clientSecret === undefined && cookieSecret === undefined) {
      return new Refusal('needs client_secret or cookie_secret: cookies are sealed with a key made from it');
    }
    return redirectPath === logoutPath ? new Refusal('must not be the redirect path', ['logoutPath']) : undefined;
  },
});
export interface OidcLogin extends Static<typeof OidcLogin> {}

function path(): ReturnType<typeof string> {
  return string({ minLength: 1, maxBytes: 1024, form: 'header-value' });
}
