// A case of the Gateway API's conformance suite re-expressed: routes at a gateway of its own, requests, and answers.

export interface CaseRoute {
  /** Rules as YAML. */
  readonly rules: readonly string[];
  readonly kind?: 'HTTPRoute' | 'GRPCRoute';
  readonly hostnames?: readonly string[];
  readonly namespace?: string;
  /** Listener by name: l0, l1 ... */
  readonly section?: string;
  readonly port?: number;
  /** Reason of Accepted: False. */
  readonly unattached?: string;
  /** Reason of ResolvedRefs: False. */
  readonly unresolved?: string;
}

export interface Ask {
  readonly host?: string;
  /** `/` when absent. */
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  /** Backend that has it, with status 200. */
  readonly to?: string;
  readonly status?: number;
  /** As the backend sees it. */
  readonly path?: string;
  readonly has?: Readonly<Record<string, string>>;
  readonly lacks?: readonly string[];
  /** PORT is the listener's. */
  readonly location?: string;
  /** Headers of the answer, and those that it does not have. */
  readonly answer?: Readonly<Record<string, string>>;
  readonly silent?: readonly string[];
}

export interface GatewayCase {
  /** Short names of the suite's tests whose facts these are. */
  readonly upstream: string;
  /** Hostnames of its listeners; one for all hosts when absent. */
  readonly listeners?: readonly (string | undefined)[];
  /** allowedRoutes.namespaces.from. */
  readonly allowed?: 'All' | 'Same';
  readonly routes: readonly CaseRoute[];
  readonly asks: readonly (readonly [Ask, Answer])[];
}

/** First of the ports, one for each case. */
const PORT_BASE = 8100;

export function portOfCase(index: number): number {
  return PORT_BASE + index;
}

/** The gateway and routes of a case, as YAML, in namespace default. */
export function caseYaml({ listeners = [undefined], allowed = 'Same', routes }: GatewayCase, index: number): string {
  const port = portOfCase(index);
  const all = listeners.map((hostname, at) => ({
    name: `l${at}`, port, protocol: 'HTTP', ...(hostname !== undefined && { hostname }),
    allowedRoutes: { namespaces: { from: allowed } },
  }));
  const gateway = object('Gateway', 'default', `gateway-${index}`, JSON.stringify({
    gatewayClassName: 'weft', listeners: all, addresses: [{ type: 'Hostname', value: 'edge' }],
  }));
  return gateway + routes.map((route, at) => routeYaml(route, index, at)).join('');
}

function routeYaml(route: CaseRoute, index: number, at: number): string {
  const { kind = 'HTTPRoute', namespace = 'default', section, port, hostnames, rules } = route;
  const parent = {
    name: `gateway-${index}`, namespace: 'default', ...(section !== undefined && { sectionName: section }),
    ...(port !== undefined && { port }),
  };
  const hosts = hostnames === undefined ? '' : `hostnames: ${JSON.stringify(hostnames)}, `;
  return object(kind, namespace, `route-${index}-${at}`,
    `{ parentRefs: [${JSON.stringify(parent)}], ${hosts}rules: [${rules.join(', ')}] }`);
}

function object(kind: string, namespace: string, name: string, spec: string): string {
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;
}

/** Services of the cases: v1, v2 and v3 in default; in apart two that lead to v2, of which one may be named. */
export function backendsYaml(ports: Readonly<Record<'v1' | 'v2' | 'v3', number>>): string {
  const service = (namespace: string, name: string, port: number): string => `---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ports: [{ name: http, port: 8080 }] }
---
apiVersion: v1
kind: Endpoints
metadata: { name: ${name}, namespace: ${namespace} }
subsets: [{ addresses: [{ ip: 127.0.0.1 }], ports: [{ name: http, port: ${port} }] }]
`;
  return `---
apiVersion: v1
kind: Service
metadata: { name: edge, namespace: default }
spec: { selector: { app: edge } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: granted, namespace: apart }
spec:
  from: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default }]
  to: [{ group: '', kind: Service, name: granted }]
${service('default', 'v1', ports.v1)}${service('default', 'v2', ports.v2)}${service('default', 'v3', ports.v3)}${
  service('apart', 'granted', ports.v2)}${service('apart', 'secluded', ports.v2)}`;
}

/**
 * What proves each feature that the GatewayClass says is supported: upstream's test of it, as
 * test/interop/gateway-conformance.test.ts runs it.
 */
