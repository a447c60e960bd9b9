// All services of the mesh by host name, made of the objects; what has not changed is taken over when those do.
import { isDeepStrictEqual } from 'node:util';
import { nearestName } from '../../proxy/config/nearest-name.ts';
import type { Inventory } from '../model/inventory.ts';
import { findingAt, placeOf, titleOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { atOnce, type Steps } from '../model/steps.ts';
import { autoAddresses, type Unaddressed } from './auto-address.ts';
import { DestinationRules } from './destination-rules.ts';
import {
  entryPort, entryServices, isRange, mergedService, wantsAddresses as entryWantsAddresses,
} from './external-service.ts';
import { closestHost, hostMatches, isWildcard, resolveHost } from './hostname.ts';
import { isExternalName, kubernetesService, wantsAddresses } from './kubernetes-service.ts';
import { GROUP_ANNOTATION, workloadsOf, workloadSteps } from './pod-workload.ts';
import { isBytes, PROTOCOL_WORDS, portProtocol, wordProtocol } from './port-protocol.ts';
import { routedProtocol } from './routed-port.ts';
import { isVisible, type MeshService } from './service.ts';

export class Registry {
  readonly #inventory: Inventory;
  readonly #services = new Map<string, MeshService>();
  /** Hosts that ServiceEntries have brought, to which more may add. */
  readonly #ofEntries = new Set<string>();
  readonly #unaddressed: Unaddressed[] = [];
  #wildcards: readonly string[] = [];
  #findings: Finding[] = [];
  #hasAliases = false;
  #made = 0;
  readonly domain: string;
  readonly destinationRules: DestinationRules;

  /** `empty` is for what fills it little by little. */
  constructor(inventory: Inventory, domain: string, how: 'whole' | 'empty' = 'whole') {
    this.#inventory = inventory;
    this.domain = domain;
    this.destinationRules = new DestinationRules(inventory.list('DestinationRule'), ({ namespace, body }) =>
      this.resolve(body.spec.host, namespace));
    if (how === 'whole') atOnce(this.#fill());
  }

  /** The same, a little at a time. A service that is as it was `before` is the same object. */
  static * steps(inventory: Inventory, domain: string, before?: Registry): Steps<Registry> {
    yield* workloadSteps(inventory);
    const registry = new Registry(inventory, domain, 'empty');
    yield* registry.#fill();
    if (before === undefined) return registry;
    for (const [host, service] of registry.#services) {
      const known = before.#services.get(host);
      if (isDeepStrictEqual(known, service)) registry.#services.set(host, known!);
      yield;
    }
    return registry;
  }

  /**
   * After nothing but Endpoints and EndpointSlices has changed, those of `owners` (`namespace/name`): only these
   * services are made anew. Undefined where others have their endpoints too.
   */
  static * withEndpoints(
    before: Registry, inventory: Inventory, owners: Iterable<string>,
  ): Steps<Registry | undefined> {
    if (before.#hasAliases) return undefined;
    const registry = new Registry(inventory, before.domain, 'empty');
    for (const [host, service] of before.#services) registry.#services.set(host, service);
    registry.#wildcards = before.#wildcards;
    registry.#findings = before.#findings;
    yield* workloadSteps(inventory);
    for (const owner of owners) {
      registry.#renew(owner);
      yield;
    }
    return registry;
  }

  /** What is odd about the services, for the log and status. */
  get findings(): readonly Finding[] {
    return this.#findings;
  }

  /** Services that were made of their objects, and not taken over from another registry. */
  get made(): number {
    return this.#made;
  }

  /** In the order of their objects. */
  get services(): Iterable<MeshService> {
    return this.#services.values();
  }

  /** By full name; a name below a wildcard entry is that entry's. */
  byHost(hostname: string): MeshService | undefined {
    const exact = this.#services.get(hostname);
    if (exact !== undefined) return exact;
    const wildcard = closestHost(this.#wildcards, hostname);
    return wildcard === undefined ? undefined : this.#services.get(wildcard);
  }

  /** What a rule in `namespace` means by `host`. */
  resolve(host: string, namespace: string): string {
    return resolveHost(host, namespace, this.domain);
  }

  /** Those that a pattern names: one host, or all below a wildcard. */
  covered(pattern: string): MeshService[] {
    const service = this.#services.get(pattern);
    if (!isWildcard(pattern)) return service === undefined ? [] : [service];
    return [...this.#services.values()].filter(({ hostname }) => hostMatches(pattern, hostname));
  }

  visibleFrom(namespace: string): MeshService[] {
    return [...this.#services.values()].filter((service) => isVisible(service.exportTo, namespace));
  }

  /** `; did you mean …`, over the names as somebody in `namespace` would write them. */
  nearest(host: string, namespace: string): string {
    const short = [...this.#services.values()].map((service) =>
      (service.namespace === namespace && !host.includes('.') ? service.name : service.hostname));
    return nearestName(host, short);
  }

  * #fill(): Steps<void> {
    const inventory = this.#inventory;
    const workloads = workloadsOf(inventory);
    const findings = this.#findings;
    for (const service of inventory.list('Service')) {
      const made = kubernetesService({ service, workloads, inventory }, this.domain);
      this.#add(made, service, findings);
      if (wantsAddresses(service)) this.#unaddressed.push({ hostname: made.hostname, createdMs: service.createdMs });
      findings.push(...undeclaredPorts(service, inventory), ...serviceFindings(service));
      this.#made++;
      yield;
    }
    for (const entry of inventory.list('ServiceEntry')) {
      for (const service of entryServices(entry, workloads)) {
        this.#addEntry(service, entry, findings);
        if (!entryWantsAddresses(entry, service)) continue;
        this.#unaddressed.push({ hostname: service.hostname, createdMs: entry.createdMs });
      }
      findings.push(...undeclaredEntryPorts(entry), ...entryFindings(entry));
      this.#made++;
      yield;
    }
    for (const service of inventory.list('Service')) if (isExternalName(service)) this.#alias(service);
    findings.push(...groupFindings(inventory));
    yield* this.#giveAddresses();
    this.#wildcards = [...this.#services.keys()].filter(isWildcard);
  }

  #renew(owner: string): void {
    const [namespace = '', name = ''] = owner.split('/');
    const service = this.#inventory.get('Service', namespace, name);
    if (service === undefined) return;
    const parts = { service, workloads: workloadsOf(this.#inventory), inventory: this.#inventory };
    const made = kubernetesService(parts, this.domain);
    const known = this.#services.get(made.hostname);
    // The host may be a ServiceEntry's, whose name is the host.
    if (known?.name !== name) return;
    this.#made++;
    if (!isDeepStrictEqual(known.endpoints, made.endpoints)) {
      this.#services.set(made.hostname, { ...known, endpoints: made.endpoints });
    }
  }

  #addEntry(service: MeshService, entry: MeshObject<'ServiceEntry'>, findings: Finding[]): void {
    const other = this.#services.get(service.hostname);
    const isMore = other !== undefined && this.#ofEntries.has(service.hostname)
      && other.namespace === service.namespace && other.resolution === service.resolution;
    if (isMore) this.#services.set(service.hostname, mergedService(other, service));
    else this.#add(service, entry, findings);
    if (other === undefined) this.#ofEntries.add(service.hostname);
  }

  /** A name for a service of the mesh is that service, with its endpoints and their identities, as in Istio. */
  #alias(object: MeshObject<'Service'>): void {
    const alias = this.#services.get(resolveHost(object.name, object.namespace, this.domain));
    const target = this.#services.get((object.body.spec.externalName ?? '').replace(/\.$/, ''));
    if (alias?.origin !== object.origin || target === undefined || target === alias) return;
    const { hostname, name, namespace, exportTo, origin } = alias;
    this.#hasAliases = true;
    this.#services.set(hostname, { ...target, hostname, name, namespace, exportTo, origin, addresses: [], ranges: [] });
  }

  * #giveAddresses(): Steps<void> {
    const wanting = this.#unaddressed.filter(({ hostname }) => this.#services.get(hostname)?.addresses.length === 0);
    if (wanting.length === 0) return;
    const taken = this.#services.values().flatMap(({ addresses }) => addresses);
    for (const [hostname, addresses] of yield* autoAddresses(wanting, taken)) {
      this.#services.set(hostname, { ...this.#services.get(hostname)!, autoAddresses: addresses });
    }
  }

  #add(service: MeshService, object: MeshObject, findings: Finding[]): void {
    const other = this.#services.get(service.hostname);
    if (other === undefined) {
      this.#services.set(service.hostname, service);
      return;
    }
    const differs = other.namespace === service.namespace && other.resolution !== service.resolution
      ? ' with another resolution' : '';
    const reason = `host ${service.hostname} is already that of ${placeOf(other.origin)}${differs}, which holds`;
    findings.push({ where: placeOf(object.origin), object: titleOf(object), path: '', reason, level: 'error' });
  }
}

/** Parts of a service that do less than they say. */
function serviceFindings(service: MeshObject<'Service'>): Finding[] {
  const { sessionAffinity, trafficDistribution, ports = [] } = service.body.spec;
  const findings: Finding[] = [];
  const add = (field: string, reason: string): void => {
    findings.push(findingAt(service, ['spec', field], reason));
  };
  if (sessionAffinity === 'ClientIP') {
    add('sessionAffinity', 'has no effect: the mesh balances each request; write consistentHash of a DestinationRule');
  }
  if (trafficDistribution !== undefined) {
    add('trafficDistribution', 'has no effect: write localityLbSetting of a DestinationRule');
  }
  if (isExternalName(service) && ports.length === 0) {
    add('externalName', 'has no effect unless it names a service of the mesh: there are no ports to ask it by');
  }
  return findings;
}

/** Parts of an entry that do less than they say. */
function entryFindings(entry: MeshObject<'ServiceEntry'>): Finding[] {
  const { addresses = [], hosts, ports, resolution = 'NONE', endpoints = [], workloadSelector } = entry.body.spec;
  const carriesBytes = ports.map(entryPort).some(({ protocol }) => isBytes(protocol));
  const range = carriesBytes ? 'has no effect where connections are not redirected: a range cannot be asked for by host'
    : 'has no effect: a range is for TCP ports; HTTP and TLS are told apart by host';
  const isNowhere = (host: string): boolean => isWildcard(host) && resolution === 'NONE' && endpoints.length === 0
    && workloadSelector === undefined;
  const wildcard = 'leads nowhere where connections are not redirected: a wildcard cannot be looked up by DNS';
  return [
    ...addresses.flatMap((text, at) => (isRange(text) ? [findingAt(entry, ['spec', 'addresses', at], range)] : [])),
    ...hosts.flatMap((host, at) => (isNowhere(host) ? [findingAt(entry, ['spec', 'hosts', at], wildcard)] : [])),
  ];
}

/** Entries of groups that nobody has described. */
function groupFindings(inventory: Inventory): Finding[] {
  return inventory.list('WorkloadEntry').flatMap((entry) => {
    const group = entry.annotations.get(GROUP_ANNOTATION);
    if (group === undefined || inventory.get('WorkloadGroup', entry.namespace, group) !== undefined) return [];
    return [findingAt(entry, ['metadata', 'annotations'], `no WorkloadGroup '${entry.namespace}/${group}'`)];
  });
}

/** Where it is not looked for HTTP rules have no effect on ports whose protocol nobody says: easily missed. */
function undeclaredPorts(service: MeshObject<'Service'>, inventory: Inventory): Finding[] {
  return (service.body.spec.ports ?? []).flatMap((port, at) => {
    if (portProtocol(port.name ?? '', port.appProtocol, port.protocol).declared) return [];
    if (routedProtocol(inventory, service.namespace, service.name, port.port) !== undefined) return [];
    return [undeclared(service, ['spec', 'ports', at], port.name ?? '')];
  });
}

function undeclaredEntryPorts(entry: MeshObject<'ServiceEntry'>): Finding[] {
  return entry.body.spec.ports.flatMap((port, at) => {
    const known = wordProtocol(port.protocol ?? '') !== undefined;
    if (known || portProtocol(port.name, undefined).declared) return [];
    return [undeclared(entry, ['spec', 'ports', at], port.name)];
  });
}

function undeclared(object: MeshObject, path: readonly (string | number)[], name: string): Finding {
  const hint = nearestName(name.split('-', 1)[0] ?? '', PROTOCOL_WORDS);
  return findingAt(object, path,
    `port '${name}' says no protocol: it is found out where connections are redirected, and carried as TCP elsewhere; `
    + `name it http-… or set appProtocol${hint}`);
}
