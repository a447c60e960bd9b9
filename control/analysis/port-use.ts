// Ports that rules and policies name and nobody has: what is said for them has no effect.
import { findingAt, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { hostMatches } from '../registry/hostname.ts';
import { hasLabels } from '../registry/workload.ts';
import { ruleHost } from '../translate/destination-policy.ts';
import type { MeshView } from '../translate/mesh-view.ts';
import { gatewayName, MESH_GATEWAY } from '../translate/rule-scope.ts';
import { gatewaysOf, hostsOf } from '../translate/virtual-service.ts';

type Path = readonly (string | number)[];

export function portFindings(view: MeshView): Finding[] {
  const { inventory } = view;
  return [
    ...inventory.list('VirtualService').flatMap((object) => matchedPorts(view, object)),
    ...inventory.list('DestinationRule').flatMap((rule) => policyPorts(view, rule)),
    ...inventory.list('PeerAuthentication').flatMap((policy) => mutualTlsPorts(view, policy)),
  ];
}

/** Conditions by a port at which nothing arrives that the rules are for. */
function matchedPorts(view: MeshView, object: MeshObject<'VirtualService'>): Finding[] {
  const ports = reachedPorts(view, object);
  if (ports === undefined) return [];
  return (['http', 'tls', 'tcp'] as const).flatMap((kind) => (object.body.spec[kind] ?? []).flatMap((rule, at) =>
    (rule.match ?? []).flatMap(({ port }, index) => {
      if (port === undefined || ports.has(port)) return [];
      const known = [...ports].sort((a, b) => a - b).join(', ');
      const path = ['spec', kind, at, 'match', index, 'port'];
      return [lost(object, path, `nothing arrives at port ${port}: its hosts and gateways have ${known}`)];
    })));
}

/** Undefined where it cannot be told: a host that no service has may be called on any port. */
function reachedPorts(view: MeshView, object: MeshObject<'VirtualService'>): Set<number> | undefined {
  const ports = new Set<number>();
  for (const name of gatewaysOf(object)) {
    if (name === MESH_GATEWAY) continue;
    const gateway = view.inventory.list('Gateway').find((one) => gatewayName(one.name, one.namespace) === name);
    if (gateway === undefined) return undefined;
    for (const { port } of gateway.body.spec.servers) ports.add(port.number);
  }
  if (!gatewaysOf(object).includes(MESH_GATEWAY)) return ports;
  for (const host of hostsOf(view, object)) {
    const services = [...view.registry.services].filter(({ hostname }) => hostMatches(host, hostname));
    if (services.length === 0) return undefined;
    for (const service of services) for (const { number } of service.ports) ports.add(number);
  }
  return ports.size === 0 ? undefined : ports;
}

function policyPorts(view: MeshView, rule: MeshObject<'DestinationRule'>): Finding[] {
  const host = ruleHost(view, rule);
  const services = [...view.registry.services].filter(({ hostname }) => hostMatches(host, hostname));
  // That there is no such service is said once.
  if (services.length === 0) return [];
  const ports = new Set(services.flatMap((service) => service.ports.map(({ number }) => number)));
  const { trafficPolicy, subsets = [] } = rule.body.spec;
  const levels = [
    { policy: trafficPolicy, path: ['spec', 'trafficPolicy'] as Path },
    ...subsets.map(({ trafficPolicy: policy }, at) => ({ policy, path: ['spec', 'subsets', at, 'trafficPolicy'] })),
  ];
  return levels.flatMap(({ policy, path }) => (policy?.portLevelSettings ?? []).flatMap(({ port }, at) => {
    if (ports.has(port.number)) return [];
    const known = [...ports].join(', ');
    return [lost(rule, [...path, 'portLevelSettings', at, 'port'], `${host} has no port ${port.number}, but ${known}`)];
  }));
}

/** They are those of the workload, and not of its services. */
function mutualTlsPorts(view: MeshView, policy: MeshObject<'PeerAuthentication'>): Finding[] {
  const { portLevelMtls = {}, selector } = policy.body.spec ?? {};
  const labels = new Map(Object.entries(selector?.matchLabels ?? {}));
  const named = Object.keys(portLevelMtls);
  const path = ['spec', 'portLevelMtls'];
  if (named.length === 0) return [];
  const served = new Set([...view.registry.services].flatMap(({ endpoints }) => endpoints.flatMap((endpoint) =>
    (endpoint.workload.namespace === policy.namespace && hasLabels(endpoint.workload.labels, labels)
      ? [endpoint.port] : []))));
  if (served.size === 0) return [];
  return named.filter((port) => !served.has(Number(port))).map((port) =>
    findingAt(policy, [...path, port], `has no effect: no service is served at port ${port} of the workload`));
}

function lost(object: MeshObject, path: Path, reason: string): Finding {
  return { ...findingAt(object, path, `has no effect: ${reason}`), level: 'error' };
}
