// Which endpoints of a service's slices take traffic, who they are, and where.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inventoryOf, serviceYaml } from '../../test/harness/mesh-fixture.ts';
import { findingText } from '../model/mesh-object.ts';
import { Registry } from './registry.ts';

const WEB = 'web.default.svc.cluster.local';

interface SliceText {
  readonly name?: string;
  readonly family?: string;
  readonly ports?: string;
}

function slice(endpoints: readonly string[], { name = 'web-1', family = 'IPv4', ports }: SliceText = {}): string {
  return `
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, namespace: default, labels: { kubernetes.io/service-name: web } }
addressType: ${family}
endpoints: [${endpoints.map((text) => `{ ${text} }`).join(', ')}]
ports: ${ports ?? '[{ name: http, port: 8080 }]'}`;
}

const target = (name: string): string => `targetRef: { kind: Pod, name: ${name}, namespace: default }`;

function pod(name: string, address: string, more = '', labels = ''): string {
  return `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: default, labels: { app: web, security.istio.io/tlsMode: istio${labels} } }
spec: { serviceAccountName: sa-${name}, containers: [{ name: c }]${more} }
status: { podIP: ${address}, phase: Running }`;
}

function registryOf(yaml: string): Registry {
  return new Registry(inventoryOf(yaml), 'cluster.local');
}

function places(yaml: string): string[] {
  return registryOf(yaml).byHost(WEB)!.endpoints.map(({ address, port }) => `${address}:${port}`);
}

const ENDING = 'conditions: { ready: false, serving: true, terminating: true }';

test('all slices of a service count, each with its own number of a named port', () => {
  assert.deepEqual(places(serviceYaml('web') + slice(['addresses: [10.0.0.1]'])
    + slice(['addresses: [10.0.0.2]'], { name: 'web-2', ports: '[{ name: http, port: 9090 }]' })),
  ['10.0.0.1:8080', '10.0.0.2:9090']);
});

test('those that are ending serve only where no other is ready', () => {
  const ending = `addresses: [10.0.0.2], ${ENDING}`;
  assert.deepEqual(places(serviceYaml('web') + slice(['addresses: [10.0.0.1]', ending])), ['10.0.0.1:8080']);
  const unready = 'addresses: [10.0.0.3], conditions: { ready: false, serving: false }';
  const over = 'addresses: [10.0.0.4], conditions: { ready: false, serving: false, terminating: true }';
  assert.deepEqual(places(serviceYaml('web') + slice([ending, unready, over])), ['10.0.0.2:8080']);
  assert.deepEqual(places(serviceYaml('web') + slice([unready, over])), []);
});

test('a service that publishes what is not ready has all of them', () => {
  assert.deepEqual(places(serviceYaml('web', '  publishNotReadyAddresses: true')
    + slice(['addresses: [10.0.0.1], conditions: { ready: false }', `addresses: [10.0.0.2], ${ENDING}`])),
  ['10.0.0.1:8080', '10.0.0.2:8080']);
});

test('a pod with addresses of both families counts once, by the service\'s own; one with the other counts', () => {
  const slices = slice([`addresses: [10.0.0.1], ${target('a')}`])
    + slice([`addresses: ['fd00::1'], ${target('a')}`, `addresses: ['fd00::2'], ${target('b')}`],
      { name: 'web-6', family: 'IPv6' });
  assert.deepEqual(places(serviceYaml('web') + slices), ['10.0.0.1:8080', 'fd00::2:8080']);
  assert.deepEqual(places(serviceYaml('web', '  ipFamilies: [IPv6, IPv4]') + slices),
    ['fd00::1:8080', 'fd00::2:8080']);
});

test('an endpoint is its pod: account and labels, also of pods that share their node\'s address', () => {
  const registry = registryOf(serviceYaml('web')
    + pod('a', '192.168.0.1', ', hostNetwork: true') + pod('b', '192.168.0.1', ', hostNetwork: true')
    + slice([`addresses: [192.168.0.1], ${target('b')}`]));
  assert.deepEqual(registry.byHost(WEB)!.endpoints.map(({ workload }) => workload.serviceAccount), ['sa-b']);
});

test('where an endpoint is its node\'s labels say, or its own', () => {
  const node = `
---
apiVersion: v1
kind: Node
metadata:
  name: n1
  labels: { topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-1, topology.istio.io/subzone: rack }`;
  const registry = registryOf(serviceYaml('web') + node
    + pod('a', '10.0.0.1', ', nodeName: n1') + pod('b', '10.0.0.2', ', nodeName: n1', ', istio-locality: us.us-2')
    + pod('c', '10.0.0.3', ', nodeName: n2')
    + slice([`addresses: [10.0.0.1], ${target('a')}`, `addresses: [10.0.0.2], ${target('b')}`,
      `addresses: [10.0.0.3], ${target('c')}`, 'addresses: [10.0.0.4], nodeName: n1']));
  assert.deepEqual(registry.byHost(WEB)!.endpoints.map(({ workload }) => workload.locality),
    ['eu/eu-1/rack', 'us/us-2', '', 'eu/eu-1/rack']);
});

const externalName = (host: string, ports = '[{ name: http, port: 80 }]'): string => `
---
apiVersion: v1
kind: Service
metadata: { name: alias, namespace: default }
spec: { type: ExternalName, externalName: ${host}, ports: ${ports} }`;
const ALIAS = 'alias.default.svc.cluster.local';

test('an ExternalName is a host that is looked up, outside of the mesh', () => {
  const service = registryOf(externalName('Api.example.com')).byHost(ALIAS)!;
  assert.deepEqual([service.resolution, service.external], ['dns', true]);
  assert.deepEqual(service.endpoints.map(({ address, port }) => `${address}:${port}`), ['api.example.com:80']);
});

test('an ExternalName of a service of the mesh is that service, with its identities', () => {
  const service = registryOf(externalName(WEB, '[]') + serviceYaml('web') + pod('a', '10.0.0.1')
    + slice([`addresses: [10.0.0.1], ${target('a')}`])).byHost(ALIAS)!;
  assert.deepEqual([service.resolution, service.external, service.name], ['static', false, 'alias']);
  assert.deepEqual(service.endpoints.map(({ workload }) => workload.serviceAccount), ['sa-a']);
  assert.deepEqual(service.ports.map(({ number }) => number), [9080]);
  // Two that name each other end somewhere.
  assert.ok(registryOf(externalName(ALIAS)).byHost(ALIAS));
});

test('what of a service has no effect is said', () => {
  const { findings } = registryOf(serviceYaml('web', '  sessionAffinity: ClientIP\n  trafficDistribution: PreferClose')
    + externalName('example.com', '[]'));
  assert.match(findings.map(findingText).join('\n'),
    /spec\.sessionAffinity: has no.*spec\.trafficDistribution: has no.*spec\.externalName: has no effect/s);
});
