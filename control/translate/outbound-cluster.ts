// The clusters of a service as a caller sees it: one for each port, and one more for each subset.
import type { Cluster, UpstreamTransportSocket } from '../../proxy/config/cluster.ts';
import type { ClusterLoadAssignment } from '../../proxy/config/endpoint.ts';
import { isWildcard } from '../registry/hostname.ts';
import { isHttp, isHttp2 } from '../registry/port-protocol.ts';
import type { MeshService, Resolution, ServiceEndpoint, ServicePort } from '../registry/service.ts';
import { hasLabels } from '../registry/workload.ts';
import { balancing } from './balancing.ts';
import { clientTls } from './client-tls.ts';
import { clusterPolicy } from './cluster-policy.ts';
import {
  destinationPolicy, type DeclaredSubset, type DestinationPolicy, type PortPolicy,
} from './destination-policy.ts';
import { endpointTls, loadAssignment } from './endpoint.ts';
import { backendPolicy, backendTransport } from './gateway-api/backend-tls.ts';
import { localityGroups } from './locality-balancing.ts';
import { meshTrust, type MeshTrust } from './mesh-trust.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import { egressGate, keepsIn } from './network-policy.ts';
import { configPath } from './provenance.ts';
import { clusterSni, outboundCluster } from './resource-name.ts';
import { behindHeader, meshClientTls, PLAINTEXT } from './tls-context.ts';
import { upstreamProtocol } from './upstream-protocol.ts';
import type { UpstreamVersion } from './upstream-protocol.ts';
import { mayCarryHttp } from './workload-port.ts';

/** A cluster and, where EDS answers them, its endpoints. */
export interface OutboundCluster {
  readonly cluster: Cluster;
  readonly endpoints: ClusterLoadAssignment | undefined;
}

interface Parts {
  readonly view: MeshView;
  readonly scope: Scope;
  readonly service: MeshService;
  readonly port: ServicePort;
  readonly policies: DestinationPolicy;
  readonly declared: DeclaredSubset | undefined;
  readonly naming: Naming;
}

/** `sni`: the name in the form that SNI can carry, for connections that are encrypted already. */
export type Naming = 'pipe' | 'sni';

export function serviceClusters(
  view: MeshView, scope: Scope, service: MeshService, naming: Naming = 'pipe',
): OutboundCluster[] {
  const policies = destinationPolicy(view, service, scope);
  return service.ports.flatMap((port) => {
    const parts = { view, scope, service, port, policies, naming };
    const subsets = [...policies.subsets.values()].map((declared) => buildCluster({ ...parts, declared }));
    return [buildCluster({ ...parts, declared: undefined }), ...subsets];
  });
}

function buildCluster(parts: Parts): OutboundCluster {
  const { view, scope, service, port, declared } = parts;
  const isPlain = parts.naming === 'pipe';
  const named = isPlain ? outboundCluster : clusterSni;
  const name = named(port.number, declared?.subset.name ?? '', service.hostname);
  const policy = parts.policies.forPort(port.number, declared?.subset);
  const groups = localityGroups(subsetEndpoints(parts), policy, scope);
  const assignment = loadAssignment(view, name, groups);
  const passes = passesOn(parts, policy);
  const isEds = service.resolution === 'static' && !passes;
  const cluster: Cluster = {
    name,
    ...(passes ? { type: 'ORIGINAL_DST' } : isEds ? edsEndpoints(name) : dnsEndpoints(assignment, service.resolution)),
    ...clusterPolicy(policy),
    ...(isPlain && mayCarryHttp(port) && {
      typedExtensionProtocolOptions: upstreamProtocol(
        upstreamVersion(port, policy), policy.connectionPool, namesServer(parts, policy)),
    }),
    ...(isPlain && proxied(transport(parts, policy), policy)),
    ...(passes ? { lbPolicy: 'CLUSTER_PROVIDED' } : balancing(policy, scope.isWeft)),
    metadata: { filterMetadata: { istio: clusterFacts(parts) } },
  };
  return { cluster, endpoints: isEds ? assignment : undefined };
}

