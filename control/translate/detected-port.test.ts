// Ports whose protocol nobody says: what is told to redirected sidecars, weft and Envoy, on both sides.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from '../../proxy/config/cluster.ts';
import { decode } from '../../proxy/config/decode.ts';
import { Listener } from '../../proxy/config/listener.ts';
import type { FilterChain } from '../../proxy/config/listener.ts';
import { RouteConfiguration } from '../../proxy/config/route.ts';
import { HTTP_CONNECTION_MANAGER_TYPE } from '../../proxy/config/type-url.ts';
import { nodeOf, viewOf, workloadYaml } from '../../test/harness/mesh-fixture.ts';
import { Translator, type ProxyResources } from './proxy-resources.ts';

const service = (annotation = ''): string => `
apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: default${annotation} }
spec: { clusterIP: 10.96.0.7, selector: { app: reviews }, ports: [{ name: data, port: 9080 }] }
---
`;
const WORKLOAD = workloadYaml('reviews-v1', 'reviews', 'v1', '10.0.0.1');
const OPAQUE = ", annotations: { config.weft.dev/opaque-ports: '1, 9080' }";
const peers = (mode: string): string => `
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: peers, namespace: default }
spec: { mtls: { mode: ${mode} } }
`;
const SETTINGS = `
---
apiVersion: mesh.istio.io/v1alpha1
kind: MeshConfig
metadata: { name: mesh, namespace: istio-system }
spec: { protocolDetectionTimeout: 7s }
`;

function resources(yaml: string, kind: 'weft' | 'envoy', address = '10.0.0.1'): ProxyResources {
  const node = nodeOf({ INTERCEPTION_MODE: 'REDIRECT', INSTANCE_IPS: address }, { userAgentName: kind });
  const made = new Translator(viewOf(yaml)).resourcesFor(node);
  const checks = [[Cluster, made.clusters], [RouteConfiguration, made.routes]] as const;
  for (const [schema, values] of [...checks, ...(kind === 'weft' ? [[Listener, made.listeners] as const] : [])]) {
    for (const value of values) {
      const { errors, warnings } = decode(schema as typeof Listener, JSON.parse(JSON.stringify(value)));
      assert.deepEqual([...errors, ...warnings].map(String), []);
    }
  }
  return made;
}

function listenerOf({ listeners }: ProxyResources, name: string): Listener {
  const found = listeners.find((listener) => listener.name === name);
  assert.ok(found !== undefined, `${name} of ${listeners.map((listener) => listener.name).join(' ')}`);
  return found;
}

/** What a chain is for, and what it makes of it. */
function shown({ filterChainMatch: match, filters, transportSocket }: FilterChain): string {
  const isHttp = filters?.at(-1)?.typedConfig['@type'] === HTTP_CONNECTION_MANAGER_TYPE;
  const by = [match?.transportProtocol, ...match?.applicationProtocols ?? []].filter((word) => word !== undefined);
  return `${by.join(' ')}: ${isHttp ? 'http' : 'tcp'}${transportSocket === undefined ? '' : ' by tls'}`;
}

const OWN_HTTP = 'tls istio-http/1.0 istio-http/1.1 istio-h2: http by tls';
const OWN_TCP = 'tls istio-peer-exchange istio: tcp by tls';
const PLAIN = ['raw_buffer http/1.0 http/1.1 h2c: http', ': tcp'];

test('callers: HTTP by its first line, for the service of the address whatever host it says; else bytes', () => {
  for (const kind of ['weft', 'envoy'] as const) {
    const made = resources(service() + WORKLOAD, kind, '10.0.0.9');
    const listener = listenerOf(made, '10.96.0.7_9080');
    assert.deepEqual(listener.listenerFilters?.map(({ name }) => name.split('.').at(-1)),
      ['tls_inspector', 'http_inspector']);
    assert.deepEqual([...listener.filterChains ?? [], listener.defaultFilterChain!].map(shown), PLAIN);
    assert.equal(listener.continueOnListenerFiltersTimeout, true);
    assert.equal(listener.listenerFiltersTimeout, kind === 'weft' ? '60s' : '0.1s');
    const table = made.routes.find(({ name }) => name === 'reviews.default.svc.cluster.local:9080');
    assert.deepEqual(table?.virtualHosts?.map(({ domains }) => domains), [['*']]);
    const says = kind === 'weft' ? 'istio.alpn' : 'envoy.network.application_protocols';
    assert.ok(JSON.stringify(listener.filterChains).includes(`"${says}"`), 'what to say in the handshake');
  }
});

test('the called: as the handshake says, or the first line, by the mode of mutual TLS', () => {
  const chains = (mode: string): string[] => {
    const { filterChains = [] } = listenerOf(resources(service() + WORKLOAD + peers(mode), 'weft'), 'virtualInbound');
    return filterChains.filter((chain) => chain.filterChainMatch?.destinationPort === 9080).map(shown);
  };
  const plain = [PLAIN[0], 'raw_buffer: tcp', 'tls: tcp'];
  assert.deepEqual(chains('PERMISSIVE'), [OWN_HTTP, OWN_TCP, ...plain]);
  assert.deepEqual(chains('STRICT'), [OWN_HTTP, 'tls: tcp by tls']);
  assert.deepEqual(chains('DISABLE'), plain);
});

test('opaque ports are bytes, and the wait is as the MeshConfig says', () => {
  const opaque = listenerOf(resources(service(OPAQUE) + WORKLOAD, 'weft', '10.0.0.9'), '10.96.0.7_9080');
  assert.deepEqual([opaque.listenerFilters, opaque.filterChains?.map(shown)], [undefined, [': tcp']]);
  const named = WORKLOAD.replace('name: reviews-v1,', `name: reviews-v1${OPAQUE},`);
  assert.notEqual(named, WORKLOAD);
  const told = listenerOf(resources(service() + named, 'weft', '10.0.0.9'), '10.96.0.7_9080');
  assert.deepEqual(told.filterChains?.map(shown), [': tcp'], 'its workload says so');
  const inbound = listenerOf(resources(service() + named, 'weft'), 'virtualInbound').filterChains ?? [];
  assert.ok(inbound.filter((chain) => chain.filterChainMatch?.destinationPort === 9080).map(shown)
    .every((chain) => chain.includes('tcp')), 'where it is served, too');
  const asked = resources(service() + WORKLOAD + SETTINGS, 'weft', '10.0.0.9');
  assert.equal(listenerOf(asked, '10.96.0.7_9080').listenerFiltersTimeout, '7s');
  assert.equal(listenerOf(asked, 'virtualInbound').listenerFiltersTimeout, '7s');
});
