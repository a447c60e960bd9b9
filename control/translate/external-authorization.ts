// CUSTOM policies: RBAC marks what their rules match, and ext_authz asks the provider about what is marked.
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { ExtAuthz } from '../../proxy/config/external-authorization.ts';
import type { HttpFilter } from '../../proxy/config/http-connection-manager.ts';
import type { NetworkFilter } from '../../proxy/config/listener.ts';
import type { ListStringMatcher, StringMatcher } from '../../proxy/config/matcher.ts';
import type { RbacRules } from '../../proxy/config/rbac.ts';
import { EXT_AUTHZ_TYPE, NETWORK_RBAC_TYPE, RBAC_TYPE } from '../../proxy/config/type-url.ts';
import { STATUS_CODES } from '../../proxy/config/http-status.ts';
import type { ExtensionProvider, GrpcAuthorizer, HttpAuthorizer, RequestBody } from '../model/extension-provider.ts';
import type { MeshService } from '../registry/service.ts';
import { policiesFor, rbacRules } from './authorization.ts';
import { meshConfig } from './mesh-trust.ts';
import type { MeshView } from './mesh-view.ts';
import type { PeerScope } from './peer-authentication.ts';
import { outboundCluster } from './resource-name.ts';

/** Istio's names: of the marks in metadata, and of the policies that make them. */
const MARK = 'istio_ext_authz_';
const POLICY = 'istio-ext-authz-';
/** Long, since many a service asks people. */
const TIMEOUT = '600s';
const BODY_BYTES = 1024;

/** What holds for the CUSTOM policies of a workload. `bad`: their provider cannot be had, and nothing passes. */
type Custom = { readonly kind: 'none' } | { readonly kind: 'bad' } | {
  readonly kind: 'good';
  readonly rules: RbacRules;
  readonly provider: ExtensionProvider;
  readonly service: MeshService;
};

/** Before tokens and all other authorization. */
export function httpCustom(view: MeshView, workload: PeerScope): HttpFilter[] {
  const custom = customOf(view, workload, false);
  if (custom.kind === 'none') return [];
  const name = 'envoy.filters.http.rbac.custom';
  if (custom.kind === 'bad') return [{ name, typedConfig: { '@type': RBAC_TYPE, rules: DENY_ALL } }];
  return [
    { name, typedConfig: { '@type': RBAC_TYPE, shadowRules: custom.rules, shadowRulesStatPrefix: MARK } },
    { name: 'envoy.filters.http.ext_authz', typedConfig: { '@type': EXT_AUTHZ_TYPE, ...extAuthz(custom) } },
  ];
}

/**
 * Connections: nobody is asked about them. As in Istio an HTTP provider has no bearing on them; what the rules of a
 * gRPC provider match is denied, since it would not pass unasked.
 */
export function networkCustom(view: MeshView, workload: PeerScope): NetworkFilter[] {
  const custom = customOf(view, workload, true);
  if (custom.kind === 'none' || (custom.kind === 'good' && custom.provider.envoyExtAuthzHttp !== undefined)) return [];
  const rules = custom.kind === 'bad' ? DENY_ALL : custom.rules;
  const typedConfig = { '@type': NETWORK_RBAC_TYPE, statPrefix: 'tcp.', rules } as const;
  return [{ name: 'envoy.filters.network.rbac.custom', typedConfig }];
}

const EVERYTHING = { permissions: [{ any: true }], principals: [{ any: true }] };
const DENY_ALL: RbacRules = {
  action: 'DENY', policies: { 'default-deny-all-due-to-bad-CUSTOM-action': EVERYTHING },
};

function customOf(view: MeshView, workload: PeerScope, tcp: boolean): Custom {
  const policies = policiesFor(view, workload).filter(({ body }) => body.spec?.action === 'CUSTOM');
  const names = new Set(policies.map(({ body }) => body.spec?.provider?.name));
  const [name] = names;
  if (name === undefined) return { kind: 'none' };
  const provider = meshConfig(view).extensionProviders?.find((one) => one.name === name);
  const service = provider === undefined ? undefined : serviceOf(view, provider);
  // Which of several providers would be asked nobody could say.
  if (names.size > 1 || provider === undefined || service === undefined) return { kind: 'bad' };
  return { kind: 'good', rules: rbacRules(view, policies, 'CUSTOM', tcp, POLICY), provider, service };
}

function partsOf({ envoyExtAuthzGrpc: grpc, envoyExtAuthzHttp: http }: ExtensionProvider):
  GrpcAuthorizer | HttpAuthorizer {
  return (grpc ?? http)!;
}

