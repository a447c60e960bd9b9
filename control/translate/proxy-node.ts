// Who asks for configuration: Istio's node id and metadata, read into a checked value.
import { isIP } from 'node:net';
import type { HostPort } from '../../proxy/base/host-port.ts';
import type { AutoFamilies } from '../registry/service.ts';

/** The xDS node as it arrives, in its JSON shape. */
export interface XdsNode {
  readonly id?: string;
  readonly cluster?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly userAgentName?: string;
  readonly locality?: { readonly region?: string; readonly zone?: string; readonly subZone?: string };
}

export type ProxyKind = 'sidecar' | 'router';

export interface ProxyNode {
  readonly id: string;
  readonly kind: ProxyKind;
  readonly podName: string;
  readonly namespace: string;
  readonly labels: ReadonlyMap<string, string>;
  /** `region/zone/subzone`, '' when unknown. */
  readonly locality: string;
  readonly serviceAccount: string;
  readonly workloadName: string;
  /** Addresses at which its instances are registered. */
  readonly addresses: readonly string[];
  /** Explicit HTTP proxy listener for the application; undefined: none. */
  readonly outboundListen: HostPort | undefined;
  /** Where the application serves a workload port; a port that is missing is served on 127.0.0.1. */
  readonly appPorts: ReadonlyMap<number, HostPort>;
  /** Address that a gateway binds, and its real port for a Gateway's port. */
  readonly gatewayListen: string;
  readonly gatewayPorts: ReadonlyMap<number, number>;
  /** Collector of this proxy, in place of the mesh's. */
  readonly zipkin: HostPort | undefined;
  /** Weft knows filters that an Envoy does not (istio.stats). */
  readonly isWeft: boolean;
  readonly isGateway: boolean;
  /** Proxies before a gateway that it believes about its clients (gatewayTopology.numTrustedProxies). */
  readonly trustedProxies: number;
  /** GENERATOR grpc: an application whose gRPC library speaks xDS itself. */
  readonly proxyless: boolean;
  /** Those that call a gateway tell it of their clients in the PROXY protocol (gatewayTopology.proxyProtocol). */
  readonly proxyProtocol: boolean;
  /** INTERCEPTION_MODE REDIRECT or TPROXY: `weft init` leads its workload's connections to it. */
  readonly redirected: boolean;
  /** TPROXY: its application sees the addresses of its callers. */
  readonly transparent: boolean;
  /** DNS_CAPTURE: it answers what its application asks DNS. */
  readonly dnsCapture: boolean;
  /** WEFT_LAZY: it is told of hosts when its application first calls them. */
  readonly lazy: boolean;
  /** DNS_AUTO_ALLOCATE: and services without addresses have some for it, of the families that it has itself. */
  readonly autoAddresses: AutoFamilies | undefined;
}

/** No request goes through more. */
const TRUSTED_PROXIES_MAX = 100;

/** Reads a node; a text says why it cannot be served. */
export function parseProxyNode(node: XdsNode): ProxyNode | string {
  const parts = (node.id ?? '').split('~');
  const [kind = '', ip = '', instance = '', domain = ''] = parts;
  if (parts.length !== 4) return `node id '${(node.id ?? '').slice(0, 80)}' is not kind~ip~pod.namespace~domain`;
  if (kind !== 'sidecar' && kind !== 'router') return `node kind '${kind.slice(0, 40)}' is neither sidecar nor router`;
  const metadata = node.metadata ?? {};
  const mode = text(metadata['INTERCEPTION_MODE']) ?? 'NONE';
  if (mode !== 'NONE' && mode !== 'REDIRECT' && mode !== 'TPROXY') {
    return `INTERCEPTION_MODE ${mode.slice(0, 40)} is not known; use REDIRECT, TPROXY or NONE`;
  }
  const generator = text(metadata['GENERATOR']);
  if (generator !== undefined && generator !== 'grpc') {
    return `metadata GENERATOR ${generator.slice(0, 40)} is not supported; use grpc, or none for a proxy`;
  }
  const podName = instance.slice(0, Math.max(0, instance.lastIndexOf('.'))) || instance;
  const namespace = text(metadata['NAMESPACE']) ?? domain.split('.')[0] ?? '';
  if (namespace === '') return 'metadata NAMESPACE is missing';
  const trustedProxies = readTrustedProxies(metadata['PROXY_CONFIG']);
  if (typeof trustedProxies === 'string') return trustedProxies;
  const listens = readListens(metadata);
  if (typeof listens === 'string') return listens;
  const addresses = addressesOf(text(metadata['INSTANCE_IPS']), ip);
  const dnsCapture = isOn(metadata['DNS_CAPTURE']);
  return {
    id: node.id ?? '',
    kind,
    podName,
    namespace,
    labels: textMap(metadata['LABELS']),
    locality: localityText(node.locality),
    serviceAccount: text(metadata['SERVICE_ACCOUNT']) ?? 'default',
    workloadName: text(metadata['WORKLOAD_NAME']) ?? podName,
    addresses,
    isWeft: node.userAgentName === 'weft',
    isGateway: kind === 'router',
    trustedProxies,
    proxyless: generator === 'grpc',
    proxyProtocol: kind === 'router' && isObject(topologyOf(metadata['PROXY_CONFIG'])?.['proxyProtocol']),
    redirected: kind === 'sidecar' && mode !== 'NONE',
    transparent: kind === 'sidecar' && mode === 'TPROXY',
    dnsCapture,
    lazy: kind === 'sidecar' && isOn(metadata['WEFT_LAZY']),
    autoAddresses: dnsCapture && isOn(metadata['DNS_AUTO_ALLOCATE']) ? familiesOf(addresses) : undefined,
    ...listens,
  };
}

