// EgressCredentials at a proxy: a filter for each that selects it, off but for the hosts that it is for.
import type { CredentialInjector } from '../../proxy/config/credential-injector.ts';
import type { HttpFilter } from '../../proxy/config/http-connection-manager.ts';
import type { VirtualHost } from '../../proxy/config/route.ts';
import type { Secret } from '../../proxy/config/tls.ts';
import {
  CREDENTIAL_INJECTOR_TYPE, FILTER_CONFIG_TYPE, GENERIC_CREDENTIAL_TYPE, OAUTH2_CREDENTIAL_TYPE,
} from '../../proxy/config/type-url.ts';
import type { ClientCredentials, EgressCredentialSpec, SecretHeader } from '../model/egress-credential.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { hostMatches } from '../registry/hostname.ts';
import { hasLabels } from '../registry/workload.ts';
import { policyTowards } from './destination-policy.ts';
import { secretName, secretTexts } from './gateway-secret.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import type { ProxyNode } from './proxy-node.ts';
import { BLACK_HOLE_CLUSTER, outboundCluster } from './resource-name.ts';
import { ads } from './secret-source.ts';

type Credential = MeshObject<'EgressCredential'>;

const FETCH_TIMEOUT = '5s';

/** Those of the root namespace and of the proxy's own that select it. */
export function credentialsFor({ inventory, settings }: MeshView, { namespace, labels }: Scope): readonly Credential[] {
  return inventory.list('EgressCredential').filter((credential) =>
    (credential.namespace === settings.rootNamespace || credential.namespace === namespace)
    && hasLabels(labels, new Map(Object.entries(credential.body.spec.selector?.matchLabels ?? {}))));
}

export function credentialFilters(view: MeshView, scope: Scope): HttpFilter[] {
  return credentialsFor(view, scope).map((credential): HttpFilter => {
    const { overwrite, allowWithoutCredential } = credential.body.spec;
    return {
      name: filterName(credential),
      disabled: true,
      typedConfig: {
        '@type': CREDENTIAL_INJECTOR_TYPE,
        ...(overwrite !== undefined && { overwrite }),
        ...(allowWithoutCredential !== undefined && { allowRequestWithoutCredential: allowWithoutCredential }),
        credential: injected(view, scope, credential.body.spec),
      },
    };
  });
}

function filterName({ namespace, name }: Credential): string {
  return `envoy.filters.http.credential_injector.${namespace}.${name}`;
}

function injected(
  view: MeshView, scope: Scope, { clientCredentials, header }: EgressCredentialSpec,
): CredentialInjector['credential'] {
  if (clientCredentials !== undefined) return fetched(view, scope, clientCredentials);
  const { name, prefix, credentialName } = header as SecretHeader;
  return {
    name: 'envoy.http.injected_credentials.generic',
    typedConfig: {
      '@type': GENERIC_CREDENTIAL_TYPE, credential: ads(genericName(credentialName, 'credential')),
      ...(name !== undefined && { header: name }), ...(prefix !== undefined && { headerValuePrefix: prefix }),
    },
  };
}

/** Host and port of a token endpoint. */
export function endpointOf({ tokenEndpoint }: ClientCredentials): { host: string; port: number; isSecured: boolean } {
  const { hostname: host, port, protocol } = new URL(tokenEndpoint);
  const isSecured = protocol === 'https:';
  return { host, port: Number(port) || (isSecured ? 443 : 80), isSecured };
}

/** Whether the way there is as the endpoint's URL says: secrets are not sent in clear to one of https. */
export function isAsSecured(view: MeshView, scope: Scope, grant: ClientCredentials): boolean {
  const { host, port, isSecured } = endpointOf(grant);
  const { tls } = policyTowards(view, scope, '', port, { host, port: { number: port } });
  return !isSecured || (tls?.mode !== undefined && tls.mode !== 'DISABLE');
}

/** Over the cluster of the endpoint's host, with the TLS of its rules. */
function fetched(view: MeshView, scope: Scope, grant: ClientCredentials): CredentialInjector['credential'] {
  const { tokenEndpoint: uri, clientId, credentialName, scopes, parameters = {}, clientAuthentication } = grant;
  const { host, port } = endpointOf(grant);
  const cluster = isAsSecured(view, scope, grant) ? outboundCluster(port, '', host) : BLACK_HOLE_CLUSTER;
  const endpointParams = Object.entries(parameters).map(([name, value]) => ({ name, value }));
  return {
    name: 'envoy.http.injected_credentials.oauth2',
    typedConfig: {
      '@type': OAUTH2_CREDENTIAL_TYPE,
      tokenEndpoint: { uri, cluster, timeout: grant.timeout ?? FETCH_TIMEOUT },
      clientCredentials: {
        clientId, clientSecret: ads(genericName(credentialName, 'client-secret')),
        ...(clientAuthentication === 'POST' && { authType: 'URL_ENCODED_BODY' }),
      },
      ...(scopes !== undefined && { scopes }),
      ...(endpointParams.length > 0 && { endpointParams }),
    },
  };
}

/** Turns the filters on for the hosts that they are for. */
export function withCredentials(view: MeshView, scope: Scope, hosts: readonly VirtualHost[]): VirtualHost[] {
  const credentials = credentialsFor(view, scope);
  if (credentials.length === 0) return [...hosts];
  return hosts.map((host) => {
    const fitting = credentials.filter(({ body }) => host.domains.every((domain) =>
      body.spec.hosts.some((pattern) => hostMatches(pattern, domain.replace(/:\d+$/, '')))));
    if (fitting.length === 0) return host;
    const on = Object.fromEntries(fitting.map((credential) => [filterName(credential), ON]));
    return { ...host, typedPerFilterConfig: { ...host.typedPerFilterConfig, ...on } };
  });
}

const ON = { '@type': FILTER_CONFIG_TYPE, config: {} } as const;

type Part = 'client-secret' | 'credential';

function genericName(credential: string, part: Part): string {
  return `${secretName(credential)}/${part}`;
}

/** For a proxy that has shown who it is. */
export function credentialSecrets(view: MeshView, node: ProxyNode): Secret[] {
  const made = new Map<string, Secret>();
  for (const { body: { spec: { clientCredentials, header } } } of credentialsFor(view, node)) {
    const part: Part = clientCredentials === undefined ? 'credential' : 'client-secret';
    const secret = (clientCredentials ?? header)?.credentialName ?? '';
    const inlineString = secretTexts(view, node.namespace, secret)[part];
    const name = genericName(secret, part);
    if (inlineString !== undefined) made.set(name, { name, genericSecret: { secret: { inlineString } } });
  }
  return [...made.values()];
}
