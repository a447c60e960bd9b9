// NetworkPolicies that select nothing, name what nobody has, or shut out whom an AuthorizationPolicy lets in.
import { isIP } from 'node:net';
import { parseCidr } from '../../proxy/base/cidr.ts';
import { selects, selectsAll } from '../model/label-selector.ts';
import { findingAt, placeOf, titleOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import {
  coversPort, isolates, rulesOf, type Direction, type DirectedRule, type NetworkPeer,
} from '../model/network-policy.ts';
import { networkPeers, type NetworkPeers, type PeerWorkload } from '../registry/network-peer.ts';
import type { MeshView } from '../translate/mesh-view.ts';
import { accountOf, networkPoliciesFor, ownAddresses, peerWorkloads } from '../translate/network-policy.ts';

type PolicyObject = MeshObject<'NetworkPolicy'>;
type Path = readonly (string | number)[];

export function networkPolicyFindings(view: MeshView): Finding[] {
  const policies = view.inventory.list('NetworkPolicy');
  // Whom selectors could mean takes long to find out in a large mesh.
  if (policies.length === 0) return [];
  const peers = networkPeers(view.inventory);
  return policies.flatMap((policy) => [
    ...selectsNothing(view, peers, policy),
    ...(['Ingress', 'Egress'] as const).flatMap((direction) => rulesOf(policy.body, direction).flatMap((rule) => (
      isolates(policy.body, direction)
        ? [...peerFindings(view, peers, policy, rule), ...portFindings(peers, policy, rule, direction)]
        : [findingAt(policy, rule.path, `has no effect: policyTypes has no ${direction}`)]))),
    ...nameFindings(view, policy),
  ]);
}

function selected(peers: NetworkPeers, { namespace, body }: PolicyObject): PeerWorkload[] {
  return peers.workloads.filter(({ workload }) => workload.namespace === namespace
    && selects(body.spec?.podSelector ?? {}, workload.labels));
}

/** A gateway's own pods are seldom in the folder that says what they serve. */
function isGateway({ inventory }: MeshView, selector: NetworkPeer['podSelector']): boolean {
  const wanted = Object.entries(selector?.matchLabels ?? {});
  return inventory.list('Gateway').some(({ body }) =>
    wanted.some(([key, value]) => body.spec.selector?.[key] === value));
}

function selectsNothing(view: MeshView, peers: NetworkPeers, policy: PolicyObject): Finding[] {
  const selector = policy.body.spec?.podSelector;
  if (selected(peers, policy).length > 0 || selectsAll(selector) || isGateway(view, selector)) return [];
  if (!peers.workloads.some(({ workload }) => workload.namespace === policy.namespace)) return [];
  return [findingAt(policy, ['spec', 'podSelector'], `has no effect: no pod of namespace ${policy.namespace} fits`)];
}

function peerFindings(view: MeshView, peers: NetworkPeers, policy: PolicyObject, rule: DirectedRule): Finding[] {
  return rule.peers.flatMap((peer, at) => {
    if (peer.ipBlock !== undefined) return [];
    const path = [...rule.path, rule.path[1] === 'ingress' ? 'from' : 'to', at];
    const namespaces = peers.namespacesOf(peer, policy.namespace);
    if (namespaces.length === 0) return [findingAt(policy, path, 'means nobody: no namespace has these labels')];
    const { meant, others } = peerWorkloads(peers, peer, policy.namespace);
    if (selectsAll(peer.podSelector)) return [];
    if (meant.length > 0) return twins(policy, path, meant, others);
    const isKnown = peers.workloads.some(({ workload }) => namespaces.includes(workload.namespace));
    return isKnown && !isGateway(view, peer.podSelector)
      ? [findingAt(policy, path, 'means nobody: no pod has these labels')] : [];
  });
}

/** What decides who a peer is: its identity, and its address where others have the same identity. */
function twins(
  policy: PolicyObject, path: Path, meant: readonly PeerWorkload[], others: readonly PeerWorkload[],
): Finding[] {
  if (path[1] !== 'ingress') return [];
  const twin = meant.find(({ workload, addresses }) => {
    const same = others.filter((other) => accountOf(other.workload) === accountOf(workload));
    return same.length > 0 && ownAddresses([{ workload, addresses }], same).length === 0;
  });
  if (twin === undefined) return [];
  const { name, serviceAccount } = twin.workload;
  return [findingAt(policy, path, `shuts ${name} out: other pods have its service account ${serviceAccount} and its `
    + 'address, so that nobody can tell them apart; give it a service account of its own')];
}

function portFindings(peers: NetworkPeers, policy: PolicyObject, rule: DirectedRule, direction: Direction): Finding[] {
  const called = direction === 'Ingress' ? selected(peers, policy)
    : rule.peers.length === 0 ? peers.workloads
      : rule.peers.filter(({ ipBlock }) => ipBlock === undefined)
        .flatMap((peer) => peerWorkloads(peers, peer, policy.namespace).meant);
  if (called.length === 0) return [];
  return rule.ports.flatMap(({ port, protocol = 'TCP' }, at) => {
    if (typeof port !== 'string' || protocol !== 'TCP') return [];
    if (called.some(({ workload }) => workload.ports.has(port))) return [];
    return [findingAt(policy, [...rule.path, 'ports', at, 'port'], `no pod that is called has a port named '${port}'`)];
  });
}

/** Blocks are compared with addresses that are written: those that a name has are found later, by proxies. */
function nameFindings({ registry }: MeshView, policy: PolicyObject): Finding[] {
  if (!isolates(policy.body, 'Egress')) return [];
  const named = [...registry.services].filter(({ resolution }) => resolution !== 'static');
  if (named.length === 0) return [];
  const hosts = named.slice(0, 3).map(({ hostname }) => hostname).join(', ');
  return rulesOf(policy.body, 'Egress').flatMap((rule) => rule.peers.flatMap(({ ipBlock }, at) => {
    if (ipBlock === undefined || parseCidr(ipBlock.cidr).prefixLength === 0) return [];
    return [findingAt(policy, [...rule.path, 'to', at, 'ipBlock'],
      `does not reach hosts that are found by DNS (${hosts}): leave out \`to\` for these ports, or write addresses`)];
  }));
}

/** ALLOW rules for identities that no NetworkPolicy lets in to any workload which the rule is for. */
export function shutOutFindings(view: MeshView): Finding[] {
  const peers = networkPeers(view.inventory);
  return view.inventory.list('AuthorizationPolicy').flatMap((policy) => {
    const { selector, rules = [], action = 'ALLOW' } = policy.body.spec ?? {};
    if (action !== 'ALLOW') return [];
    const isRoot = policy.namespace === view.settings.rootNamespace;
    const called = peers.workloads.filter(({ workload }) => (isRoot || workload.namespace === policy.namespace)
      && selects({ matchLabels: { ...selector?.matchLabels } }, workload.labels));
    return rules.flatMap((rule, at) => (rule.from ?? []).flatMap(({ source }, from) => {
      const ports = (rule.to ?? []).flatMap(({ operation }) => operation.ports ?? []).map(Number);
      return shutOut(view, peers, { called, ports, source, policy, path: ['spec', 'rules', at, 'from', from] });
    }));
  });
}

interface AllowParts {
  readonly policy: MeshObject<'AuthorizationPolicy'>;
  readonly path: Path;
  readonly source: { readonly principals?: readonly string[]; readonly namespaces?: readonly string[] };
  readonly called: readonly PeerWorkload[];
  /** None is every port. */
  readonly ports: readonly number[];
}

function shutOut(view: MeshView, peers: NetworkPeers, parts: AllowParts): Finding[] {
  const { called, ports, source, policy, path } = parts;
  if (called.length === 0) return [];
  return (['principals', 'namespaces'] as const).flatMap((field) => (source[field] ?? []).flatMap((text, index) => {
    const callers = callersOf(peers, field, text);
    if (callers.length === 0) return [];
    const blocking = called.map((target) => blockingPolicy(view, peers, target, callers, ports));
    const [first] = blocking;
    if (first === undefined || blocking.includes(undefined)) return [];
    const reason = `lets in nobody: ${titleOf(first)} (${placeOf(first.origin)}) shuts ${text} out`;
    return [{ ...findingAt(policy, [...path, 'source', field, index], reason), level: 'error' } as const];
  }));
}

/** Known workloads that an exact name is about; patterns are left alone. */
function callersOf(peers: NetworkPeers, field: 'principals' | 'namespaces', text: string): PeerWorkload[] {
  return peers.workloads.filter(({ workload }) => (field === 'namespaces' ? workload.namespace === text
    : text.endsWith(`/${accountOf(workload)}`)));
}

/** The first policy of a target that none of the callers gets past, at any port; undefined where one gets in. */
function blockingPolicy(
  view: MeshView, peers: NetworkPeers, { workload: target }: PeerWorkload, callers: readonly PeerWorkload[],
  ports: readonly number[],
): PolicyObject | undefined {
  const isolating = networkPoliciesFor(view, target, 'Ingress');
  const served = ports.length > 0 ? ports : [...view.registry.services].flatMap(({ endpoints }) =>
    endpoints.filter(({ workload }) => workload === target || workload.name === target.name).map(({ port }) => port));
  const opens = ({ namespace, body }: PolicyObject): boolean => rulesOf(body, 'Ingress').some((rule) =>
    (served.length === 0 || served.some((port) => coversPort(rule.ports, port, (name) => target.ports.get(name))))
    && (rule.peers.length === 0 || rule.peers.some((peer) =>
      callers.some((caller) => isAmong(peers, peer, namespace, caller)))));
  return isolating.some(opens) ? undefined : isolating[0];
}

function isAmong(peers: NetworkPeers, peer: NetworkPeer, namespace: string, caller: PeerWorkload): boolean {
  if (peer.ipBlock === undefined) return peers.isMeant(peer, namespace, caller.workload);
  const { cidr, except = [] } = peer.ipBlock;
  return caller.addresses.some((address) => isIP(address) !== 0 && parseCidr(cidr).contains(address)
    && !except.some((part) => parseCidr(part).contains(address)));
}
