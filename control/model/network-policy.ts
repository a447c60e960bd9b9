// NetworkPolicy: which connections a pod takes and makes (networking.k8s.io).
import { parseCidr } from '../../proxy/base/cidr.ts';
import { enumeration, uint32 } from '../../proxy/config/scalar.ts';
import { list, message, optional, Refusal, required, type Static } from '../../proxy/config/schema.ts';
import { LabelSelector } from './label-selector.ts';
import { objectHead } from './object-meta.ts';
import { addressRange, intOrString } from './scalar.ts';

const IpBlock = message('k8s.networking.v1.IPBlock', {
  cidr: required(addressRange(), 'Range of addresses.'),
  except: optional(list(addressRange()), 'Ranges within it that are left out.'),
}, {
  check: ({ cidr, except = [] }) => {
    const whole = parseCidr(cidr);
    const outside = except.findIndex((block) => {
      const part = parseCidr(block);
      return part.prefixLength < whole.prefixLength || !whole.contains(block.split('/')[0] ?? '');
    });
    return outside < 0 ? undefined : new Refusal(`must lie within ${cidr}`, ['except', outside]);
  },
});
export interface IpBlock extends Static<typeof IpBlock> {}

const NetworkPeer = message('k8s.networking.v1.NetworkPolicyPeer', {
  podSelector: optional(LabelSelector, "Pods, of the policy's namespace unless namespaceSelector says more."),
  namespaceSelector: optional(LabelSelector, 'Namespaces; their pods, all of them unless podSelector says less.'),
  ipBlock: optional(IpBlock, 'Addresses; stands alone.'),
}, {
  check: ({ podSelector, namespaceSelector, ipBlock }) => {
    const selector = podSelector ?? namespaceSelector;
    if (ipBlock !== undefined && selector !== undefined) return new Refusal('must stand alone', ['ipBlock']);
    if (ipBlock === undefined && selector === undefined) return new Refusal('must name a selector or an ipBlock');
    return undefined;
  },
});
export interface NetworkPeer extends Static<typeof NetworkPeer> {}

const NetworkPort = message('k8s.networking.v1.NetworkPolicyPort', {
  protocol: optional(enumeration(['TCP', 'UDP', 'SCTP']), 'TCP when absent; the mesh carries no other.'),
  port: optional(intOrString(), 'Port of the pod that is called, by number or name; every port when absent.'),
  endPort: optional(uint32({ minimum: 1, maximum: 65_535 }), 'Last port of a range that `port` begins.'),
}, {
  check: ({ port, endPort }) => {
    if (endPort === undefined) return undefined;
    if (typeof port !== 'number') return new Refusal('needs a port number where the range begins', ['endPort']);
    return endPort < port ? new Refusal(`must be at least ${port}`, ['endPort']) : undefined;
  },
});
export interface NetworkPort extends Static<typeof NetworkPort> {}

const ports = optional(list(NetworkPort), 'Any of these; every port when absent or empty.');

const Ingress = message('k8s.networking.v1.NetworkPolicyIngressRule', {
  from: optional(list(NetworkPeer), 'Any of these; everybody when absent or empty.'),
  ports,
});

const Egress = message('k8s.networking.v1.NetworkPolicyEgressRule', {
  to: optional(list(NetworkPeer), 'Any of these; everywhere when absent or empty.'),
  ports,
});

export const NetworkPolicySpec = message('k8s.networking.v1.NetworkPolicySpec', {
  podSelector: optional(LabelSelector, 'Pods of the namespace that are isolated; all of them when empty or absent.'),
  ingress: optional(list(Ingress), 'Connections that are let in: those of any rule of any policy.'),
  egress: optional(list(Egress), 'Connections that are let out.'),
  policyTypes: optional(list(enumeration(['Ingress', 'Egress'])),
    'What is isolated. When absent: Ingress, and Egress where there are egress rules.'),
});
export interface NetworkPolicySpec extends Static<typeof NetworkPolicySpec> {}

export const NetworkPolicy = message('k8s.networking.v1.NetworkPolicy', {
  ...objectHead,
  spec: optional(NetworkPolicySpec, 'Rules; an absent spec lets nothing in to any pod of the namespace.'),
});
export interface NetworkPolicy extends Static<typeof NetworkPolicy> {}

export type Direction = 'Ingress' | 'Egress';

/** Whether the policy isolates what it selects in that direction. */
export function isolates({ spec }: NetworkPolicy, direction: Direction): boolean {
  const named = spec?.policyTypes ?? [];
  if (named.length > 0) return named.includes(direction);
  return direction === 'Ingress' || (spec?.egress ?? []).length > 0;
}

/** A rule of either direction. */
export interface DirectedRule {
  readonly peers: readonly NetworkPeer[];
  readonly ports: readonly NetworkPort[];
  /** Below the object. */
  readonly path: readonly (string | number)[];
}

export function rulesOf({ spec }: NetworkPolicy, direction: Direction): DirectedRule[] {
  if (direction === 'Ingress') {
    return (spec?.ingress ?? []).map(({ from = [], ports: named = [] }, at) => (
      { peers: from, ports: named, path: ['spec', 'ingress', at] }));
  }
  return (spec?.egress ?? []).map(({ to = [], ports: named = [] }, at) => (
    { peers: to, ports: named, path: ['spec', 'egress', at] }));
}

/** Whether a rule's ports hold that one, which the pod serves under these names. */
export function coversPort(named: readonly NetworkPort[], port: number, nameOf: (name: string) => number | undefined,
): boolean {
  return named.length === 0 || named.some((one) => {
    if ((one.protocol ?? 'TCP') !== 'TCP') return false;
    if (one.port === undefined) return true;
    if (typeof one.port === 'string') return nameOf(one.port) === port;
    return port >= one.port && port <= (one.endPort ?? one.port);
  });
}
