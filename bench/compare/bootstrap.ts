// The configuration of weft and Envoy: test/interop's sidecar.yaml, changed in code into the shape that a row needs.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/**
 * What goes in and out of the proxy: HTTP/1.1; HTTP/2 on both sides; the same with gRPC's upstream; mutual TLS in and
 * HTTP/1.1 out; HTTP/1.1 in and mutual TLS out; mutual TLS on both sides; bytes; bytes with mutual TLS in.
 */
export type Shape = 'h1' | 'h2' | 'grpc' | 'mtls' | 'mtls-up' | 'mtls-both' | 'tcp' | 'tcp-mtls';

export const CROWDS = ['hosts', 'routes'] as const;
/** What stands beside the routes of the sidecar: 10,000 virtual hosts, or 1,000 routes before its own. */
export type Crowd = (typeof CROWDS)[number];

/** Where one proxy listens and sends, and the folder with its files and certificates. */
export interface Place {
  readonly listener: number;
  readonly admin: number;
  readonly upstream: number;
  readonly folder: string;
}

type Fields = Record<string, unknown>;

/** As much of a bootstrap as is changed here. */
interface Bootstrap {
  readonly static_resources: {
    readonly listeners: [{ filter_chains: [{ filters: [{ name: string; typed_config: Fields }] } & Fields] }];
    readonly clusters: ({ readonly name: string } & Fields)[];
  };
}

const SIDECAR = fileURLToPath(new URL('../../test/interop/bootstraps/sidecar.yaml', import.meta.url));
const EXTENSIONS = 'type.googleapis.com/envoy.extensions';
const TLS = `${EXTENSIONS}.transport_sockets.tls.v3`;
/** Nobody listens there: the collector of traces is down. */
const DISCARD_PORT = 1;

/** Writes the file and gives its path. */
export async function writeBootstrap(name: string, shape: Shape, place: Place, crowd?: Crowd): Promise<string> {
  const bootstrap = parse(withPorts(await readFile(SIDECAR, 'utf8'), place)) as Bootstrap;
  // A file, because the terminal would be what is measured.
  logTo(bootstrap, accessLogOf(name, place.folder));
  if (shape === 'h2' || shape === 'grpc') sendHttp2(bootstrap);
  if (shape === 'mtls' || shape === 'mtls-both' || shape === 'tcp-mtls') acceptTls(bootstrap, place.folder);
  if (shape === 'mtls-up' || shape === 'mtls-both') sendTls(bootstrap, place.folder);
  if (shape === 'tcp' || shape === 'tcp-mtls') proxyBytes(bootstrap);
  if (crowd !== undefined) addCrowd(bootstrap, crowd);
  const file = join(place.folder, `${name}-${shape}.json`);
  await writeFile(file, JSON.stringify(bootstrap));
  return file;
}

export function accessLogOf(name: string, folder: string): string {
  return join(folder, `${name}.access.log`);
}

/** Ports of the 18000s in any text are examples: 18010 listens, 18011 is admin, 18021 and others are upstream. */
export function withPorts(text: string, { listener, admin, upstream }: Place): string {
  const ports = new Map([[18_010, listener], [18_011, admin], [18_029, DISCARD_PORT]]);
  return text.replaceAll(/\b18\d{3}\b/g, (port) => String(ports.get(Number(port)) ?? upstream));
}

function chainOf(bootstrap: Bootstrap): Bootstrap['static_resources']['listeners'][0]['filter_chains'][0] {
  return bootstrap.static_resources.listeners[0].filter_chains[0];
}

/** The clusters that requests go to. */
function applications(bootstrap: Bootstrap): Fields[] {
  return bootstrap.static_resources.clusters.filter(({ name }) => name !== 'collector');
}

function logTo(bootstrap: Bootstrap, path: string): void {
  const [log] = chainOf(bootstrap).filters[0].typed_config['access_log'] as [{ typed_config: Fields }];
  log.typed_config['path'] = path;
}

function sendHttp2(bootstrap: Bootstrap): void {
  for (const cluster of applications(bootstrap)) {
    cluster['typed_extension_protocol_options'] = {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    };
  }
}

/** A workload's certificate and the mesh's names; TLS 1.3 alone, because Envoy's clients stay at 1.2 by default. */
function commonTls(folder: string): Fields {
  const file = (name: string): Fields => ({ filename: join(folder, name) });
  return {
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificates: [{ certificate_chain: file('proxy.crt'), private_key: file('proxy.key') }],
    validation_context: {
      trusted_ca: file('root.pem'),
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://cluster.local/' } }],
    },
    alpn_protocols: ['http/1.1'],
  };
}

/** As a sidecar's inbound listener: the client's identity goes on in x-forwarded-client-cert. */
function acceptTls(bootstrap: Bootstrap, folder: string): void {
  const chain = chainOf(bootstrap);
  chain['transport_socket'] = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TLS}.DownstreamTlsContext`, require_client_certificate: true, common_tls_context: commonTls(folder),
    },
  };
  Object.assign(chain.filters[0].typed_config, {
    forward_client_cert_details: 'APPEND_FORWARD',
    set_current_client_cert_details: { subject: true, uri: true },
  });
}

function sendTls(bootstrap: Bootstrap, folder: string): void {
  for (const cluster of applications(bootstrap)) {
    cluster['transport_socket'] = {
      name: 'envoy.transport_sockets.tls',
      typed_config: { '@type': `${TLS}.UpstreamTlsContext`, sni: 'reviews', common_tls_context: commonTls(folder) },
    };
  }
}

function proxyBytes(bootstrap: Bootstrap): void {
  const filter = chainOf(bootstrap).filters[0];
  const { access_log: accessLog } = filter.typed_config;
  filter.name = 'envoy.filters.network.tcp_proxy';
  filter.typed_config = {
    '@type': `${EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 'outbound', cluster: 'reviews-v1',
    access_log: accessLog,
  };
  // Envoy's default of 1,024 would be what is measured.
  for (const cluster of applications(bootstrap)) {
    cluster['circuit_breakers'] = { thresholds: [{ max_connections: 20_000, max_pending_requests: 20_000 }] };
  }
}

interface RouteTable {
  readonly virtual_hosts: { name: string; domains: string[]; routes: unknown[] }[];
}

function addCrowd(bootstrap: Bootstrap, crowd: Crowd): void {
  const { virtual_hosts: hosts } = chainOf(bootstrap).filters[0].typed_config['route_config'] as RouteTable;
  const route = { cluster: 'reviews-v2' };
  if (crowd === 'routes') {
    hosts[0]!.routes.unshift(...Array.from({ length: 1000 }, (_, i) => ({ match: crowdedMatch(i), route })));
    return;
  }
  for (let i = 0; i < 10_000; i++) {
    const domains = [`svc-${i}.shop.svc.cluster.local`, `svc-${i}.shop`, `*.svc-${i}.example.com`];
    hosts.push({ name: `svc-${i}`, domains, routes: [{ match: { prefix: '/' }, route }] });
  }
}

/** Paths of many lengths, and a tenant each by header. */
function crowdedMatch(i: number): unknown {
  if (i % 2 === 0) return { path_separated_prefix: `/catalogue${'/part'.repeat(i % 11)}/item-${i}` };
  return { prefix: '/', headers: [{ name: 'x-tenant', string_match: { exact: `tenant-${i}` } }] };
}
