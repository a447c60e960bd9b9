// Credentials that requests are given on their way out (envoy.extensions.filters.http.credential_injector.v3).
import { HttpUri } from './http-uri.ts';
import { bool, duration, enumeration, headerName, string } from './scalar.ts';
import { any, exactlyOne, list, message, optional, Refusal, required, type Static } from './schema.ts';
import { SdsSecretConfig } from './tls.ts';

const KINDS = 'envoy.extensions.http.injected_credentials';
const HTTP_URI = /^https?:\/\/[^/?#@\s]+([/?][^#\s]*)?$/;

export const GenericCredential = message(`${KINDS}.generic.v3.Generic`, {
  credential: required(SdsSecretConfig, 'Generic secret: the value.'),
  header: optional(headerName(), 'Default Authorization.'),
  headerValuePrefix: optional(string({ form: 'header-value' }), 'Stands before it, such as `Bearer `.'),
});
export interface GenericCredential extends Static<typeof GenericCredential> {}

const ClientCredentials = message(`${KINDS}.oauth2.v3.OAuth2.ClientCredentials`, {
  clientId: required(string({ minLength: 1, maxBytes: 1024 }), 'What the authorization server knows this proxy by.'),
  clientSecret: required(SdsSecretConfig, 'Generic secret that proves it.'),
  authType: optional(enumeration(['BASIC_AUTH', 'URL_ENCODED_BODY']), 'How it is shown; default BASIC_AUTH.'),
});

const EndpointParameter = message(`${KINDS}.oauth2.v3.OAuth2.EndpointParameter`, {
  name: required(string({ minLength: 1 }), 'Such as audience or resource.'),
  value: optional(string(), 'Its value.'),
});

export const OAuth2Credential = message(`${KINDS}.oauth2.v3.OAuth2`, {
  tokenEndpoint: required(HttpUri, 'Where tokens are fetched.'),
  scopes: optional(list(string({ minLength: 1 })), 'What the token is to be good for.'),
  clientCredentials: required(ClientCredentials, 'The client credentials grant (RFC 6749 section 4.4).'),
  tokenFetchRetryInterval: optional(duration({ atLeast: 1 }), 'After a failure; default 2s.'),
  endpointParams: optional(list(EndpointParameter, { max: 64 }), 'Further parameters of the request for a token.'),
}, {
  check: ({ tokenEndpoint: { uri } }) => (HTTP_URI.test(uri) ? undefined
    : new Refusal('must be http:// or https:// with a host and a path', ['tokenEndpoint', 'uri'])),
});
export interface OAuth2Credential extends Static<typeof OAuth2Credential> {}

const Credential = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: required(string({ minLength: 1 }), 'Free name, usually envoy.http.injected_credentials.generic or .oauth2.'),
  typedConfig: required(any('credential', [GenericCredential, OAuth2Credential]), 'Where it comes from.'),
});

export const CredentialInjector = message('envoy.extensions.filters.http.credential_injector.v3.CredentialInjector', {
  overwrite: optional(bool(), 'In place of what the request has under that name. Default false: that stays.'),
  allowRequestWithoutCredential: optional(bool(), 'Requests go on where there is no credential. Default false: 401.'),
  credential: required(Credential, 'What is attached.'),
}, {
  oneOf: [exactlyOne('credential')],
});
export interface CredentialInjector extends Static<typeof CredentialInjector> {}
