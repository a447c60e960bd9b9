// A proxy between mutual TLS on both sides, and peers of node:tls that show it any certificate: who is believed?
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import type { ConnectionOptions, Server } from 'node:tls';
import type { TestCertificate } from './certificates.ts';
import { MESH_NAMES, certificateOf } from './tls-listener.ts';

const TYPE = 'type.googleapis.com/envoy.extensions';
/** A peer that shows bad keys and digests is not kept from it by its own OpenSSL. */
const WEAK: ConnectionOptions = { ciphers: 'DEFAULT:@SECLEVEL=0' };

export interface MutualTlsParts {
  /** The proxy's own certificate, on both sides. */
  readonly own: TestCertificate;
  /** How peers are verified: roots, or a validator. */
  readonly validation: object;
  readonly requiresCertificate?: boolean;
}

/** `mutual` answers by itself those that it believes; `plain` forwards by mutual TLS to a server that it believes. */
export function mutualTlsBootstrap(parts: MutualTlsParts & { readonly upstream: number }): object {
  const typedConfig = { '@type': `${TYPE}.transport_sockets.tls.v3.UpstreamTlsContext`, ...commonContext(parts) };
  const answer = { directResponse: { status: 200, body: { inlineString: 'believed' } } };
  const lbEndpoints = [{ endpoint: { address: address(parts.upstream) } }];
  return {
    staticResources: {
      listeners: [
        mutualTlsListener('mutual', answer, parts), listener('plain', { route: { cluster: 'peer' } }, {}, {}),
      ],
      clusters: [{
        name: 'peer',
        loadAssignment: { clusterName: 'peer', endpoints: [{ lbEndpoints }] },
        transportSocket: { name: 'tls', typedConfig },
      }],
    },
  };
}

function commonContext({ own, validation }: MutualTlsParts): object {
  return { commonTlsContext: { tlsCertificates: [certificateOf(own)], validationContext: validation } };
}

/** A listener with TLS, one route, and what `manager` adds to its connection manager. */
export function mutualTlsListener(name: string, route: object, parts: MutualTlsParts, manager: object = {}) {
  const typedConfig = {
    '@type': `${TYPE}.transport_sockets.tls.v3.DownstreamTlsContext`,
    ...commonContext(parts), requireClientCertificate: parts.requiresCertificate ?? true,
  };
  return listener(name, route, { transportSocket: { name: 'tls', typedConfig } }, manager);
}

type Tenant = readonly [serverName: string, listener: ReturnType<typeof mutualTlsListener>];

/** One listener that has the chains of others, each for its server names. */
export function tenantListener(name: string, tenants: readonly Tenant[]): object {
  const filterChains = tenants.map(([serverName, { filterChains: [chain] }]) => (
    { ...chain, filterChainMatch: { serverNames: [serverName] } }
  ));
  const listenerFilters = [{
    name: 'tls_inspector', typedConfig: { '@type': `${TYPE}.filters.listener.tls_inspector.v3.TlsInspector` },
  }];
  return { name, statPrefix: name, address: address(0), listenerFilters, filterChains };
}

/** A validation context of one root and the names of cluster.local. */
export function meshValidation(root: TestCertificate): object {
  return { trustedCa: { inlineString: root.cert }, matchTypedSubjectAltNames: MESH_NAMES };
}

function listener(name: string, route: object, chain: object, manager: object) {
  const typedConfig = {
    '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    statPrefix: name,
    httpFilters: [{ name: 'router', typedConfig: { '@type': `${TYPE}.filters.http.router.v3.Router` } }],
    routeConfig: { virtualHosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, ...route }] }] },
    ...manager,
  };
  const filterChains = [{ filters: [{ name: 'http', typedConfig }], ...chain }];
  return { name, statPrefix: name, address: address(0), filterChains };
}

function address(portValue: number): object {
  return { socketAddress: { address: '127.0.0.1', portValue } };
}

/** Whether a server answers a client that shows this certificate; `options` go to node:tls. */
export async function believesClient(
  port: number, shown: Pick<TestCertificate, 'chain' | 'key'>, options: ConnectionOptions = {},
): Promise<boolean> {
  const credentials = { cert: shown.chain, key: shown.key, rejectUnauthorized: false, ...WEAK };
  const socket = connect({ port, host: '127.0.0.1', ...credentials, ...options });
  let answer = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1');
    if (answer.endsWith('believed') || answer.endsWith('}')) socket.destroy();
  });
  socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'));
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return answer.startsWith('HTTP/1.1 200');
}

/** A server that shows each certificate that it is told to, and notes whether it is sent a request. */
export class ShowingServer implements AsyncDisposable {
  readonly #server: Server;
  #requests = 0;

  private constructor(first: TestCertificate) {
    this.#server = createServer({ cert: first.chain, key: first.key }, (socket) => {
      socket.on('error', () => {});
      socket.on('data', () => {
        this.#requests++;
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nbelieved');
      });
    });
    this.#server.on('tlsClientError', () => {});
  }

  static async start(first: TestCertificate): Promise<ShowingServer> {
    const showing = new ShowingServer(first);
    showing.#server.listen(0, '127.0.0.1');
    await once(showing.#server, 'listening');
    return showing;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Whether a request through the proxy's plain listener reaches the server that shows this certificate. */
  async believedBy(plainPort: number, shown: Pick<TestCertificate, 'chain' | 'key'>): Promise<boolean> {
    this.#server.setSecureContext({ cert: shown.chain, key: shown.key, ...WEAK });
    const before = this.#requests;
    const response = await fetch(`http://127.0.0.1:${plainPort}/`);
    await response.arrayBuffer();
    return this.#requests > before || response.status === 200;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await once(this.#server, 'close');
  }
}
