// One proxy as its admin interface shows it, weft's or Envoy's: listeners, statistics, certificates, requests.
import { messageOf } from '../../proxy/base/error.ts';

export type Transport = 'tls' | 'plaintext' | 'both' | 'passthrough';

export interface ListenerFacts {
  readonly name: string;
  readonly direction: string;
  /** `127.0.0.1_9080`, as statistics spell it. */
  readonly statName: string;
  readonly transport: Transport;
  /** Every chain that ends TLS wants a client's certificate. */
  readonly asksCertificate: boolean;
  /** Authorization by policy, on requests or connections; and NetworkPolicies before it. */
  readonly authorizes: boolean;
  readonly networkPolicy: boolean;
  /** Sessions may be resumed, and so go on without a handshake. */
  readonly resumes: boolean;
  readonly minVersions: readonly string[];
}

export interface CertificateFacts {
  readonly serial: string;
  readonly names: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Requests of one client by how they came, from istio_requests_total of the server's side. */
export interface RequestFacts {
  readonly policy: string;
  readonly source: string;
  readonly destination: string;
  readonly count: number;
}

export interface ProxyFacts {
  readonly id: string;
  readonly url: string;
  readonly isGateway: boolean;
  readonly listeners: readonly ListenerFacts[];
  readonly stats: ReadonlyMap<string, number>;
  readonly leaves: readonly CertificateFacts[];
  readonly roots: readonly CertificateFacts[];
  readonly requests: readonly RequestFacts[];
  readonly auditFolder: string | undefined;
  /** How it reaches its management server: `HOST:PORT` in plaintext; undefined over TLS, or without one. */
  readonly plaintextControl: string | undefined;
}

/** A proxy that the control plane knows and nobody could ask. */
export interface SilentProxy {
  readonly id: string;
  readonly url: string;
  readonly reason: string;
}

type Tree = Readonly<Record<string, unknown>>;

const TIMEOUT_MS = 10_000;

export async function proxyFacts(id: string, url: string): Promise<ProxyFacts | SilentProxy> {
  try {
    const [dump, stats, certs, metrics] = await Promise.all([
      read(`${url}/config_dump`), read(`${url}/stats`), read(`${url}/certs`), read(`${url}/stats/prometheus`),
    ]);
    const configs = list(JSON.parse(dump), 'configs');
    const bootstrap = tree(configs.find((one) => 'bootstrap' in one)?.['bootstrap']);
    const node = tree(bootstrap['node']);
    const found = list(JSON.parse(certs), 'certificates');
    return {
      id: textOf(node['id']) || id, url,
      isGateway: (textOf(node['id']) || id).startsWith('router~'),
      listeners: configs.flatMap(listenersIn).map(listenerFacts),
      stats: statsOf(stats),
      leaves: found.flatMap((one) => list(one, 'cert_chain').slice(0, 1)).map(certificateFacts),
      roots: found.flatMap((one) => list(one, 'ca_cert')).map(certificateFacts),
      requests: requestsOf(metrics),
      plaintextControl: plaintextControl(bootstrap),
      auditFolder: textOf(tree(tree(node['metadata'])['WEFT_AUDIT'])['folder']) || undefined,
    };
  } catch (cause) {
    const reason = cause instanceof Error && cause.cause !== undefined ? messageOf(cause.cause) : messageOf(cause);
    return { id, url, reason };
  }
}

async function read(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return response.text();
}

function tree(value: unknown): Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Tree : {};
}

