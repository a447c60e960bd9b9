// Which rule holds where several speak of one host: Istio's order by age, name, namespace, and how close a host is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeOf, serviceYaml, viewOf } from '../../test/harness/mesh-fixture.ts';
import { Translator, type ProxyResources } from './proxy-resources.ts';

const SIDECAR = { WEFT_OUTBOUND_LISTEN: '127.0.0.1:15007' };

interface Named {
  readonly kind: 'VirtualService' | 'DestinationRule';
  readonly name: string;
  readonly namespace?: string;
  readonly created?: string;
  readonly spec: string;
}

const object = ({ kind, name, namespace = 'default', created, spec }: Named): string => `
---
apiVersion: networking.istio.io/v1
kind: ${kind}
metadata:
  { name: ${name}, namespace: ${namespace}, creationTimestamp: ${created === undefined ? 'null' : `'${created}'`} }
spec: ${spec}
`;

/** A rule whose one answer is a status. */
const answers = (name: string, status: number, more: Partial<Named> = {}, spec = 'hosts: [a]'): string =>
  object({ kind: 'VirtualService', name, spec: `{ ${spec}, http: [{ directResponse: { status: ${status} } }] }`,
    ...more });

const MESH = serviceYaml('a') + serviceYaml('a').replace('namespace: default', 'namespace: other');
const HOST = 'a.default.svc.cluster.local';

function resources(yaml: string, namespace = 'default'): ProxyResources {
  return new Translator(viewOf(MESH + yaml)).resourcesFor(nodeOf({ ...SIDECAR, NAMESPACE: namespace }));
}

/** The status of the rule that holds for a host. */
function statusOf(yaml: string, { namespace = 'default', host = HOST } = {}): number | undefined {
  const table = resources(yaml, namespace).routes[0];
  const found = table?.virtualHosts?.find(({ domains }) => domains.includes(host));
  return found?.routes?.at(-1)?.directResponse?.status;
}

test('of several VirtualServices the oldest holds, then the first by name, wherever it is written', () => {
  assert.equal(statusOf(answers('b', 201) + answers('a', 202)), 202);
  const old = { created: '2024-01-01T00:00:00Z' };
  const young = { created: '2025-01-01T00:00:00Z' };
  assert.equal(statusOf(answers('a', 201, young) + answers('b', 202, old)), 202);
  assert.equal(statusOf(answers('a', 201, old) + answers('b', 202)), 202);
  const full = `hosts: [${HOST}]`;
  assert.equal(statusOf(answers('a', 201, { namespace: 'z' }, full) + answers('a', 202, {}, full)), 202);
});

test('the closest host holds, whatever its age', () => {
  const old = { created: '2024-01-01T00:00:00Z' };
  const young = { created: '2025-01-01T00:00:00Z' };
  const wide = answers('w', 201, old, "hosts: ['*.svc.cluster.local']");
  const closer = answers('c', 202, young, "hosts: ['*.default.svc.cluster.local']");
  assert.equal(statusOf(wide + closer), 202);
  assert.equal(statusOf(wide + closer + answers('e', 203, young)), 203);
  assert.equal(statusOf(wide + closer, { host: 'a.other.svc.cluster.local' }), 201);
});

test("short names are those of the rule's namespace, and exportTo hides a rule from others", () => {
  const other = answers('v', 201, { namespace: 'other' });
  assert.equal(statusOf(other), undefined);
  assert.equal(statusOf(other, { host: 'a.other.svc.cluster.local' }), 201);
  const exported = (to: string) => answers('v', 202, { namespace: 'other' }, `hosts: [${HOST}], exportTo: ['${to}']`);
  assert.deepEqual(['*', '.', '~', 'default', 'third'].map((to) => statusOf(exported(to))),
    [202, undefined, undefined, 202, undefined]);
  assert.equal(statusOf(exported('.'), { namespace: 'other' }), 202);
});

/** A rule that is told by its connect timeout. */
const times = (name: string, seconds: number, host: string, more: Partial<Named> = {}, extra = ''): string =>
  object({ kind: 'DestinationRule', name, ...more,
    spec: `{ host: ${host}, ${extra} trafficPolicy: { connectionPool: { tcp: { connectTimeout: ${seconds}s } } } }` });

const timeoutOf = (yaml: string, namespace = 'default', name = `outbound|9080||${HOST}`): string | undefined =>
  resources(yaml, namespace).clusters.find((cluster) => cluster.name === name)?.connectTimeout;

test('of DestinationRules the caller, then the service, then the root decides; then host, age, name', () => {
  const root = times('r', 1, HOST, { namespace: 'istio-system' });
  const service = times('s', 2, 'a');
  const caller = times('c', 3, HOST, { namespace: 'third' });
  assert.deepEqual([root, root + service, root + service + caller].map((yaml) => timeoutOf(yaml, 'third')),
    ['1s', '2s', '3s']);
  assert.equal(timeoutOf(root + service + caller), '2s');
  const wide = times('w', 4, "'*.svc.cluster.local'", { namespace: 'third' });
  assert.equal(timeoutOf(service + wide, 'third'), '4s', 'a namespace goes before how close the host is');
  assert.equal(timeoutOf(wide + caller, 'third'), '3s');
  const old = times('z', 5, 'a', { created: '2024-01-01T00:00:00Z' });
  const young = times('a', 6, 'a', { created: '2025-01-01T00:00:00Z' });
  assert.equal(timeoutOf(young + old), '5s');
  assert.equal(timeoutOf(times('b', 7, 'a') + times('a', 8, 'a')), '8s');
});

test('a DestinationRule that is not exported to the caller is passed over', () => {
  const root = times('r', 1, HOST, { namespace: 'istio-system' });
  const hidden = times('s', 2, 'a', {}, "exportTo: ['.'],");
  assert.equal(timeoutOf(root + hidden, 'third'), '1s');
  assert.equal(timeoutOf(root + hidden), '2s');
});

test("a subset's settings go before the port's, those of its own port before them, and a port inherits nothing", () => {
  const pool = (seconds: number): string => `connectionPool: { tcp: { connectTimeout: ${seconds}s } }`;
  const level = (seconds: number): string => `portLevelSettings: [{ port: { number: 9080 }, ${pool(seconds)} }]`;
  const rule = (top: string, subset: string): string => object({ kind: 'DestinationRule', name: 'd',
    spec: `{ host: a, trafficPolicy: { ${top} }, subsets: [{ name: v1, trafficPolicy: { ${subset} } }] }` });
  const of = (top: string, subset: string): string | undefined =>
    timeoutOf(rule(top, subset), 'default', `outbound|9080|v1|${HOST}`);
  assert.equal(of(pool(1), ''), '1s');
  assert.equal(of(`${pool(1)}, ${level(2)}`, ''), '2s');
  assert.equal(of(`${pool(1)}, ${level(2)}`, pool(3)), '3s');
  assert.equal(of(`${pool(1)}, ${level(2)}`, `${pool(3)}, ${level(4)}`), '4s');
  const nothing = 'portLevelSettings: [{ port: { number: 9080 }, outlierDetection: {} }]';
  assert.equal(of(`${pool(1)}, ${nothing}`, ''), '10s');
});