/**
 * Connections go on to where they wanted. Not those of callers that may not reach every address, nor to backends whose
 * policy cannot be kept.
 */
function passesOn({ view, scope, service, port, naming }: Parts, { loadBalancer }: PortPolicy): boolean {
  const isAsked = service.resolution === 'none' || loadBalancer?.simple === 'PASSTHROUGH';
  return isAsked && scope.redirected === true && naming === 'pipe' && !keepsIn(view, scope)
    && backendPolicy(view, service, port)?.invalid === undefined;
}

/** Each request says which of a wildcard's servers it is for, by its host: in SNI, and for the certificate's names. */
function namesServer({ service, port }: Parts, { tls }: PortPolicy): boolean {
  return (tls?.mode === 'SIMPLE' || tls?.mode === 'MUTUAL') && tls.sni === undefined && isHttp(port.protocol)
    && isWildcard(service.hostname);
}

/** What the port says; its client's where the rule asks for that; HTTP/2 where it upgrades. */
function upstreamVersion({ protocol }: ServicePort, { connectionPool }: PortPolicy): UpstreamVersion {
  if (connectionPool?.http?.useClientProtocol === true) return 'client';
  if (protocol === 'auto') return 'client';
  return isHttp2(protocol) || connectionPool?.http?.h2UpgradePolicy === 'UPGRADE' ? 'http2' : 'http';
}

/** Those that NetworkPolicies let the caller reach. */
function subsetEndpoints({ view, scope, service, port, declared }: Parts): ServiceEndpoint[] {
  // Nothing is sent to backends whose policy cannot be kept.
  if (backendPolicy(view, service, port)?.invalid !== undefined) return [];
  const labels = new Map(Object.entries(declared?.subset.labels ?? {}));
  const mayCall = egressGate(view, scope);
  return service.endpoints.filter((endpoint) => endpoint.servicePort === port.number
    && hasLabels(endpoint.workload.labels, labels) && (mayCall === undefined || mayCall(endpoint)));
}

