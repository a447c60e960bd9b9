// What a proxy in a pod runs by: from its environment, as an injector (ours or Istio's names) has written it.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { ConfigError } from '../../proxy/base/error.ts';
import type { HostPort } from '../../proxy/base/host-port.ts';
import { decode } from '../../proxy/config/decode.ts';
import { parseHostPort } from '../translate/proxy-node.ts';
import { meshBootstrap, singleCluster, socketAddress, type ControlName } from './mesh-bootstrap.ts';
import { isRecord } from './pod.ts';
import { ProxyConfig } from './proxy-config.ts';
import { POD_PATHS } from './sidecar-volumes.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface PodProxy {
  readonly bootstrap: object;
  /** Folder where the bootstrap belongs. */
  readonly configPath: string;
  /** undefined: one worker for each CPU. */
  readonly concurrency: number | undefined;
  readonly statusPort: number;
  readonly adminPort: number;
  readonly podIp: string;
  /** Of the handshake with the application; its folder is the proxy's to make. */
  readonly lifeSocket: string | undefined;
  /** ISTIO_KUBE_APP_PROBERS and ISTIO_PROMETHEUS_ANNOTATIONS, as they are; what they name is judged by who asks it. */
  readonly probes: unknown;
  readonly metrics: unknown;
}

const HEALTH_PORT = 15_021;
const METRICS_PORT = 15_090;
/** A sidecar with no CPU limit takes no more. */
const CONCURRENCY_USUAL = 2;

/** Throws a ConfigError that names the variable. */
export function podProxyOf(
  env: Environment, type: 'sidecar' | 'router', domain: string | undefined, paths: typeof POD_PATHS = POD_PATHS,
): PodProxy {
  const config = proxyConfigOf(env['PROXY_CONFIG']);
  const [namespace, podIp] = [required(env, 'POD_NAMESPACE'), required(env, 'INSTANCE_IP')];
  if (isIP(podIp) === 0) throw new ConfigError('INSTANCE_IP', `must be an IP address, is "${podIp}"`);
  const adminPort = config.proxyAdminPort ?? 15_000;
  const statusPort = config.statusPort ?? 15_020;
  const discovery = config.discoveryAddress ?? env['CA_ADDR'];
  const xds = discovery === undefined ? undefined : parseHostPort(discovery);
  if (xds === undefined) {
    throw new ConfigError('PROXY_CONFIG.discoveryAddress', 'is missing: where is the control plane? HOST:PORT');
  }
  const trustDomain = env['TRUST_DOMAIN'] ?? 'cluster.local';
  const metadata = metadataOf(env, config, namespace, paths);
  const name = required(env, 'POD_NAME');
  const bootstrap = meshBootstrap({
    type, ip: podIp, name, namespace, domain: domain ?? `${namespace}.svc.cluster.local`,
    cluster: `${(metadata['LABELS'] as { app?: string }).app ?? metadata['WORKLOAD_NAME'] as string}.${namespace}`,
    metadata: { ...metadata, WEFT_CA: authorityOf(env['CA_ADDR'] ?? discovery ?? '', trustDomain, paths) },
  }, {
    xds, controlNames: controlNamesOf(xds, trustDomain), admin: { host: '127.0.0.1', port: adminPort },
    ...ownListeners(podIp, { adminPort, statusPort }),
  });
  return {
    bootstrap, configPath: config.configPath ?? paths.config, concurrency: concurrencyOf(config, env),
    statusPort, adminPort, podIp, lifeSocket: lifeSocketOf(metadata),
    probes: jsonOf(env, 'ISTIO_KUBE_APP_PROBERS'), metrics: jsonOf(env, 'ISTIO_PROMETHEUS_ANNOTATIONS'),
  };
}

/** What is no text is refused by who listens there. */
function lifeSocketOf({ WEFT_LIFECYCLE: life }: Readonly<Record<string, unknown>>): string | undefined {
  const socket = isRecord(life) ? life['socket'] : undefined;
  return typeof socket === 'string' ? socket : undefined;
}

function required(env: Environment, name: string): string {
  const value = env[name];
  if (value !== undefined && value !== '') return value;
  throw new ConfigError(name, 'is missing in the environment; an injected container has it');
}

function proxyConfigOf(text: string | undefined): ProxyConfig {
  if (text === undefined || text === '') return {};
  const { value, errors } = decode(ProxyConfig, parsed(text, 'PROXY_CONFIG'), 'PROXY_CONFIG');
  if (value !== undefined) return value;
  throw new ConfigError('', errors.map(({ message }) => message).join('\n'));
}

function jsonOf(env: Environment, name: string): unknown {
  const text = env[name];
  return text === undefined || text === '' ? undefined : parsed(text, name);
}

