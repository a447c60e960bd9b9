// NetworkPolicies of a workload: a gate before everything else on what comes in, and endpoints that it may call.
import { isIP } from 'node:net';
import { parseCidr } from '../../proxy/base/cidr.ts';
import type { Listener, NetworkFilter } from '../../proxy/config/listener.ts';
import type { NetworkRBAC, Permission, Policy, Principal } from '../../proxy/config/rbac.ts';
import { NETWORK_RBAC_TYPE } from '../../proxy/config/type-url.ts';
import type { Inventory } from '../model/inventory.ts';
import { selects, selectsAll } from '../model/label-selector.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import {
  coversPort, isolates, rulesOf, type Direction, type DirectedRule, type IpBlock, type NetworkPeer,
  type NetworkPort,
} from '../model/network-policy.ts';
import { networkPeers, type NetworkPeers, type PeerWorkload } from '../registry/network-peer.ts';
import type { ServiceEndpoint } from '../registry/service.ts';
import type { Workload } from '../registry/workload.ts';
import { meshTrust } from './mesh-trust.ts';
import type { MeshView } from './mesh-view.ts';
import type { PeerScope } from './peer-authentication.ts';
import type { ProxyNode } from './proxy-node.ts';
import { cidrRange } from './rbac-match.ts';

type NetworkPolicyObject = MeshObject<'NetworkPolicy'>;

/** Name of the filter, for whoever reads a denial. */
export const NETWORK_POLICY_FILTER = 'envoy.filters.network.rbac.network_policy';

/** Those that isolate a workload in that direction; without any it is open. */
export function networkPoliciesFor(
  { inventory }: MeshView, { namespace, labels }: PeerScope, direction: Direction,
): NetworkPolicyObject[] {
  return (inventory.derived(byNamespace).get(namespace) ?? []).filter((policy) =>
    isolates(policy.body, direction) && selects(policy.body.spec?.podSelector ?? {}, labels));
}

function byNamespace(inventory: Inventory): Map<string, NetworkPolicyObject[]> {
  return Map.groupBy(inventory.list('NetworkPolicy'), ({ namespace }) => namespace);
}

/** The listener of one of the workload's ports with its gate: the first filter of every chain. */
export function withIngressGate(view: MeshView, node: ProxyNode, listener: Listener): Listener {
  const port = listener.address?.socketAddress?.portValue ?? 0;
  const gate = ingressGate(view, node, port);
  if (gate === undefined) return listener;
  const filterChains = (listener.filterChains ?? []).map((chain) => (
    { ...chain, filters: [gate, ...chain.filters ?? []] }));
  return { ...listener, filterChains };
}

/** What any rule of any policy lets in; nothing else. */
function ingressGate(view: MeshView, node: ProxyNode, port: number): NetworkFilter | undefined {
  const isolating = networkPoliciesFor(view, node, 'Ingress');
  if (isolating.length === 0) return undefined;
  const own = networkPeers(view.inventory).workloads.find(({ workload }) =>
    workload.namespace === node.namespace && workload.name === node.podName);
  const policies: Record<string, Policy> = Object.create(null) as Record<string, Policy>;
  for (const policy of isolating) {
    for (const [index, rule] of rulesOf(policy.body, 'Ingress').entries()) {
      const permissions = rulePermissions(rule.ports, port, (name) => own?.workload.ports.get(name));
      if (permissions.length === 0) continue;
      const principals = rulePrincipals(view, rule, policy.namespace);
      if (principals.length === 0) continue;
      const name = `ns[${policy.namespace}]-networkpolicy[${policy.name}]-ingress[${index}]`;
      policies[name] = { permissions, principals };
    }
  }
  const gate: NetworkRBAC = { statPrefix: 'network_policy.', rules: { action: 'ALLOW', policies } };
  return { name: NETWORK_POLICY_FILTER, typedConfig: { '@type': NETWORK_RBAC_TYPE, ...gate } };
}

/** None where the port is not among them. A listener of all ports, which has none itself, asks each connection. */
function rulePermissions(
  named: readonly NetworkPort[], port: number, nameOf: (name: string) => number | undefined,
): Permission[] {
  if (named.length === 0 || (port > 0 && coversPort(named, port, nameOf))) return [{ any: true }];
  if (port > 0) return [];
  return named.flatMap((one): Permission[] => {
    if ((one.protocol ?? 'TCP') !== 'TCP') return [];
    if (one.port === undefined) return [{ any: true }];
    const start = typeof one.port === 'string' ? nameOf(one.port) : one.port;
    return start === undefined ? [] : [{ destinationPortRange: { start, end: (one.endPort ?? start) + 1 } }];
  });
}

function rulePrincipals(view: MeshView, { peers }: DirectedRule, namespace: string): Principal[] {
  if (peers.length === 0) return [{ any: true }];
  const known = view.inventory.derived(noPrincipals);
  return peers.flatMap((peer) => {
    if (peer.ipBlock !== undefined) return [blockPrincipal(peer.ipBlock)];
    const principals = known.get(peer) ?? workloadPrincipals(view, peer, namespace);
    known.set(peer, principals);
    return principals;
  });
}

/** A peer of a policy is the same for all whom that isolates: worked out once. */
function noPrincipals(): Map<NetworkPeer, Principal[]> {
  return new Map();
}

/** By address alone, whoever it is. */
function blockPrincipal({ cidr, except = [] }: IpBlock): Principal {
  const inside: Principal = { directRemoteIp: cidrRange(cidr) };
  if (except.length === 0) return inside;
  return { andIds: { ids: [inside, { notId: anyOf(except.map((block) => ({ directRemoteIp: cidrRange(block) }))) }] } };
}

