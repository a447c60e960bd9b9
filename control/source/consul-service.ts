// A service of Consul's catalog as a ServiceEntry: `reviews` becomes reviews.service.consul, its instances endpoints.
import { isIP } from 'node:net';
import type { ConsulInstance } from './consul-answer.ts';

/** Keys of an instance's Meta that the mesh reads; all others, and tags like `version=v2`, are labels. */
const META = {
  /** http, http2, grpc, tcp, tls …: of the service's port. */
  protocol: 'protocol',
  /** Port by which clients ask for the service, where instances listen on ports of their own. */
  servicePort: 'service-port',
  /** Identity of the instance's sidecar; with it, mutual TLS is spoken. */
  serviceAccount: 'service-account',
} as const;

export interface ConsulNaming {
  /** Namespace of the mesh that all services are in. */
  readonly namespace: string;
  /** Consul's DNS domain. Default of Consul: `consul`. */
  readonly domain: string;
}

/** A document as it would stand in a file; undefined where no instance says a port. */
export function consulServiceEntry(
  name: string, instances: readonly ConsulInstance[], { namespace, domain }: ConsulNaming,
): object | undefined {
  const sorted = instances.filter(({ kind }) => kind === '').sort(byPlace);
  const [first] = sorted;
  if (first === undefined) return undefined;
  const number = servicePort(sorted);
  const protocol = sorted.map(({ meta }) => meta.get(META.protocol)).find((found) => found !== undefined);
  const portName = protocol ?? 'port';
  const addresses = [...new Set(sorted.flatMap(({ virtualAddresses }) => virtualAddresses))];
  const isNamed = sorted.some(({ address }) => isIP(address) === 0);
  const hosts = [`${name}.service.${domain}`];
  if (first.datacenter !== '') hosts.push(`${name}.service.${first.datacenter}.${domain}`);
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name, namespace, labels: { 'consul.weft.dev/service': name } },
    spec: {
      hosts, addresses,
      location: 'MESH_INTERNAL',
      resolution: isNamed ? 'DNS' : 'STATIC',
      ports: [{ number, name: portName, ...(protocol !== undefined && { protocol: protocol.toUpperCase() }) }],
      endpoints: distinct(sorted.filter(({ weight }) => weight > 0)).map((one) => endpoint(one, portName)),
    },
  };
}

/** As one of them says it; else the lowest of theirs, which is that of all in most catalogs. */
function servicePort(instances: readonly ConsulInstance[]): number {
  for (const { meta } of instances) {
    const text = meta.get(META.servicePort) ?? '';
    if (/^[1-9][0-9]{0,4}$/.test(text) && Number(text) < 65_536) return Number(text);
  }
  return Math.min(...instances.map(({ port }) => port));
}

function endpoint(instance: ConsulInstance, portName: string): object {
  const { address, port, weight, meta, tags, node, datacenter } = instance;
  const serviceAccount = meta.get(META.serviceAccount);
  const region = instance.region === '' ? datacenter : instance.region;
  return {
    address, weight,
    ports: { [portName]: port },
    labels: { ...labelsOf(tags, meta), 'consul.weft.dev/node': node },
    ...(region !== '' && { locality: instance.zone === '' ? region : `${region}/${instance.zone}` }),
    ...(serviceAccount !== undefined && { serviceAccount }),
  };
}

/** Meta says more than a tag of the same name. */
function labelsOf(tags: readonly string[], meta: ReadonlyMap<string, string>): Record<string, string> {
  const own = new Set<string>(Object.values(META));
  const pairs = tags.flatMap((tag) => {
    const at = tag.search(/[=|]/);
    return at > 0 ? [[tag.slice(0, at), tag.slice(at + 1)] as const] : [];
  });
  return Object.fromEntries([...pairs, ...meta].filter(([key]) => !own.has(key)));
}

/** An instance that is registered twice is one endpoint. */
function distinct(instances: readonly ConsulInstance[]): ConsulInstance[] {
  const seen = new Map<string, ConsulInstance>();
  for (const instance of instances) {
    const place = `${instance.address} ${instance.port}`;
    if (!seen.has(place)) seen.set(place, instance);
  }
  return [...seen.values()];
}

/** Order of an answer says nothing: the same instances are the same document. */
function byPlace(a: ConsulInstance, b: ConsulInstance): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  if (a.port !== b.port) return a.port - b.port;
  return a.id < b.id ? -1 : 1;
}
