// What rules name and nobody has: hosts, subsets, ports and gateways. Warnings, since the other object may come later.
import { nearestName } from '../../proxy/config/nearest-name.ts';
import type { Destination } from '../model/destination.ts';
import type { Inventory } from '../model/inventory.ts';
import { findingAt, placeOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { isWildcard } from './hostname.ts';
import type { Registry } from './registry.ts';
import { isHttp } from './port-protocol.ts';
import type { Steps } from '../model/steps.ts';
import type { MeshService } from './service.ts';

type Path = readonly (string | number)[];

/** An object at a time. */
export function* checkReferences(inventory: Inventory, registry: Registry, rootNamespace: string): Steps<Finding[]> {
  const checker = new ReferenceChecker(inventory, registry);
  for (const object of inventory.list('VirtualService')) {
    checker.virtualService(object);
    yield;
  }
  for (const object of inventory.list('DestinationRule')) {
    checker.destinationRule(object);
    yield;
  }
  for (const object of inventory.list('PeerAuthentication')) checker.rootSelector(object, rootNamespace);
  yield;
  checker.sharedHosts();
  return checker.findings;
}

class ReferenceChecker {
  readonly findings: Finding[] = [];
  readonly #inventory: Inventory;
  readonly #registry: Registry;

  constructor(inventory: Inventory, registry: Registry) {
    this.#inventory = inventory;
    this.#registry = registry;
  }

  virtualService(object: MeshObject<'VirtualService'>): void {
    const { gateways = [], http = [], hosts = [] } = object.body.spec;
    for (const [at, name] of gateways.entries()) this.#gateway(object, ['spec', 'gateways', at], name);
    for (const [rule, { route = [], match = [], mirrors = [] }] of http.entries()) {
      for (const [at, { destination }] of mirrors.entries()) {
        this.#destination(object, ['spec', 'http', rule, 'mirrors', at, 'destination'], destination);
      }
      for (const [at, { destination }] of route.entries()) {
        this.#destination(object, ['spec', 'http', rule, 'route', at, 'destination'], destination);
      }
      for (const [at, { gateways: named = [] }] of match.entries()) {
        for (const [index, name] of named.entries()) {
          this.#gateway(object, ['spec', 'http', rule, 'match', at, 'gateways', index], name);
        }
      }
    }
    this.#connections(object);
    if (http.length === 0) return;
    for (const [at, host] of hosts.entries()) this.#opaqueHost(object, ['spec', 'hosts', at], host);
  }

  /** Destinations of tcp and tls rules. */
  #connections(object: MeshObject<'VirtualService'>): void {
    for (const kind of ['tcp', 'tls'] as const) {
      for (const [rule, { route }] of (object.body.spec[kind] ?? []).entries()) {
        for (const [at, { destination }] of route.entries()) {
          this.#destination(object, ['spec', kind, rule, 'route', at, 'destination'], destination);
        }
      }
    }
  }

  destinationRule(object: MeshObject<'DestinationRule'>): void {
    const { host, subsets = [] } = object.body.spec;
    const full = this.#registry.resolve(host, object.namespace);
    const services = this.#registry.covered(full);
    if (services.length === 0) {
      this.#add(object, ['spec', 'host'], `no service '${full}'${this.#registry.nearest(host, object.namespace)}`);
    }
    if (isWildcard(full)) return;
    for (const [at, { name, labels = {} }] of subsets.entries()) {
      const isServed = services.some(({ endpoints }) => endpoints.length === 0 || endpoints.some(({ workload }) =>
        Object.entries(labels).every(([key, value]) => workload.labels.get(key) === value)));
      if (isServed || services.length === 0) continue;
      this.#warn(object, ['spec', 'subsets', at], `no endpoint has the labels of ${name}`);
    }
  }

  /** Istio gives such a policy no effect; without a word its author believes that it has one. */
  rootSelector(object: MeshObject<'PeerAuthentication'>, rootNamespace: string): void {
    const selects = Object.keys(object.body.spec?.selector?.matchLabels ?? {}).length > 0;
    if (object.namespace !== rootNamespace || !selects) return;
    const reason = `has no effect: in ${rootNamespace} a PeerAuthentication is for the whole mesh`;
    this.#warn(object, ['spec', 'selector'], reason);
  }

  /** Several VirtualServices for one host of the mesh: the first holds and the others are easily missed. */
  sharedHosts(): void {
    const first = new Map<string, MeshObject<'VirtualService'>>();
    for (const object of this.#inventory.list('VirtualService')) {
      const { hosts = [], gateways = ['mesh'] } = object.body.spec;
      if (!gateways.includes('mesh')) continue;
      for (const [at, host] of hosts.entries()) {
        const full = this.#registry.resolve(host, object.namespace);
        const other = first.get(full);
        if (other === undefined) {
          first.set(full, object);
          continue;
        }
        const reason = `${full} has rules in ${placeOf(other.origin)} already, which hold`;
        this.#add(object, ['spec', 'hosts', at], reason);
      }
    }
  }

  #gateway(object: MeshObject<'VirtualService'>, path: Path, name: string): void {
    if (name === 'mesh') return;
    const [namespace = '', short] = name.includes('/') ? name.split('/') : [object.namespace, name];
    const full = namespace === '.' ? object.namespace : namespace;
    if (this.#inventory.get('Gateway', full, short ?? '') !== undefined) return;
    const names = this.#inventory.list('Gateway').map((gateway) =>
      (gateway.namespace === object.namespace ? gateway.name : `${gateway.namespace}/${gateway.name}`));
    this.#add(object, path, `no Gateway '${full}/${short ?? ''}'${nearestName(name, names)}`);
  }

  #destination(object: MeshObject<'VirtualService'>, path: Path, { host, subset, port }: Destination): void {
    const full = this.#registry.resolve(host, object.namespace);
    const service = this.#registry.byHost(full);
    if (service === undefined) {
      const nearest = this.#registry.nearest(host, object.namespace);
      this.#add(object, [...path, 'host'], `no service '${full}': requests get 503${nearest}`);
      return;
    }
    if (port !== undefined && !service.ports.some(({ number }) => number === port.number)) {
      const known = service.ports.map(({ number }) => number).join(', ');
      this.#add(object, [...path, 'port'], `${full} has no port ${port.number}, but ${known}: requests get 503`);
    }
    if (subset !== undefined) this.#subset(object, path, service, subset);
  }

  #subset(object: MeshObject<'VirtualService'>, path: Path, service: MeshService, subset: string): void {
    const subsets = this.#registry.destinationRules.coveringAnywhere(service.hostname)
      .flatMap((rule) => rule.body.spec.subsets ?? []).map(({ name }) => name);
    if (subsets.includes(subset)) return;
    const hint = nearestName(subset, subsets);
    this.#add(object, [...path, 'subset'], `no DestinationRule of ${service.hostname} has a subset '${subset}': `
      + `requests get 503${hint}`);
  }

  /** HTTP rules have no effect on ports that are carried as TCP. */
  #opaqueHost(object: MeshObject<'VirtualService'>, path: Path, host: string): void {
    const service = this.#registry.byHost(this.#registry.resolve(host, object.namespace));
    if (service === undefined || service.ports.length === 0) return;
    if (service.ports.some(({ protocol }) => isHttp(protocol))) return;
    this.#add(object, path, `${service.hostname} has no HTTP port: http rules have no effect on it`);
  }

  #warn(object: MeshObject, path: Path, reason: string): void {
    this.findings.push(findingAt(object, path, reason));
  }

  #add(object: MeshObject, path: Path, reason: string): void {
    this.findings.push({ ...findingAt(object, path, reason), level: 'error' });
  }
}
