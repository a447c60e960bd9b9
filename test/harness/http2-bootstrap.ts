// Pieces of bootstraps for HTTP/2 and TLS, in a shape that weft and Envoy both read; weft.ts has the rest.
import { serverLeaf, testLeaf, testRoot } from './certificates.ts';
import type { TestCertificate } from './certificates.ts';
import { staticCluster } from './weft.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
/** Both proxies drop trailers of HTTP/1.1 otherwise. */
export const H1_TRAILERS = { enable_trailers: true };

/** One authority, a server that is called localhost, and a workload of the mesh on each side. */
export interface TestIdentities {
  readonly root: TestCertificate;
  readonly server: TestCertificate;
  readonly client: TestCertificate;
  readonly workload: TestCertificate;
}

export function testIdentities(): TestIdentities {
  const root = testRoot();
  return {
    root,
    server: serverLeaf(root, [{ dns: 'localhost' }, { ip: '127.0.0.1' }]),
    client: testLeaf(root, { identity: 'spiffe://cluster.local/ns/default/sa/client' }),
    workload: testLeaf(root, { identity: 'spiffe://cluster.local/ns/default/sa/server' }),
  };
}

function certificate({ chain, key }: TestCertificate): unknown {
  return { certificate_chain: { inline_string: chain }, private_key: { inline_string: key } };
}

/** What an upstream cluster's transport socket verifies: the root, and a name if there is one. */
function validation(root: TestCertificate, uri?: string): unknown {
  const roots = { trusted_ca: { inline_string: root.cert } };
  if (uri === undefined) return roots;
  return { ...roots, match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: uri } }] };
}

/** A transport socket for clients without certificates; ALPN offers both. */
export function serverTls({ server }: TestIdentities): unknown {
  const common = { tls_certificates: [certificate(server)], alpn_protocols: ['h2', 'http/1.1'] };
  return { name: 'tls', typed_config: { '@type': `${TLS}.DownstreamTlsContext`, common_tls_context: common } };
}

/** A sidecar's inbound side: only the mesh's client may come. */
export function mutualServerTls({ root, workload }: TestIdentities): unknown {
  const common = {
    tls_certificates: [certificate(workload)], alpn_protocols: ['h2'],
    validation_context: validation(root, 'spiffe://cluster.local/ns/default/sa/client'),
  };
  const context = { common_tls_context: common, require_client_certificate: true };
  return { name: 'tls', typed_config: { '@type': `${TLS}.DownstreamTlsContext`, ...context } };
}

/** To a server that has a certificate for localhost; without `alpn` the cluster's protocols are offered. */
export function clientTls({ root }: TestIdentities, alpn: readonly string[] = ['h2']): unknown {
  const context = {
    sni: 'localhost', common_tls_context: { validation_context: validation(root), alpn_protocols: alpn },
  };
  return { name: 'tls', typed_config: { '@type': `${TLS}.UpstreamTlsContext`, ...context } };
}

/** A sidecar's outbound side. */
export function mutualClientTls({ root, client }: TestIdentities): unknown {
  const common = {
    tls_certificates: [certificate(client)], alpn_protocols: ['h2'],
    validation_context: validation(root, 'spiffe://cluster.local/ns/default/sa/server'),
  };
  return {
    name: 'tls', typed_config: { '@type': `${TLS}.UpstreamTlsContext`, sni: 'server', common_tls_context: common },
  };
}

/** A listener of weft.ts, with TLS on its one chain. */
export function overTls(listener: unknown, transportSocket: unknown): unknown {
  const { filter_chains: chains, ...rest } = listener as { filter_chains: object[] };
  return { ...rest, filter_chains: chains.map((chain) => ({ ...chain, transport_socket: transportSocket })) };
}

/** A cluster spoken to by HTTP/2; without a transport socket by prior knowledge. */
export function http2Cluster(name: string, port: number, transportSocket?: unknown): unknown {
  return staticCluster(name, [port], {
    ...protocolOptions({ http2_protocol_options: {} }),
    ...(transportSocket !== undefined && { transport_socket: transportSocket }),
  });
}

/** A cluster spoken to by HTTP/1.1, trailers included. */
export function http1Cluster(name: string, port: number): unknown {
  return staticCluster(name, [port], protocolOptions({ http_protocol_options: H1_TRAILERS }));
}

/** A cluster's protocol: `explicit` is an explicit_http_config. */
export function protocolOptions(explicit: object): Record<string, unknown> {
  return protocol({ explicit_http_config: explicit });
}

/** A cluster spoken to by HTTP/2 with extended CONNECT. */
export function websocketCluster(name: string, port: number): unknown {
  const explicit = { http2_protocol_options: { allow_connect: true } };
  return staticCluster(name, [port], protocol({ explicit_http_config: explicit }));
}

/** A cluster whose server chooses the protocol by ALPN. */
export function alpnCluster(name: string, port: number, identities: TestIdentities): unknown {
  return staticCluster(name, [port], {
    ...protocol({ auto_config: { http_protocol_options: H1_TRAILERS, http2_protocol_options: {} } }),
    transport_socket: clientTls(identities, []),
  });
}

function protocol(fields: object): Record<string, unknown> {
  const options = { '@type': `type.googleapis.com/${OPTIONS}`, ...fields };
  return { typed_extension_protocol_options: { [OPTIONS]: options } };
}
