// RequestAuthentication: whose tokens requests may carry, and where (security.istio.io).
import { bool, duration, headerName, headerValue, string } from '../../proxy/config/scalar.ts';
import { list, message, optional, Refusal, required, type Static } from '../../proxy/config/schema.ts';
import { keySetFault } from '../keys/key-check.ts';
import { objectHead } from './object-meta.ts';
import { ALL_WORKLOADS, foldTarget, LEGACY_TARGET, targetRefs, WorkloadSelector } from './selector.ts';

export const JwtHeader = message('istio.security.v1.JWTHeader', {
  name: required(headerName(), 'Request header.'),
  prefix: optional(headerValue(), 'What stands before the token, such as "Bearer ".'),
});

export const ClaimToHeader = message('istio.security.v1.ClaimToHeader', {
  header: required(headerName(), 'Request header; what clients send under this name is removed.'),
  claim: required(string({ minLength: 1 }), 'Claim; a.b is b in the object a.'),
});

export const JwtRule = message('istio.security.v1.JWTRule', {
  issuer: required(string({ minLength: 1 }), 'iss of the tokens; where no keys are given, its OpenID configuration '
    + 'says where they are.'),
  audiences: optional(list(string({ minLength: 1 })), 'aud of the tokens, one of them; any when absent.'),
  jwksUri: optional(string({ minLength: 1 }), 'Where the keys are: https, on a public address unless the control plane '
    + 'is told of other networks.'),
  jwks: optional(string({ minLength: 1 }), 'The keys: a JSON Web Key Set.'),
  fromHeaders: optional(list(JwtHeader), 'Headers with tokens.'),
  fromParams: optional(list(string({ minLength: 1 })), 'Query parameters with tokens.'),
  fromCookies: optional(list(string({ minLength: 1 })), 'Cookies with tokens. Without any place: Authorization: Bearer '
    + 'and access_token.'),
  outputPayloadToHeader: optional(headerName(), 'Request header for the claims, as JSON in base64url.'),
  outputClaimToHeaders: optional(list(ClaimToHeader), 'Claims as request headers.'),
  forwardOriginalToken: optional(bool(), 'The token goes on to the workload. Default false.'),
  spaceDelimitedClaims: optional(list(string({ minLength: 1 })), 'Claims that hold a list in one text, beside scope '
    + 'and permission.'),
  timeout: optional(duration({ above: 0 }), 'Of a fetch of keys; default 5s.'),
}, {
  check: ({ jwksUri, jwks }) => (jwks === undefined ? badUri(jwksUri) : badKeys(jwks, jwksUri)),
});
export interface JwtRule extends Static<typeof JwtRule> {}

function badUri(uri: string | undefined): Refusal | undefined {
  if (uri === undefined) return undefined;
  const parsed = URL.canParse(uri) ? new URL(uri) : undefined;
  if (parsed?.protocol === 'https:' || parsed?.protocol === 'http:') return undefined;
  return new Refusal('is not an https:// address', ['jwksUri']);
}

function badKeys(jwks: string, jwksUri: string | undefined): Refusal | undefined {
  if (jwksUri !== undefined) return new Refusal('must not be set beside jwks', ['jwksUri']);
  const fault = keySetFault(jwks);
  return fault === undefined ? undefined : new Refusal(fault, ['jwks']);
}

export const RequestAuthenticationSpec = message('istio.security.v1.RequestAuthentication', {
  selector: optional(WorkloadSelector, ALL_WORKLOADS),
  targetRefs,
  jwtRules: optional(list(JwtRule), 'Issuers. A request without a token passes; one with a bad one does not.'),
}, { legacy: LEGACY_TARGET, fold: foldTarget });
export interface RequestAuthenticationSpec extends Static<typeof RequestAuthenticationSpec> {}

export const RequestAuthentication = message('istio.RequestAuthentication', {
  ...objectHead,
  spec: optional(RequestAuthenticationSpec, 'Issuers.'),
});
export interface RequestAuthentication extends Static<typeof RequestAuthentication> {}
