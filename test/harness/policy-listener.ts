// A listener as a workload's, for tests of policies: callers with certificates of the mesh, without, or in plaintext.
import type { buildConnector, Dispatcher } from 'undici';
import { httpManager } from '../../control/translate/http-manager.ts';
import type { HttpFilter } from '../../proxy/config/http-connection-manager.ts';
import type { NetworkFilter } from '../../proxy/config/listener.ts';
import { ROUTER_TYPE } from '../../proxy/config/type-url.ts';
import { testLeaf, testRoot } from './certificates.ts';

const EXTENSIONS = 'type.googleapis.com/envoy.extensions';

/** SPIFFE ids of callers, by name. */
export const IDENTITIES = {
  web: 'spiffe://cluster.local/ns/default/sa/web',
  admin: 'spiffe://cluster.local/ns/prod/sa/admin',
  far: 'spiffe://other.test/ns/prod-eu/sa/web.admin',
} as const;

const ROOT = testRoot();
const SERVER = testLeaf(ROOT, { more: [{ dns: 'shop.test' }] });
const LEAVES = new Map(Object.entries(IDENTITIES).map(([name, identity]) => [name, testLeaf(ROOT, { identity })]));

/** TLS of a caller: one of IDENTITIES, else one without a certificate. */
export function callerOptions(caller: string): buildConnector.BuildOptions {
  const leaf = LEAVES.get(caller);
  const own = leaf === undefined ? {} : { cert: leaf.chain, key: leaf.key };
  return { ...own, ca: ROOT.cert, rejectUnauthorized: false };
}

/** A request whose SNI is not its host: undici reads the field, though its types do not know it. */
export function withServerName(
  request: Dispatcher.RequestOptions<null>, servername: string,
): Dispatcher.RequestOptions<null> {
  return { ...request, servername } as Dispatcher.RequestOptions<null>;
}

export function loopback(port: number): unknown {
  return { socketAddress: { address: '127.0.0.1', portValue: port } };
}

/** Takes TLS and plaintext. What passes is answered 503: nobody is behind it. x-detail says what the log would. */
export function policyListener(name: string, port: number, authorization: readonly HttpFilter[]): unknown {
  return listenerWith(name, port, [managerOf(name, authorization)]);
}

/** As policyListener, of any chain. */
export function listenerWith(name: string, port: number, filters: readonly NetworkFilter[]): unknown {
  return {
    name, address: loopback(port),
    listenerFilters: [{ name: 'tls', typedConfig: { '@type':
      `${EXTENSIONS}.filters.listener.tls_inspector.v3.TlsInspector` } }],
    filterChains: [
      { filterChainMatch: { transportProtocol: 'tls' }, filters, transportSocket: { name: 'tls', typedConfig: {
        '@type': `${EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext`, commonTlsContext: {
          tlsCertificates: [{ certificateChain: { inlineString: SERVER.chain },
            privateKey: { inlineString: SERVER.key } }],
          validationContext: { trustedCa: { inlineString: ROOT.cert } },
        } } } },
      { filterChainMatch: { transportProtocol: 'raw_buffer' }, filters },
    ],
  };
}

/** As the control plane makes it. */
function managerOf(name: string, authorization: readonly HttpFilter[]): NetworkFilter {
  const router: HttpFilter = { name: 'router', typedConfig: { '@type': ROUTER_TYPE } };
  return httpManager({
    role: 'inbound', statPrefix: name, filters: [...authorization, router],
    routes: { name: 'all', validateClusters: false, virtualHosts: [{ name: 'all', domains: ['*'], routes: [
      { match: { prefix: '/' }, route: { cluster: 'nobody' } },
    ], responseHeadersToAdd: [{ header: { key: 'x-detail', value: '%RESPONSE_CODE_DETAILS%' } }] }] },
  });
}