function list(value: unknown, field: string): Tree[] {
  const found = tree(value)[field];
  return Array.isArray(found) ? found.map(tree) : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Only what the bootstrap says of its ADS server. */
function plaintextControl(bootstrap: Tree): string | undefined {
  const [service = {}] = list(tree(bootstrap['dynamic_resources'])['ads_config'], 'grpc_services');
  const name = textOf(tree(service['envoy_grpc'])['cluster_name']);
  const cluster = list(bootstrap['static_resources'], 'clusters').find((one) => one['name'] === name);
  if (cluster === undefined || cluster['transport_socket'] !== undefined) return undefined;
  const [group = {}] = list(cluster['load_assignment'], 'endpoints');
  const [first = {}] = list(group, 'lb_endpoints');
  const { address, port_value: port } = tree(tree(tree(first['endpoint'])['address'])['socket_address']);
  return `${textOf(address)}:${String(port as number)}`;
}

function listenersIn(config: Tree): Tree[] {
  return [
    ...list(config, 'static_listeners').map((one) => tree(one['listener'])),
    ...list(config, 'dynamic_listeners').map((one) => tree(tree(one['active_state'])['listener'])),
  ];
}

function listenerFacts(listener: Tree): ListenerFacts {
  const chains = [...list(listener, 'filter_chains'),
    ...(listener['default_filter_chain'] === undefined ? [] : [tree(listener['default_filter_chain'])])];
  const { address, port_value: port } = tree(tree(listener['address'])['socket_address']);
  const contexts = chains.flatMap((chain) => (chain['transport_socket'] === undefined ? []
    : [tree(tree(chain['transport_socket'])['typed_config'])]));
  const names = chains.flatMap((chain) => filterNames(chain));
  return {
    name: textOf(listener['name']),
    direction: textOf(listener['traffic_direction']) || 'UNSPECIFIED',
    statName: `${textOf(address)}_${String(port as number)}`.replaceAll(':', '_'),
    transport: transportOf(chains, contexts.length),
    asksCertificate: contexts.length > 0 && contexts.every((context) => context['require_client_certificate'] === true),
    authorizes: names.some((name) => /rbac|ext_authz|jwt_authn/.test(name) && !name.endsWith('network_policy')),
    networkPolicy: names.some((name) => name.endsWith('rbac.network_policy')),
    resumes: contexts.some((context) => context['disable_stateless_session_resumption'] !== true
      || context['disable_stateful_session_resumption'] !== true),
    minVersions: contexts.map((context) =>
      textOf(tree(tree(context['common_tls_context'])['tls_params'])['tls_minimum_protocol_version']) || 'default'),
  };
}

/** Of the network filters, and of the HTTP filters within. */
function filterNames(chain: Tree): string[] {
  return list(chain, 'filters').flatMap((filter) => [
    textOf(filter['name']), ...list(filter['typed_config'], 'http_filters').map((http) => textOf(http['name'])),
  ]);
}

/** TLS that is told by its server name and not ended here goes on as it is. */
function transportOf(chains: readonly Tree[], secured: number): Transport {
  if (secured === chains.length && secured > 0) return 'tls';
  if (secured > 0) return 'both';
  const passes = (chain: Tree): boolean => tree(chain['filter_chain_match'])['server_names'] !== undefined;
  return chains.length > 0 && chains.every(passes) ? 'passthrough' : 'plaintext';
}

function statsOf(text: string): Map<string, number> {
  const stats = new Map<string, number>();
  for (const line of text.split('\n')) {
    const at = line.lastIndexOf(': ');
    const value = Number(line.slice(at + 2));
    if (at > 0 && Number.isFinite(value)) stats.set(line.slice(0, at), value);
  }
  return stats;
}

function certificateFacts(certificate: Tree): CertificateFacts {
  return {
    serial: textOf(certificate['serial_number']),
    names: list(certificate, 'subject_alt_names').map((name) => textOf(name['uri']) || textOf(name['dns'])),
    notBeforeMs: Date.parse(textOf(certificate['valid_from'])),
    notAfterMs: Date.parse(textOf(certificate['expiration_time'])),
  };
}

function requestsOf(metrics: string): RequestFacts[] {
  const sums = new Map<string, RequestFacts>();
  for (const line of metrics.split('\n')) {
    const [, labelText = '', value = ''] = /^istio_requests_total\{(.*)\} (\S+)$/.exec(line) ?? [];
    const pairs = labelText.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g);
    const labels = new Map([...pairs].map(([, name, text]) => [name, text]));
    if (labels.get('reporter') !== 'destination') continue;
    const policy = labels.get('connection_security_policy') ?? 'unknown';
    const source = labels.get('source_principal') ?? 'unknown';
    const destination = labels.get('destination_service') ?? 'unknown';
    const key = [policy, source, destination].join('\n');
    sums.set(key, { policy, source, destination, count: (sums.get(key)?.count ?? 0) + Number(value) });
  }
  return [...sums.values()];
}
