// EgressCredential: what requests to servers outside are given on their way out (weft's own; Istio has no such object).
import { bool, enumeration, headerName, string } from '../../proxy/config/scalar.ts';
import { exactlyOne, list, map, message, optional, required, type Static } from '../../proxy/config/schema.ts';
import { objectHead } from './object-meta.ts';
import { goDuration, hostPattern, matching, objectName } from './scalar.ts';
import { ALL_WORKLOADS, WorkloadSelector } from './selector.ts';

const PACKAGE = 'weft.security.v1';

export const ClientCredentials = message(`${PACKAGE}.ClientCredentials`, {
  tokenEndpoint: required(matching(/^https?:\/\/[a-z0-9][-a-z0-9.]*(:[0-9]{1,5})?(\/[^\s?#]*)?$/, 'a URL like '
    + 'https://login.example.com/token'), 'Where tokens are fetched. Its host is one that the mesh knows, by a '
    + 'ServiceEntry; the TLS of that way is a DestinationRule\'s.'),
  clientId: required(string({ minLength: 1, maxBytes: 1024 }), 'What the authorization server knows the proxies by.'),
  credentialName: required(objectName(), 'Secret of the proxy\'s namespace: client-secret.'),
  scopes: optional(list(string({ minLength: 1 }), { max: 32 }), 'What tokens are to be good for.'),
  parameters: optional(map(string()), 'Further ones of the request for a token, such as audience.'),
  clientAuthentication: optional(enumeration(['BASIC', 'POST']), 'How the secret is shown. Default BASIC.'),
  timeout: optional(goDuration({ atLeastMs: 1 }), 'For each fetch. Default 5s.'),
});
export interface ClientCredentials extends Static<typeof ClientCredentials> {}

export const SecretHeader = message(`${PACKAGE}.SecretHeader`, {
  name: optional(headerName(), 'Default Authorization.'),
  prefix: optional(string({ form: 'header-value' }), 'Stands before the value, such as `Bearer `.'),
  credentialName: required(objectName(), 'Secret of the proxy\'s namespace: credential, the value.'),
});
export interface SecretHeader extends Static<typeof SecretHeader> {}

export const EgressCredentialSpec = message(`${PACKAGE}.EgressCredential`, {
  selector: optional(WorkloadSelector, `Gateways, or workloads whose sidecars do it. ${ALL_WORKLOADS}`),
  hosts: required(list(hostPattern(), { min: 1, max: 64 }), 'To which requests it is given: to no others.'),
  clientCredentials: optional(ClientCredentials, 'A token of the OAuth 2 client credentials grant.'),
  header: optional(SecretHeader, 'A value that does not change.'),
  overwrite: optional(bool(), 'In place of what the application sends under that name. Default false: that stays.'),
  allowWithoutCredential: optional(bool(), 'Requests go on where there is none. Default false: they are 401.'),
}, { oneOf: [exactlyOne('client_credentials', 'header')] });
export interface EgressCredentialSpec extends Static<typeof EgressCredentialSpec> {}

export const EgressCredential = message('weft.EgressCredential', {
  ...objectHead,
  spec: required(EgressCredentialSpec, 'Who gives what to whom.'),
});
export interface EgressCredential extends Static<typeof EgressCredential> {}