/** As Istio's agent writes booleans: as text. */
function isOn(value: unknown): boolean {
  return value === true || value === 'true';
}

function familiesOf(addresses: readonly string[]): AutoFamilies {
  const [v4, v6] = [4, 6].map((family) => addresses.some((address) => isIP(address) === family));
  return v4 === v6 ? 'dual' : v4 === true ? 'ipv4' : 'ipv6';
}

/** As Istio's agent tells it of its ProxyConfig. */
function readTrustedProxies(config: unknown): number | string {
  const count = topologyOf(config)?.['numTrustedProxies'] ?? 0;
  const isCount = typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= TRUSTED_PROXIES_MAX;
  return isCount ? count : `PROXY_CONFIG gatewayTopology.numTrustedProxies must be 0 to ${TRUSTED_PROXIES_MAX}`;
}

function topologyOf(config: unknown): Readonly<Record<string, unknown>> | undefined {
  const topology = isObject(config) ? config['gatewayTopology'] : undefined;
  return isObject(topology) ? topology : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function localityText({ region = '', zone = '', subZone = '' }: NonNullable<XdsNode['locality']> = {}): string {
  return [region, zone, subZone].join('/').replace(/\/+$/, '');
}

type Listens = Pick<ProxyNode, 'outboundListen' | 'appPorts' | 'gatewayListen' | 'gatewayPorts' | 'zipkin'>;

function readListens(metadata: Readonly<Record<string, unknown>>): Listens | string {
  const single = new Map<string, HostPort | undefined>();
  for (const key of ['WEFT_OUTBOUND_LISTEN', 'WEFT_ZIPKIN_ADDRESS']) {
    const value = text(metadata[key]);
    single.set(key, value === undefined ? undefined : parseHostPort(value));
    if (value !== undefined && single.get(key) === undefined) return `metadata ${key} must be HOST:PORT`;
  }
  const appPorts = new Map<number, HostPort>();
  for (const [port, value] of textMap(metadata['WEFT_APP_PORTS'])) {
    const target = parseHostPort(value);
    if (!isPort(Number(port)) || target === undefined) return 'metadata WEFT_APP_PORTS must map ports to HOST:PORT';
    appPorts.set(Number(port), target);
  }
  const gatewayPorts = new Map<number, number>();
  for (const [port, value] of textMap(metadata['WEFT_GATEWAY_PORTS'])) {
    if (!isPort(Number(port)) || !isPort(Number(value))) return 'metadata WEFT_GATEWAY_PORTS must map ports to ports';
    gatewayPorts.set(Number(port), Number(value));
  }
  const gatewayListen = text(metadata['WEFT_GATEWAY_LISTEN']) ?? '0.0.0.0';
  if (isIP(gatewayListen) === 0) return 'metadata WEFT_GATEWAY_LISTEN must be an IP address';
  const zipkin = single.get('WEFT_ZIPKIN_ADDRESS');
  return { outboundListen: single.get('WEFT_OUTBOUND_LISTEN'), appPorts, gatewayListen, gatewayPorts, zipkin };
}

/** `127.0.0.1:15007`, `[::1]:15007`, `name:15007`. */
export function parseHostPort(value: string): HostPort | undefined {
  const at = value.lastIndexOf(':');
  const host = value.slice(0, Math.max(0, at)).replace(/^\[(.*)\]$/, '$1');
  const port = Number(value.slice(at + 1));
  return host === '' || !isPort(port) ? undefined : { host, port };
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65_536;
}

function addressesOf(instanceIps: string | undefined, ip: string): readonly string[] {
  const isAddress = (text: string): boolean => isIP(text) !== 0;
  const listed = (instanceIps ?? '').split(',').map((address) => address.trim()).filter(isAddress);
  return listed.length > 0 ? listed : [ip].filter(isAddress);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Metadata maps hold text; numbers (ports) are taken as such. */
function textMap(value: unknown): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return map;
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry === 'string' || typeof entry === 'number') map.set(key, String(entry));
  }
  return map;
}