/** Who shows a certificate of the mesh is who it says; who shows none is the workload at its address. */
function workloadPrincipals(view: MeshView, peer: NetworkPeer, namespace: string): Principal[] {
  const { meant, others } = peerWorkloads(networkPeers(view.inventory), peer, namespace);
  const identified = selectsAll(peer.podSelector) ? namespacePrincipals(view, peer, namespace)
    : identityPrincipals(view, meant, others);
  const plain = ownAddresses(meant, others);
  return [
    ...identified,
    ...(plain.length === 0 ? [] : [{ andIds: { ids: [{ notId: hasIdentity('spiffe://') }, atAny(plain)] } }]),
  ];
}

/** All workloads of a namespace have its name in their identity, those too that nobody has written down. */
function namespacePrincipals(view: MeshView, peer: NetworkPeer, own: string): Principal[] {
  const bases = meshTrust(view).names.map((domain) => `spiffe://${domain}/ns/`);
  if (peer.namespaceSelector !== undefined && selectsAll(peer.namespaceSelector)) return bases.map(hasIdentity);
  const names = networkPeers(view.inventory).namespacesOf(peer, own);
  return bases.flatMap((base) => names.map((name) => hasIdentity(`${base}${name}/`)));
}

/** An identity that others have too is told apart by address, where that can be. */
function identityPrincipals(
  view: MeshView, meant: readonly PeerWorkload[], others: readonly PeerWorkload[],
): Principal[] {
  const domains = meshTrust(view).names;
  const strangers = Map.groupBy(others, ({ workload }) => accountOf(workload));
  return [...Map.groupBy(meant, ({ workload }) => accountOf(workload))].flatMap(([account, same]) => {
    const principal = anyOf(domains.map((domain) => (
      { authenticated: { principalName: { exact: `spiffe://${domain}/${account}` } } })));
    const twins = strangers.get(account);
    if (twins === undefined) return [principal];
    const addresses = ownAddresses(same, twins);
    return addresses.length === 0 ? [] : [{ andIds: { ids: [principal, atAny(addresses)] } }];
  });
}

export function accountOf({ namespace, serviceAccount }: Pick<Workload, 'namespace' | 'serviceAccount'>): string {
  return `ns/${namespace}/sa/${serviceAccount}`;
}

/** The workloads that a peer means, and all the others. */
export function peerWorkloads(
  peers: NetworkPeers, peer: NetworkPeer, namespace: string,
): { readonly meant: PeerWorkload[]; readonly others: PeerWorkload[] } {
  const { meant = [], others = [] } = Object.groupBy(peers.workloads, ({ workload }) =>
    (peers.isMeant(peer, namespace, workload) ? 'meant' : 'others'));
  return { meant, others };
}

/** Addresses of these that none of the others has. */
export function ownAddresses(workloads: readonly PeerWorkload[], others: readonly PeerWorkload[]): string[] {
  const taken = new Set(others.flatMap(({ addresses }) => addresses));
  return [...new Set(workloads.flatMap(({ addresses }) => addresses))].filter((address) => !taken.has(address));
}

function hasIdentity(prefix: string): Principal {
  return { authenticated: { principalName: { prefix } } };
}

function atAny(addresses: readonly string[]): Principal {
  return anyOf(addresses.map((address) => ({ directRemoteIp: cidrRange(address) })));
}

function anyOf(ids: Principal[]): Principal {
  const [only] = ids;
  return ids.length === 1 && only !== undefined ? only : { orIds: { ids } };
}

/** Whether its policies keep it from any address at all: then it may call nobody of whom they cannot be asked. */
export function keepsIn(view: MeshView, scope: PeerScope): boolean {
  const isolating = networkPoliciesFor(view, scope, 'Egress');
  const rules = isolating.flatMap(({ body }) => rulesOf(body, 'Egress'));
  return isolating.length > 0 && !rules.some(({ peers, ports }) => peers.length === 0 && ports.length === 0);
}

/** Whether a workload may call an endpoint. */
export type EgressGate = (endpoint: ServiceEndpoint) => boolean;

/** Undefined where no policy isolates it. */
export function egressGate(view: MeshView, scope: PeerScope): EgressGate | undefined {
  const isolating = networkPoliciesFor(view, scope, 'Egress');
  if (isolating.length === 0) return undefined;
  const peers = networkPeers(view.inventory);
  const rules = isolating.flatMap(({ body, namespace }) =>
    rulesOf(body, 'Egress').map((rule) => ({ rule, namespace })));
  return (endpoint) => rules.some(({ rule, namespace }) =>
    coversPort(rule.ports, endpoint.port, (name) => endpoint.workload.ports.get(name))
    && (rule.peers.length === 0 || rule.peers.some((peer) => reaches(peers, peer, namespace, endpoint))));
}

/** Addresses that a written name has are not known here: only a block of all addresses is sure to hold them. */
function reaches(peers: NetworkPeers, peer: NetworkPeer, namespace: string, endpoint: ServiceEndpoint): boolean {
  const { address, workload } = endpoint;
  if (peer.ipBlock === undefined) return workload.name !== '' && peers.isMeant(peer, namespace, workload);
  const { cidr, except = [] } = peer.ipBlock;
  const block = parseCidr(cidr);
  if (isIP(address) === 0) return block.prefixLength === 0 && except.length === 0;
  return block.contains(address) && !except.some((part) => parseCidr(part).contains(address));
}
