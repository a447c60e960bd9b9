// All services of the mesh by host name, made anew from the objects whenever they change.
import { nearestName } from '../../proxy/config/nearest-name.ts';
import type { Inventory } from '../model/inventory.ts';
import { findingAt, placeOf, titleOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { entryServices } from './external-service.ts';
import { closestHost, isWildcard, resolveHost } from './hostname.ts';
import { kubernetesService } from './kubernetes-service.ts';
import { WorkloadIndex } from './pod-workload.ts';
import { PROTOCOL_WORDS, portProtocol, wordProtocol } from './port-protocol.ts';
import { isVisible, type MeshService } from './service.ts';

export class Registry {
  readonly #services = new Map<string, MeshService>();
  readonly #wildcards: string[];
  /** What is odd about the services, for the log and status. */
  readonly findings: readonly Finding[];
  readonly domain: string;

  constructor(inventory: Inventory, domain: string) {
    this.domain = domain;
    const findings: Finding[] = [];
    const workloads = new WorkloadIndex(inventory);
    for (const service of inventory.list('Service')) {
      this.#add(kubernetesService({ service, workloads, inventory }, domain), service, findings);
      findings.push(...undeclaredPorts(service));
    }
    for (const entry of inventory.list('ServiceEntry')) {
      for (const service of entryServices(entry, workloads)) this.#add(service, entry, findings);
      findings.push(...undeclaredEntryPorts(entry));
    }
    this.#wildcards = [...this.#services.keys()].filter(isWildcard);
    this.findings = findings;
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

  visibleFrom(namespace: string): MeshService[] {
    return [...this.#services.values()].filter((service) => isVisible(service.exportTo, namespace));
  }

  /** `; did you mean …`, over the names as somebody in `namespace` would write them. */
  nearest(host: string, namespace: string): string {
    const short = [...this.#services.values()].map((service) =>
      (service.namespace === namespace && !host.includes('.') ? service.name : service.hostname));
    return nearestName(host, short);
  }

  #add(service: MeshService, object: MeshObject, findings: Finding[]): void {
    const other = this.#services.get(service.hostname);
    if (other === undefined) {
      this.#services.set(service.hostname, service);
      return;
    }
    const reason = `host ${service.hostname} is already that of ${placeOf(other.origin)}, which holds`;
    findings.push({ where: placeOf(object.origin), object: titleOf(object), path: '', reason, level: 'error' });
  }
}

/** Ports whose protocol nobody says are carried as TCP: HTTP rules have no effect on them, which is easily missed. */
function undeclaredPorts(service: MeshObject<'Service'>): Finding[] {
  return (service.body.spec.ports ?? []).flatMap((port, at) => {
    if (portProtocol(port.name ?? '', port.appProtocol, port.protocol).declared) return [];
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
    `port '${name}' says no protocol and is carried as TCP; name it http-… or set appProtocol${hint}`);
}