function edsEndpoints(serviceName: string): Pick<Cluster, 'type' | 'edsClusterConfig'> {
  const edsConfig = { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' } as const;
  return { type: 'EDS', edsClusterConfig: { edsConfig, serviceName } };
}

/** A logical cluster is one name; where there are more of them, all their addresses are endpoints. */
function dnsEndpoints(assignment: ClusterLoadAssignment, resolution: Resolution): Partial<Cluster> {
  const names = (assignment.endpoints ?? []).flatMap(({ lbEndpoints = [] }) => lbEndpoints);
  return {
    type: resolution === 'dns-round-robin' && names.length === 1 ? 'LOGICAL_DNS' : 'STRICT_DNS',
    loadAssignment: assignment,
    dnsRefreshRate: '60s',
    respectDnsTtl: true,
    dnsLookupFamily: 'V4_PREFERRED',
  };
}

type Transport = Pick<Cluster, 'transportSocket' | 'transportSocketMatches'>;

/** What the rule says; without one, what the endpoints speak. */
function transport(parts: Parts, policy: PortPolicy): Transport {
  const { service, port, declared } = parts;
  const sni = clusterSni(port.number, declared?.subset.name ?? '', service.hostname);
  const { tls } = policy;
  if (tls === undefined) {
    const asked = backendPolicy(parts.view, service, port);
    if (asked === undefined) return autoTransport(parts, policy, sni);
    const isHttp2Port = upstreamVersion(port, policy) === 'http2';
    return { transportSocket: backendTransport(parts.view, parts.scope, asked, isHttp2Port) };
  }
  if (tls.mode === 'ISTIO_MUTUAL') {
    return { transportSocket: meshTls(parts, policy, tls.sni ?? sni, tls.subjectAltNames) };
  }
  if (tls.mode !== 'SIMPLE' && tls.mode !== 'MUTUAL') return {};
  const names = service.subjectAltNames;
  const named = tls.subjectAltNames === undefined && names.length > 0 ? { ...tls, subjectAltNames: [...names] } : tls;
  const host = namesServer(parts, policy) ? undefined : service.hostname;
  return { transportSocket: clientTls(named, host, parts.scope, parts.policies) };
}

/** Whatever the transport, the PROXY protocol goes before it. */
function proxied(inner: Transport, { proxyProtocol }: PortPolicy): Transport {
  if (proxyProtocol === undefined) return inner;
  const { transportSocket, transportSocketMatches } = inner;
  if (transportSocketMatches === undefined) return { transportSocket: behindHeader(transportSocket, proxyProtocol) };
  return {
    transportSocketMatches: transportSocketMatches.map((match) => (
      { ...match, transportSocket: behindHeader(match.transportSocket, proxyProtocol) })),
  };
}

/**
 * Mutual TLS by itself: each endpoint says in its metadata whether it has a sidecar. A service without any such
 * endpoint is left in clear, so that it does not wait for certificates; one whose endpoints are unknown yet is not.
 */
function autoTransport(parts: Parts, policy: PortPolicy, sni: string): Transport {
  const { view, service } = parts;
  const speaksTls = (endpoint: ServiceEndpoint): boolean => endpointTls(view, endpoint) === 'istio';
  if (passesOn(parts, policy)) {
    // Addresses say nothing about themselves: all or none, as in Istio.
    const allSecured = service.endpoints.length > 0 && service.endpoints.every(speaksTls);
    return allSecured ? { transportSocket: meshTls(parts, policy, sni) } : {};
  }
  const isSecured = service.endpoints.some(speaksTls);
  if (!isSecured && (service.endpoints.length > 0 || service.external)) return {};
  return {
    transportSocketMatches: [
      { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transportSocket: meshTls(parts, policy, sni) },
      { name: 'tlsMode-disabled', match: {}, transportSocket: PLAINTEXT },
    ],
  };
}

function meshTls(
  parts: Parts, policy: PortPolicy, sni: string, names?: readonly string[],
): UpstreamTransportSocket {
  const trust = meshTrust(parts.view);
  const http2 = upstreamVersion(parts.port, policy) === 'http2';
  return meshClientTls(inAllNames(names ?? identities(parts.service, trust), trust), trust, sni, http2);
}

/** SPIFFE ids of all that serve the service; a subset is not narrowed, so that moving instances changes nothing. */
function identities(service: MeshService, { names: [trustDomain] }: MeshTrust): string[] {
  const accounts = service.endpoints
    .filter(({ workload }) => workload.serviceAccount !== '')
    .map(({ workload }) => `spiffe://${trustDomain}/ns/${workload.namespace}/sa/${workload.serviceAccount}`);
  return [...new Set([...accounts, ...service.subjectAltNames])].sort();
}

/** An identity of the mesh may be shown with any name of its trust domain. */
function inAllNames(identities: readonly string[], { names }: MeshTrust): readonly string[] {
  if (names.length === 1) return identities;
  const spelled = identities.flatMap((identity) => {
    const own = names.find((name) => identity.startsWith(`spiffe://${name}/`));
    if (own === undefined) return [identity];
    return names.map((name) => `spiffe://${name}${identity.slice(`spiffe://${own}`.length)}`);
  });
  return [...new Set(spelled)];
}

/**
 * Names for metrics, and where the cluster's policy was written. The line is left out: a comment added above would
 * change the cluster, and a changed cluster is a new one to Envoy, with new connections.
 */
function clusterFacts({ service, policies, declared }: Parts): Record<string, unknown> {
  const rule = declared?.rule ?? policies.rules[0];
  return {
    services: [{ host: service.hostname, name: service.name, namespace: service.namespace }],
    ...(declared !== undefined && { subset: declared.subset.name }),
    ...(rule !== undefined && { config: configPath(rule), source: rule.origin.file }),
  };
}