export const SUITE_PROOFS: ReadonlyMap<string, string> = new Map([
  ['BackendTLSPolicy', 'BackendTLSPolicy'],
  ['BackendTLSPolicySANValidation', 'BackendTLSPolicySANValidation'],
  ['GRPCRoute', 'GRPCExactMethodMatching'],
  ['GRPCRouteNamedRouteRule', 'GRPCRouteNamedRule'],
  ['Gateway', 'GatewayObservedGenerationBump'],
  ['GatewayFrontendClientCertificateValidation', 'GatewayFrontendClientCertificateValidation'],
  ['GatewayHTTPListenerIsolation', 'GatewayHTTPListenerIsolation'],
  ['GatewayHTTPSListenerDetectMisdirectedRequests', 'HTTPRouteHTTPSListenerDetectMisdirectedRequests'],
  ['GatewayPort8080', 'GatewayWithAttachedRoutesWithPort8080'],
  ['HTTPRoute', 'HTTPRouteMatching'],
  ['HTTPRoute303RedirectStatusCode', 'HTTPRoute303Redirect'],
  ['HTTPRoute307RedirectStatusCode', 'HTTPRoute307Redirect'],
  ['HTTPRoute308RedirectStatusCode', 'HTTPRoute308Redirect'],
  ['HTTPRouteBackendProtocolH2C', 'HTTPRouteBackendProtocolH2C'],
  ['HTTPRouteBackendProtocolWebSocket', 'HTTPRouteBackendProtocolWebSocket'],
  ['HTTPRouteBackendRequestHeaderModification', 'HTTPRouteBackendRequestHeaderModifier'],
  ['HTTPRouteBackendTimeout', 'HTTPRouteTimeoutBackendRequest'],
  ['HTTPRouteCORS', 'HTTPRouteCORS'],
  ['HTTPRouteDestinationPortMatching', 'HTTPRouteInvalidParentRefNotMatchingListenerPort'],
  ['HTTPRouteHostRewrite', 'HTTPRouteRewriteHost'],
  ['HTTPRouteMethodMatching', 'HTTPRouteMethodMatching'],
  ['HTTPRouteNamedRouteRule', 'HTTPRouteNamedRule'],
  ['HTTPRouteParentRefPort', 'HTTPRouteListenerPortMatching'],
  ['HTTPRoutePathRedirect', 'HTTPRouteRedirectPath'],
  ['HTTPRoutePathRewrite', 'HTTPRouteRewritePath'],
  ['HTTPRoutePortRedirect', 'HTTPRouteRedirectPort'],
  ['HTTPRouteQueryParamMatching', 'HTTPRouteQueryParamMatching'],
  ['HTTPRouteRequestMirror', 'HTTPRouteRequestMirror'],
  ['HTTPRouteRequestMultipleMirrors', 'HTTPRouteRequestMultipleMirrors'],
  ['HTTPRouteRequestPercentageMirror', 'HTTPRouteRequestPercentageMirror'],
  ['HTTPRouteRequestTimeout', 'HTTPRouteTimeoutRequest'],
  ['HTTPRouteResponseHeaderModification', 'HTTPRouteResponseHeaderModifier'],
  ['HTTPRouteRetry', 'HTTPRouteRetry'],
  ['HTTPRouteSchemeRedirect', 'HTTPRouteRedirectScheme'],
  ['ListenerSet', 'ListenerSetHTTPRouting'],
  ['ReferenceGrant', 'HTTPRouteReferenceGrant'],
  ['TCPRoute', 'TCPRouteWeightedRouting'],
  ['TLSRoute', 'TLSRouteSimpleSameNamespace'],
  ['TLSRouteModeMixed', 'TLSRouteMixedTerminationSameNamespace'],
  ['TLSRouteModeTerminate', 'TLSRouteTerminateSimpleSameNamespace'],
]);

/** Cases of mesh-http-cases.ts: upstream's own call out of pods by exec, which needs a kubelet. */
export const MESH_PROOFS: ReadonlyMap<string, string> = new Map([
  ['Mesh', 'MeshBasic'],
  ['MeshConsumerRoute', 'MeshConsumerRoute'],
  ['MeshHTTPRouteBackendRequestHeaderModification', 'MeshHTTPRouteBackendRequestHeaderModifier'],
  ['MeshHTTPRouteNamedRouteRule', 'MeshHTTPRouteNamedRule'],
  ['MeshHTTPRouteQueryParamMatching', 'MeshHTTPRouteQueryParamMatching'],
  ['MeshHTTPRouteRedirectPath', 'MeshHTTPRouteRedirectPath'],
  ['MeshHTTPRouteRedirectPort', 'MeshHTTPRouteRedirectPort'],
  ['MeshHTTPRouteRewritePath', 'MeshHTTPRouteRewritePath'],
  ['MeshHTTPRouteSchemeRedirect', 'MeshHTTPRouteSchemeRedirect'],
]);
