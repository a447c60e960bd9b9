// OidcLogin: users who come by browser log in at a gateway (weft's own; fields are named as Istio and Envoy Gateway
// name theirs).
import { bool, headerName, string } from '../../proxy/config/scalar.ts';
import { list, message, optional, Refusal, required, type Schema, type Static } from '../../proxy/config/schema.ts';
import { objectHead } from './object-meta.ts';
import { goDuration, matching, objectName } from './scalar.ts';
import { ALL_WORKLOADS, WorkloadSelector } from './selector.ts';

function path(): Schema<string> {
  return matching(/^\/(?!\/)[^?#\\\s]*$/, 'a path that begins with one /, without query');
}

/** Not `*suffix`: a query may end as it likes. */
function openPath(): Schema<string> {
  return matching(/^\/(?!\/)[^?#\\\s*]*\*?$/, "a path, or 'prefix*'");
}

export const OidcClaimToHeader = message('weft.security.v1.ClaimToHeader', {
  header: required(headerName(), 'Header of requests to services; what clients send under it is removed.'),
  claim: required(string({ minLength: 1 }), 'Claim; dots lead into objects. Lists are joined by commas.'),
});

export const OidcLoginSpec = message('weft.security.v1.OidcLogin', {
  selector: optional(WorkloadSelector, `Of gateways. ${ALL_WORKLOADS}`),
  issuer: required(matching(/^https?:\/\/[^\s?#]+$/, 'an issuer\'s URL'), 'The OpenID provider, as its tokens name '
    + 'it.'),
  clientId: required(string({ minLength: 1, maxBytes: 256 }), 'What the provider knows the gateway by.'),
  credentialName: required(objectName(), "Secret of the gateway's namespace: client-secret; if there is one, "
    + 'cookie-secret, whose first line seals sessions while the lines after it still open them; and ca.crt, the '
    + 'roots of the provider\'s certificate.'),
  scopes: optional(list(string({ minLength: 1 }), { max: 32 }), 'Beside openid.'),
  resources: optional(list(string({ minLength: 1 }), { max: 8 }), 'For whom the access token is.'),
  redirectPath: optional(path(), 'Where the provider sends users back to; /oauth2/callback when absent.'),
  logoutPath: optional(path(), 'Ends the session, here and at the provider; /oauth2/logout when absent.'),
  postLogoutPath: optional(path(), 'Where users go then; / when absent.'),
  outputClaimToHeaders: optional(list(OidcClaimToHeader, { max: 32 }), 'What services are told of the user.'),
  claims: optional(list(string({ minLength: 1 }), { max: 64 }), 'Claims that the session keeps; all when absent.'),
  forwardAccessToken: optional(bool(), 'Services get the access token as Authorization: Bearer. Default false.'),
  refreshToken: optional(bool(), 'Sessions are refreshed as long as the provider allows. Default true.'),
  userInfo: optional(bool(), 'The provider is asked for claims that are not in the ID token. Default true.'),
  sessionDuration: optional(goDuration(), 'A login lasts no longer; 8h when absent.'),
  openPaths: optional(list(openPath(), { max: 64 }), 'Need no login, and know no user.'),
  passThroughAuthHeader: optional(bool(), 'Requests with Authorization: Bearer need no login here: a '
    + 'RequestAuthentication and an AuthorizationPolicy judge them. Default false.'),
}, {
  check: ({ redirectPath = '/oauth2/callback', logoutPath = '/oauth2/logout' }) => (
    redirectPath === logoutPath ? new Refusal('must not be the redirectPath', ['logoutPath']) : undefined),
});
export interface OidcLoginSpec extends Static<typeof OidcLoginSpec> {}

export const OidcLogin = message('weft.OidcLogin', {
  ...objectHead,
  spec: required(OidcLoginSpec, 'Where users log in, and what is kept of them.'),
});
export interface OidcLogin extends Static<typeof OidcLogin> {}
