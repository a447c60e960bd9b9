// The listeners that a Sidecar asks for: where clients reach the workload, and where the application calls out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from '../../proxy/config/cluster.ts';
import { decode } from '../../proxy/config/decode.ts';
import { Listener } from '../../proxy/config/listener.ts';
import { RouteConfiguration } from '../../proxy/config/route.ts';
import type { Schema } from '../../proxy/config/schema.ts';
import { nodeOf, serviceYaml, viewOf, workloadYaml } from '../../test/harness/mesh-fixture.ts';
import { sidecarFindings } from '../analysis/sidecar-use.ts';
import { findingText } from '../model/mesh-object.ts';
import { Translator, type ProxyResources } from './proxy-resources.ts';

const object = (kind: string, spec: string, group = 'networking'): string => `
---
apiVersion: ${group}.istio.io/v1
kind: ${kind}
metadata: { name: s, namespace: default }
spec: ${spec}
`;
const sidecar = (spec: string): string => object('Sidecar', `{ ${spec} }`);
const TCP = 'name: tcp, port: 3306 }, { name: tls, port: 443';
const MESH = serviceYaml('a') + serviceYaml('b') + workloadYaml('a-1', 'a', 'v1', '10.0.0.9')
  + serviceYaml('db').replace('name: http, port: 9080', TCP) + serviceYaml('eb').replace('name: http, port: 9080', TCP);

const PLAIN = object('PeerAuthentication', '{ mtls: { mode: DISABLE } }', 'security');

function resources(yaml: string, metadata = {}): ProxyResources {
  const node = nodeOf({ LABELS: { app: 'a' }, WEFT_OUTBOUND_LISTEN: '127.0.0.1:15007', ...metadata });
  const made = new Translator(viewOf(MESH + yaml)).resourcesFor(node);
  const kinds: readonly (readonly [Schema, readonly unknown[]])[] =
    [[Listener, made.listeners], [Cluster, made.clusters], [RouteConfiguration, made.routes]];
  for (const [schema, values] of kinds) {
    for (const value of values) {
      const { errors, warnings } = decode(schema, JSON.parse(JSON.stringify(value)));
      assert.deepEqual([...errors, ...warnings].map(String), []);
    }
  }
  return made;
}

const inbound = ({ listeners }: ProxyResources): string[] =>
  listeners.filter(({ trafficDirection }) => trafficDirection === 'INBOUND').map(({ name = '' }) => name);

const appOf = ({ clusters }: ProxyResources, port: number): Cluster | undefined =>
  clusters.find(({ name }) => name === `inbound|${port}||`);

function endpointOf(made: ProxyResources, port: number): unknown {
  const [group] = appOf(made, port)?.loadAssignment?.endpoints ?? [];
  const { address, portValue } = group?.lbEndpoints?.[0]?.endpoint.address.socketAddress ?? {};
  return `${address}:${portValue}`;
}

test('ingress listeners take the place of those of the services', () => {
  assert.deepEqual(inbound(resources('')), ['10.0.0.9_9080']);
  const made = resources(sidecar(`ingress: [
    { port: { number: 9080, protocol: HTTP }, defaultEndpoint: '127.0.0.1:8080' },
    { port: { number: 9081, protocol: TCP }, bind: 127.0.0.2, defaultEndpoint: '0.0.0.0:3306', captureMode: NONE },
    { port: { number: 9082, protocol: HTTP } }]`));
  assert.deepEqual(inbound(made), ['10.0.0.9_9080', '127.0.0.2_9081', '10.0.0.9_9082']);
  assert.deepEqual([9080, 9081, 9082].map((port) => endpointOf(made, port)),
    ['127.0.0.1:8080', '10.0.0.9:3306', '127.0.0.1:9082']);
  const host = (port: number): unknown => JSON.stringify(appOf(made, port)?.metadata).match(/"host":"([^"]*)"/)?.[1];
  assert.deepEqual([host(9080), host(9082)], ['a.default.svc.cluster.local', 's.default']);
});

test("an ingress listener's own TLS holds where the mesh's is off", () => {
  const tls = sidecar(`ingress: [{ port: { number: 9080, protocol: HTTPS }, tls: { mode: SIMPLE,
    serverCertificate: /c.pem, privateKey: /k.pem } }]`);
  const socket = (yaml: string): string => JSON.stringify(resources(yaml).listeners[0]?.filterChains?.[0]);
  assert.match(socket(tls + PLAIN), /"filename":"\/c\.pem"/);
  assert.doesNotMatch(socket(tls), /c\.pem/);
  const [finding] = sidecarFindings(viewOf(MESH + tls)).map(findingText);
  assert.match(finding ?? '', /ingress\[0\]\.tls: has no effect: no PeerAuthentication DISABLEs/);
  assert.deepEqual(sidecarFindings(viewOf(MESH + tls + PLAIN)), []);
});