/** `namespace/host` or `host`; undefined where nobody has such a port. */
function serviceOf({ registry }: MeshView, provider: ExtensionProvider): MeshService | undefined {
  const { service, port } = partsOf(provider);
  const slash = service.indexOf('/');
  const found = registry.byHost(service.slice(slash + 1));
  if (found === undefined || (slash >= 0 && found.namespace !== service.slice(0, slash))) return undefined;
  return found.ports.some(({ number }) => number === port) ? found : undefined;
}

/** The provider's service, for a proxy whose other configuration does not need it. */
export function providerService(
  view: MeshView, workload: PeerScope, known: readonly Cluster[],
): MeshService | undefined {
  const custom = customOf(view, workload, false);
  if (custom.kind !== 'good') return undefined;
  const name = clusterOf(custom);
  return known.some((cluster) => cluster.name === name) ? undefined : custom.service;
}

type Good = Extract<Custom, { kind: 'good' }>;

function clusterOf({ provider, service }: Good): string {
  return outboundCluster(partsOf(provider).port, '', service.hostname);
}

function extAuthz(custom: Good): ExtAuthz {
  const { envoyExtAuthzHttp: http, envoyExtAuthzGrpc: grpc } = custom.provider;
  const parts = partsOf(custom.provider);
  const status = Number(parts.statusOnError ?? 403);
  const code = Object.entries(STATUS_CODES).find(([, number]) => number === status)?.[0];
  return {
    ...(http !== undefined ? httpParts(http, custom) : grpcParts(grpc!, custom)),
    transportApiVersion: 'V3',
    ...(parts.failOpen === true && { failureModeAllow: true }),
    ...(code !== undefined && { statusOnError: { code } as NonNullable<ExtAuthz['statusOnError']> }),
    ...(parts.clearRouteCache === true && { clearRouteCache: true }),
    ...(parts.includeRequestBodyInCheck !== undefined && { withRequestBody: body(parts.includeRequestBodyInCheck) }),
    filterEnabledMetadata: {
      filter: 'envoy.filters.http.rbac', path: [{ key: `${MARK}shadow_effective_policy_id` }],
      value: { stringMatch: { prefix: POLICY.slice(0, -1) } },
    },
  };
}

function body({ maxRequestBytes, ...rest }: RequestBody): NonNullable<ExtAuthz['withRequestBody']> {
  return { maxRequestBytes: maxRequestBytes || BODY_BYTES, ...rest };
}

function grpcParts({ timeout = TIMEOUT }: GrpcAuthorizer, custom: Good): ExtAuthz {
  const envoyGrpc = { clusterName: clusterOf(custom), authority: custom.service.hostname };
  return { grpcService: { envoyGrpc, timeout } };
}

function httpParts(http: HttpAuthorizer, custom: Good): ExtAuthz {
  const { includeRequestHeadersInCheck: seen, timeout = TIMEOUT } = http;
  const added = Object.entries(http.includeAdditionalHeadersInCheck ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const { headersToUpstreamOnAllow: up, headersToDownstreamOnDeny: down, headersToDownstreamOnAllow: back } = http;
  const response = {
    ...(up !== undefined && { allowedUpstreamHeaders: names(up) }),
    ...(down !== undefined && { allowedClientHeaders: names(down) }),
    ...(back !== undefined && { allowedClientHeadersOnSuccess: names(back) }),
  };
  return {
    ...(seen !== undefined && { allowedHeaders: names(seen) }),
    httpService: {
      serverUri: { uri: `http://${custom.service.hostname}`, cluster: clusterOf(custom), timeout },
      ...(http.pathPrefix !== undefined && { pathPrefix: http.pathPrefix }),
      ...(added.length > 0 && { authorizationRequest: {
        headersToAdd: added.map(([key, value]) => ({ key, value })) } }),
      ...(Object.keys(response).length > 0 && { authorizationResponse: response }),
    },
  };
}

function names(patterns: readonly string[]): ListStringMatcher {
  return { patterns: patterns.map(nameMatcher) };
}

/** Names of headers compare without case. */
function nameMatcher(pattern: string): StringMatcher {
  if (pattern === '*') return { safeRegex: { regex: '.+' } };
  if (pattern.startsWith('*')) return { suffix: pattern.slice(1), ignoreCase: true };
  if (pattern.endsWith('*')) return { prefix: pattern.slice(0, -1), ignoreCase: true };
  return { exact: pattern, ignoreCase: true };
}
