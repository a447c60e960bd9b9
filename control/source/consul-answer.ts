// What Consul's HTTP API answers, read with care: names from /v1/catalog/services, instances from /v1/health/service.
import { isIP } from 'node:net';

/** One instance of a service, with what its checks say of it. */
export interface ConsulInstance {
  readonly id: string;
  readonly node: string;
  /** The service's own address, else its node's; may be a name. */
  readonly address: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly meta: ReadonlyMap<string, string>;
  /** '' for an application; `connect-proxy`, `mesh-gateway` and the like for parts of Consul's own mesh. */
  readonly kind: string;
  /** By its checks: 0 when one is critical or it is in maintenance. */
  readonly weight: number;
  readonly datacenter: string;
  readonly region: string;
  readonly zone: string;
  /** Tagged addresses that stand for the whole service (`virtual`, `consul-virtual`). */
  readonly virtualAddresses: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

/** Names of all services. Throws an Error that says what is wrong with the answer. */
export function readServiceNames(answer: unknown): string[] {
  if (!isObject(answer)) throw new Error('its list of services is no JSON object');
  return Object.keys(answer);
}

/** Instances of one service; those without a usable port are left out. Throws as above. */
export function readInstances(answer: unknown): ConsulInstance[] {
  if (!Array.isArray(answer)) throw new Error('its list of instances is no JSON array');
  return answer.flatMap((entry: unknown) => {
    const found = isObject(entry) ? readInstance(entry) : undefined;
    return found === undefined ? [] : [found];
  });
}

function readInstance(entry: Json): ConsulInstance | undefined {
  const node = objectOf(entry['Node']);
  const service = objectOf(entry['Service']);
  const port = service['Port'];
  const address = textOf(service['Address']) || textOf(node['Address']);
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535 || address === '') {
    return undefined;
  }
  const locality = objectOf(service['Locality'] ?? node['Locality']);
  return {
    id: textOf(service['ID']), node: textOf(node['Node']), address, port,
    tags: textsOf(service['Tags']), meta: metaOf(service['Meta']), kind: textOf(service['Kind']),
    weight: weightOf(objectOf(service['Weights']), entry['Checks']),
    datacenter: textOf(node['Datacenter']), region: textOf(locality['Region']), zone: textOf(locality['Zone']),
    virtualAddresses: virtualAddresses(objectOf(service['TaggedAddresses'])),
  };
}

/** The worst check counts, as in Consul's DNS; maintenance is a check that is critical. */
function weightOf(weights: Json, checks: unknown): number {
  const states = (Array.isArray(checks) ? checks : []).map((check: unknown) => textOf(objectOf(check)['Status']));
  if (states.some((state) => state !== 'passing' && state !== 'warning')) return 0;
  const weight = weights[states.includes('warning') ? 'Warning' : 'Passing'];
  return typeof weight === 'number' && Number.isInteger(weight) && weight >= 0 ? Math.min(weight, 1_000_000) : 1;
}

function virtualAddresses(tagged: Json): string[] {
  const found = ['virtual', 'consul-virtual'].map((name) => textOf(objectOf(tagged[name])['Address']));
  return [...new Set(found.filter((address) => isIP(address) !== 0))];
}

function metaOf(value: unknown): ReadonlyMap<string, string> {
  return new Map(Object.entries(objectOf(value)).flatMap(([key, text]) => (
    typeof text === 'string' ? [[key, text] as const] : [])));
}

function textsOf(value: unknown): string[] {
  return (Array.isArray(value) ? value : []).filter((text: unknown) => typeof text === 'string');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function objectOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
