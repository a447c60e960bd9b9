// Services whose connections go on to where they wanted, and those of whole ranges: for redirected sidecars.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { FilterChain } from '../../proxy/config/listener.ts';
import { findingText } from '../model/mesh-object.ts';
import { destinationRuleFindings } from '../analysis/destination-rule-use.ts';
import { nodeOf, serviceYaml, viewOf, workloadYaml } from '../../test/harness/mesh-fixture.ts';
import { Translator, type ProxyResources } from './proxy-resources.ts';

const entry = (host: string, spec: string, name = 'entry'): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: default }
spec: { hosts: ['${host}'], ${spec} }
`;
const passthrough = (host: string): string => `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: passthrough, namespace: default }
spec: { host: ${host}, trafficPolicy: { loadBalancer: { simple: PASSTHROUGH } } }
`;
const ISOLATED = `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: isolated, namespace: default }
spec: { podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ ipBlock: { cidr: 10.0.0.0/8 } }] }] }
`;
const PORTS = 'ports: [{ number: 80, name: http }, { number: 443, name: tls }]';

function resources(yaml: string, mode: 'REDIRECT' | 'NONE' = 'REDIRECT'): ProxyResources {
  const node = nodeOf({ INTERCEPTION_MODE: mode, INSTANCE_IPS: '10.9.0.9' }, { userAgentName: 'envoy' });
  return new Translator(viewOf(yaml)).resourcesFor(node);
}

function clusterOf({ clusters }: ProxyResources, name: string): Cluster {
  const found = clusters.find((cluster) => cluster.name === name);
  assert.ok(found !== undefined, name);
  return found;
}

function wayOf({ type, lbPolicy, loadAssignment }: Cluster): string {
  const names = (loadAssignment?.endpoints ?? []).flatMap(({ lbEndpoints = [] }) =>
    lbEndpoints.map(({ endpoint }) => endpoint.address.socketAddress?.address));
  return [type, lbPolicy, ...names].join(' ');
}

test('resolution NONE: where the connection wanted to go, if it was redirected; else the host, looked up', () => {
  const yaml = entry('a.test', PORTS);
  assert.equal(wayOf(clusterOf(resources(yaml), 'outbound|80||a.test')), 'ORIGINAL_DST CLUSTER_PROVIDED');
  assert.equal(wayOf(clusterOf(resources(yaml, 'NONE'), 'outbound|80||a.test')), 'STRICT_DNS LEAST_REQUEST a.test');
  const written = entry('a.test', `${PORTS}, endpoints: [{ address: b.test }]`);
  assert.equal(wayOf(clusterOf(resources(written), 'outbound|80||a.test')), 'STRICT_DNS LEAST_REQUEST b.test');
});

test('a wildcard of resolution NONE: HTTP by host, TLS by server name; without redirection it leads nowhere', () => {
  const yaml = entry('*.wide.test', PORTS);
  const made = resources(yaml);
  const { routes, listeners } = made;
  assert.equal(wayOf(clusterOf(made, 'outbound|443||*.wide.test')), 'ORIGINAL_DST CLUSTER_PROVIDED');
  assert.deepEqual(routes.find(({ name }) => name === '80')?.virtualHosts?.[0]?.domains,
    ['*.wide.test', '*.wide.test:80']);
  const chains = listeners.find(({ name }) => name === '0.0.0.0_443')?.filterChains;
  assert.deepEqual(chains?.map(({ filterChainMatch }) => filterChainMatch), [{ serverNames: ['*.wide.test'] }]);
  assert.equal(wayOf(clusterOf(resources(yaml, 'NONE'), 'outbound|80||*.wide.test')), 'STRICT_DNS LEAST_REQUEST');
  assert.match(viewOf(yaml).registry.findings.map(findingText).join('\n'),
    /spec\.hosts\[0\]: leads nowhere where connections are not redirected: a wildcard cannot/);
  assert.throws(() => viewOf(entry('*', PORTS)), /a wildcard cannot be looked up/);
});

test('loadBalancer PASSTHROUGH: mutual TLS where all endpoints speak it, and elsewhere as if nothing were said', () => {
  const host = 'reviews.default.svc.cluster.local';
  const mesh = serviceYaml('reviews') + workloadYaml('reviews-v1', 'reviews', 'v1', '10.0.0.1') + passthrough(host);
  const cluster = clusterOf(resources(mesh), `outbound|9080||${host}`);
  assert.equal(wayOf(cluster), 'ORIGINAL_DST CLUSTER_PROVIDED');
  assert.deepEqual([cluster.transportSocket?.name, cluster.transportSocketMatches],
    ['envoy.transport_sockets.tls', undefined]);
  assert.equal(resources(mesh).endpoints.length, 0);
  assert.equal(wayOf(clusterOf(resources(mesh, 'NONE'), `outbound|9080||${host}`)), 'EDS LEAST_REQUEST');
  assert.match(destinationRuleFindings(viewOf(mesh)).map(findingText).join('\n'),
    /loadBalancer\.simple: is LEAST_REQUEST where connections are not redirected/);
});

test('a caller that a NetworkPolicy keeps in goes nowhere by itself: endpoints are asked for one by one', () => {
  const host = 'reviews.default.svc.cluster.local';
  const service = serviceYaml('reviews') + workloadYaml('reviews-v1', 'reviews', 'v1', '10.0.0.1') + passthrough(host);
  const made = resources(service + entry('*.wide.test', PORTS) + ISOLATED);
  assert.equal(wayOf(clusterOf(made, `outbound|9080||${host}`)), 'EDS LEAST_REQUEST');
  assert.equal(wayOf(clusterOf(made, 'outbound|80||*.wide.test')), 'STRICT_DNS LEAST_REQUEST');
});

/** What each chain of a port's listener is for, and where it leads. */
function shown(chain: FilterChain | undefined): unknown {
  const [filter] = chain?.filters?.slice(-1) ?? [];
  const config = filter?.typedConfig as { readonly cluster?: string } | undefined;
  const ranges = chain?.filterChainMatch?.prefixRanges?.map(({ addressPrefix, prefixLen }) =>
    `${addressPrefix}/${prefixLen}`);
  return [ranges, config?.cluster];
}

test('ranges of TCP entries are chains of the port; of several for one range the first holds', () => {
  const tcp = 'ports: [{ number: 5432, name: tcp }]';
  const yaml = entry('a.test', `${tcp}, addresses: [10.20.0.0/16, '2001:db8::/32', 10.96.0.30]`, 'a')
    + entry('b.test', `${tcp}, addresses: [10.20.3.4/16, 10.0.0.0/8]`, 'b');
  const { listeners } = resources(yaml);
  const port = listeners.find(({ name }) => name === '0.0.0.0_5432');
  assert.deepEqual([...port?.filterChains ?? [], port?.defaultFilterChain].map(shown), [
    [['10.20.0.0/16', '2001:db8:0:0:0:0:0:0/32'], 'outbound|5432||a.test'],
    [['10.0.0.0/8'], 'outbound|5432||b.test'],
    [undefined, 'PassthroughCluster'],
  ]);
  const single = listeners.find(({ name }) => name === '10.96.0.30_5432');
  assert.deepEqual(single?.filterChains?.map(shown), [[undefined, 'outbound|5432||a.test']]);
  const all = resources(entry('c.test', `${tcp}, addresses: [0.0.0.0/0]`));
  assert.deepEqual(shown(all.listeners.find(({ name }) => name === '0.0.0.0_5432')?.defaultFilterChain),
    [undefined, 'outbound|5432||c.test']);
});

test('what a range does less than it says is told: without redirection, and of ports that go by host', () => {
  const told = (ports: string): string =>
    viewOf(entry('a.test', `${ports}, addresses: [10.0.0.0/8]`)).registry.findings.map(findingText).join('\n');
  assert.match(told('ports: [{ number: 1, name: tcp }]'),
    /addresses\[0\]: has no effect where connections are not redirected: a range cannot be asked for by host/);
  assert.match(told(PORTS), /addresses\[0\]: has no effect: a range is for TCP ports/);
  assert.throws(() => viewOf(entry('a.test', "ports: [{ number: 1, name: tcp }], addresses: ['::ffff:10.0.0.0/90']")),
    /must be an IP address or a range/);
});