test("limits towards the application: the listener's, the Sidecar's, the service's port's, the service's", () => {
  const pool = (count: number): string => `{ tcp: { maxConnections: ${count} } }`;
  const rule = (more: string): string => object('DestinationRule',
    `{ host: a, trafficPolicy: { connectionPool: ${pool(1)} ${more} } }`);
  const port = `, portLevelSettings: [{ port: { number: 9080 }, connectionPool: ${pool(2)} }]`;
  const whole = `inboundConnectionPool: ${pool(3)}`;
  const own = `ingress: [{ port: { number: 9080, protocol: HTTP }, connectionPool: ${pool(4)} }]`;
  const most = (yaml: string): number | undefined =>
    appOf(resources(yaml), 9080)?.circuitBreakers?.thresholds?.[0]?.maxConnections;
  assert.deepEqual([
    most(''), most(rule('')), most(rule(port)), most(rule(port) + sidecar(whole)),
    most(rule(port) + sidecar(`${whole}, ${own}`)),
  ], [4_294_967_295, 1, 2, 3, 4]);
});

const EGRESS = sidecar(`egress: [
  { port: { number: 9080, protocol: HTTP }, bind: 127.0.0.5, hosts: ['./a.default.svc.cluster.local'] },
  { port: { number: 3306, protocol: MONGO }, hosts: ['./*'] },
  { port: { number: 443, protocol: TLS }, bind: '::1', hosts: ['./*'] },
  { port: { number: 443, protocol: TCP }, bind: '::1', hosts: ['./*'] },
  { hosts: ['./b.default.svc.cluster.local'] }]`);

test('an egress listener is for the services that have its port; the common one has the rest', () => {
  const { listeners, routes } = resources(EGRESS);
  const out = listeners.filter(({ trafficDirection }) => trafficDirection === 'OUTBOUND');
  assert.deepEqual(out.map(({ name }) => name), ['127.0.0.1_15007', '127.0.0.5_9080', '127.0.0.1_3306', '::1_443']);
  assert.deepEqual(routes.map(({ name, virtualHosts }) => [name, virtualHosts?.map((host) => host.name)]), [
    ['http_proxy', ['b.default.svc.cluster.local:9080', 'block_all']],
    ['127.0.0.5_9080', ['a.default.svc.cluster.local:9080', 'block_all']],
  ]);
  const leads = out.slice(2).map(({ filterChains }) => filterChains?.map(({ filterChainMatch, filters }) =>
    [filterChainMatch?.serverNames, (filters?.[0]?.typedConfig as { cluster?: string } | undefined)?.cluster]));
  assert.deepEqual(leads, [
    [[undefined, 'outbound|3306||db.default.svc.cluster.local']],
    [[['db.default.svc.cluster.local'], 'outbound|443||db.default.svc.cluster.local'],
      [['eb.default.svc.cluster.local'], 'outbound|443||eb.default.svc.cluster.local']],
  ]);
});

test('rules hold at egress listeners: of tcp for bytes, of http for hosts that only rules know', () => {
  const tcp = object('VirtualService', '{ hosts: [db], tcp: [{ match: [{ port: 3306 }], route: [{ destination: '
    + '{ host: eb, port: { number: 443 } } }] }] }');
  const { listeners } = resources(EGRESS + tcp);
  assert.match(JSON.stringify(listeners.find(({ name }) => name === '127.0.0.1_3306')),
    /"cluster":"outbound\|443\|\|eb\.default/);
  const http = object('VirtualService', '{ hosts: [only.rules], http: [{ route: [{ destination: { host: a } }] }] }');
  const all = sidecar("egress: [{ port: { number: 9080, protocol: HTTP }, hosts: ['./*'] }]");
  const [, table] = resources(all + http).routes;
  assert.deepEqual(table?.virtualHosts?.at(-2)?.domains, ['only.rules', 'only.rules:9080']);
});

test('what is for unknown hosts goes to the egress proxy, requests and tunnels', () => {
  const policy = sidecar('outboundTrafficPolicy: { mode: ALLOW_ANY, egressProxy: { host: b } }');
  const host = resources(policy).routes[0]?.virtualHosts?.at(-1);
  assert.deepEqual([host?.name, host?.domains, host?.routes?.map(({ route }) => route?.cluster)],
    ['allow_any', ['*'], Array.from({ length: 2 }, () => 'outbound|9080||b.default.svc.cluster.local')]);
});

test('an egress port that no service has is found', () => {
  const [finding] = sidecarFindings(viewOf(MESH + sidecar("egress: [{ port: { number: 1, protocol: HTTP }, "
    + "hosts: ['./*'] }]"))).map(findingText);
  assert.match(finding ?? '', /egress\[0\]\.port: no service of its hosts has port 1/);
});