function parsed(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ConfigError(name, 'is not JSON');
  }
}

/** Both the authority's and a SPIFFE name: a real istiod shows the first, our control plane both. */
function controlNamesOf({ host }: HostPort, trustDomain: string): ControlName[] {
  const type = isIP(host) === 0 ? 'DNS' : 'IP_ADDRESS';
  return [{ type: 'URI', name: `spiffe://${trustDomain}/ns/weft-system/sa/weft-control` }, { type, name: host }];
}

function authorityOf(address: string, trustDomain: string, paths: typeof POD_PATHS): object {
  return { address, token_file: paths.token, root_file: paths.roots, trust_domain: trustDomain };
}

function concurrencyOf({ concurrency }: ProxyConfig, env: Environment): number | undefined {
  if (concurrency !== undefined) return concurrency === 0 ? undefined : concurrency;
  const cpus = Number(env['ISTIO_CPU_LIMIT'] ?? CONCURRENCY_USUAL);
  return Number.isInteger(cpus) && cpus > 0 ? cpus : CONCURRENCY_USUAL;
}

/** Labels where no kubelet writes them into a file. */
const LABELS_VARIABLE = 'ISTIO_METAJSON_LABELS';

function metadataOf(
  env: Environment, config: ProxyConfig, namespace: string, paths: typeof POD_PATHS,
): Record<string, unknown> {
  const metadata: Record<string, unknown> = {};
  for (const [name, value = ''] of Object.entries(env)) {
    if (name.startsWith('ISTIO_META_')) metadata[name.slice('ISTIO_META_'.length)] = value;
    if (!name.startsWith('ISTIO_METAJSON_')) continue;
    const object = parsed(value, name);
    if (isRecord(object)) Object.assign(metadata, name === LABELS_VARIABLE ? { LABELS: object } : object);
  }
  const zipkin = config.tracing?.zipkin?.address;
  return {
    ...metadata,
    NAME: env['POD_NAME'], NAMESPACE: namespace, INSTANCE_IPS: env['INSTANCE_IPS'] || env['INSTANCE_IP'],
    SERVICE_ACCOUNT: env['SERVICE_ACCOUNT'] || 'default', WORKLOAD_NAME: metadata['WORKLOAD_NAME'] ?? env['POD_NAME'],
    LABELS: { ...metadata['LABELS'] as object | undefined, ...labelsOf(paths.labels) }, PROXY_CONFIG: config,
    ...(zipkin !== undefined && { WEFT_ZIPKIN_ADDRESS: zipkin }),
  };
}

/** As the kubelet writes them: `name="value"`, a line each, the value as Go quotes it. */
function labelsOf(file: string): Record<string, string> {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return {};
  }
  const lines = text.split('\n').map((line) => /^([^=\s]{1,317})=(".*")$/.exec(line.trim()));
  return Object.fromEntries(lines.flatMap((match) => {
    const [, name, quoted] = match ?? [];
    return name === undefined || quoted === undefined ? [] : [[name, unquoted(quoted)]];
  }));
}

/** Labels are plain ASCII, where Go's form is JSON's. */
function unquoted(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text.slice(1, -1);
  }
}

interface Ports {
  readonly adminPort: number;
  readonly statusPort: number;
}

/** Health and metrics, for whoever asks the pod: each one path of what serves on loopback alone. */
function ownListeners(podIp: string, { adminPort, statusPort }: Ports): { listeners: unknown[]; clusters: unknown[] } {
  const host = isIP(podIp) === 6 ? '::' : '0.0.0.0';
  return {
    listeners: [
      pathListener('health', { host, port: HEALTH_PORT }, '/healthz/ready', 'agent'),
      pathListener('metrics', { host, port: METRICS_PORT }, '/stats/prometheus', 'prometheus_stats'),
    ],
    clusters: [
      singleCluster('agent', { host: '127.0.0.1', port: statusPort }),
      singleCluster('prometheus_stats', { host: '127.0.0.1', port: adminPort }),
    ],
  };
}

function pathListener(name: string, address: HostPort, path: string, cluster: string): unknown {
  const filters = 'type.googleapis.com/envoy.extensions.filters';
  const routes = [{ match: { path }, route: { cluster } }];
  return {
    name, address: socketAddress(address),
    filter_chains: [{ filters: [{
      name: 'envoy.filters.network.http_connection_manager',
      typed_config: {
        '@type': `${filters}.network.http_connection_manager.v3.HttpConnectionManager`,
        stat_prefix: name,
        route_config: { name, virtual_hosts: [{ name, domains: ['*'], routes }] },
        http_filters: [{
          name: 'envoy.filters.http.router', typed_config: { '@type': `${filters}.http.router.v3.Router` },
        }],
      },
    }] }],
  };
}
