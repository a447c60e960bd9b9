// Whether a proxy answers its application's DNS questions: Istio's node metadata DNS_CAPTURE; where, WEFT_DNS.
import { isIP } from 'node:net';
import { ConfigError } from '../base/error.ts';
import type { HostPort } from '../base/host-port.ts';
import { nearestName } from '../config/nearest-name.ts';
import type { Whereabouts } from './name-lookup.ts';

export interface DnsConfig {
  readonly listen: readonly HostPort[];
  readonly resolvConf: string;
  /** Port of the resolvers named there. */
  readonly resolverPort: number;
  readonly where: Whereabouts;
}

const PATH = 'node.metadata.WEFT_DNS';
const FIELDS = ['listen', 'resolv_conf', 'resolver_port'];
/** Istio's port, to which the rules of `weft init --redirect-dns` lead. */
const LISTEN: readonly HostPort[] = [{ host: '127.0.0.1', port: 15_053 }, { host: '::1', port: 15_053 }];

/** Undefined where it is not asked for. Throws a ConfigError with the field. `id` is the node's. */
export function dnsConfigOf(metadata: Readonly<Record<string, unknown>>, id: string): DnsConfig | undefined {
  if (!isOn(metadata['DNS_CAPTURE'])) return undefined;
  const value = metadata['WEFT_DNS'] ?? {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(PATH, `expected an object with ${FIELDS.join(', ')}`);
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  for (const name of fields.keys()) {
    if (!FIELDS.includes(name)) throw new ConfigError(`${PATH}.${name}`, `unknown field${nearestName(name, FIELDS)}`);
  }
  const resolvConf = fields.get('resolv_conf') ?? '/etc/resolv.conf';
  if (typeof resolvConf !== 'string') throw new ConfigError(`${PATH}.resolv_conf`, 'expected the name of a file');
  const resolverPort = fields.get('resolver_port') ?? 53;
  if (!isPort(resolverPort)) throw new ConfigError(`${PATH}.resolver_port`, 'expected a port');
  const listen = fields.has('listen') ? listenOf(fields.get('listen')) : LISTEN;
  return { listen, resolvConf, resolverPort, where: whereabouts(metadata, id) };
}

/** As Istio's agent writes booleans: as text. */
function isOn(value: unknown): boolean {
  return value === true || value === 'true';
}

/** `sidecar~10.0.0.1~reviews-v1.default~default.svc.cluster.local` lives in default of cluster.local. */
function whereabouts(metadata: Readonly<Record<string, unknown>>, id: string): Whereabouts {
  const own = id.split('~')[3] ?? '';
  const [namespace = '', svc, ...domain] = own.split('.');
  const named = metadata['NAMESPACE'];
  return {
    namespace: typeof named === 'string' && named !== '' ? named : namespace,
    domain: svc === 'svc' && domain.length > 0 ? domain.join('.').toLowerCase() : 'cluster.local',
  };
}

function listenOf(value: unknown): HostPort[] {
  const places = Array.isArray(value) ? value.map(placeOf) : [];
  if (places.length === 0 || places.includes(undefined)) {
    throw new ConfigError(`${PATH}.listen`, 'expected a list of loopback addresses such as 127.0.0.1:15053');
  }
  return places as HostPort[];
}

function placeOf(text: unknown): HostPort | undefined {
  const [, v6, v4, port] = typeof text === 'string' ? /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [] : [];
  const host = v6 ?? v4 ?? '';
  const isLoopback = host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
  return isLoopback && isPort(Number(port), 0) ? { host, port: Number(port) } : undefined;
}

function isPort(value: unknown, min = 1): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value < 65_536;
}
