// Lazy sidecars: what they are told at first, and what each host brings with it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeOf, serviceYaml, viewOf, workloadYaml } from '../../test/harness/mesh-fixture.ts';
import type { ProxyResources } from './proxy-resources.ts';
import { Translator } from './proxy-resources.ts';

const manyServices = (count: number): string =>
  Array.from({ length: count }, (_, i) => serviceYaml(`svc-${i}`)).join('');

const MODES = {
  explicit: { WEFT_OUTBOUND_LISTEN: '127.0.0.1:15001' }, redirected: { INTERCEPTION_MODE: 'REDIRECT' },
} as const;

function resources(yaml: string, mode: keyof typeof MODES = 'explicit', more = {}): ProxyResources {
  return new Translator(viewOf(yaml)).resourcesFor(nodeOf({ WEFT_LAZY: 'true', ...MODES[mode], ...more }));
}

/** Of a host: its domains, and the services of its clusters. */
function answer({ onDemand }: ProxyResources, name: string): string[] | undefined {
  const found = onDemand!(name);
  return found && [...found.host.domains, ...found.clusters.map(({ cluster }) => cluster.name)];
}

const RULES = `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: rules, namespace: default }
spec:
  hosts: [svc-0]
  http:
    - route:
        - { destination: { host: svc-1, subset: v1 }, weight: 10 }
        - { destination: { host: svc-2 }, weight: 90 }
      mirror: { host: svc-3 }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: rules, namespace: default }
spec: { host: svc-1, subsets: [{ name: v1, labels: { version: v1 } }] }
`;

for (const mode of ['explicit', 'redirected'] as const) {
  test(`a lazy ${mode} sidecar is told as much in a mesh of 200 services as in one of 10`, () => {
    const sizes = [10, 200].map((count) => {
      const { listeners, clusters, routes, endpoints } = resources(manyServices(count), mode);
      return JSON.stringify([listeners, clusters, routes, endpoints]).length;
    });
    assert.equal(sizes[0], sizes[1]);
    const { listeners, routes } = resources(manyServices(10), mode);
    const text = JSON.stringify(listeners);
    assert.ok(text.includes('on_demand') && routes.every(({ vhds }) => vhds !== undefined));
  });
}

test('a host brings all clusters that its routes name: weights, subsets, mirrors', () => {
  const names = answer(resources(manyServices(5) + RULES), 'http_proxy/svc-0')!;
  assert.deepEqual(names.map((name) => name.replace('.default.svc.cluster.local', '')).toSorted(),
    ['outbound|9080|v1|svc-1', 'outbound|9080||svc-2', 'outbound|9080||svc-3', 'svc-0']);
});

test('a host is found by each of its names, and has the one by which it was asked for', () => {
  const made = resources(manyServices(2));
  for (const host of ['svc-1', 'svc-1.default', 'svc-1.default.svc', 'svc-1.default.svc.cluster.local']) {
    for (const authority of [host, `${host}:9080`, host.toUpperCase()]) {
      assert.deepEqual(answer(made, `http_proxy/${authority}`),
        [authority, 'outbound|9080||svc-1.default.svc.cluster.local']);
    }
  }
  assert.equal(made.onDemand!('http_proxy/svc-1')?.host.name, 'http_proxy/svc-1');
});

test('a host that is nobody\'s gets what the mesh does with such; other tables and hostile names nothing', () => {
  const made = resources(manyServices(2), 'redirected');
  assert.deepEqual(answer(made, '9080/elsewhere.test'), ['elsewhere.test']);
  assert.ok(JSON.stringify(made.onDemand!('9080/elsewhere.test')).includes('PassthroughCluster'));
  for (const name of ['9081/svc-1', 'svc-1', '9080/', '9080/*', '9080/*.test', '9080/a b', `9080/${'a'.repeat(263)}`]) {
    assert.equal(made.onDemand!(name), undefined, name);
  }
});

test('hosts that rules know by a pattern are found by what fits best', () => {
  const rule = (name: string, host: string): string => `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: default }
spec: { hosts: ['${host}'], http: [{ name: ${name}, directResponse: { status: 410 } }] }
`;
  const made = resources(rule('wide', '*.test') + rule('narrow', '*.b.test') + rule('exact', 'a.b.test'));
  const found = (authority: string): string => made.onDemand!(`http_proxy/${authority}`)!.host.routes![0]!.name!;
  assert.deepEqual(['a.b.test', 'c.b.test', 'c.test', 'test'].map(found), ['exact', 'narrow', 'wide', 'block_all']);
});

test('clusters of TCP services come at once: their listeners are no table\'s', () => {
  const tcp = `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: db, namespace: default }
spec:
  hosts: [db.test]
  addresses: [240.0.0.9]
  resolution: STATIC
  ports: [{ number: 3306, name: tcp }]
  endpoints: [{ address: 127.0.0.1 }]
`;
  const { clusters, endpoints } = resources(manyServices(2) + tcp, 'redirected');
  assert.deepEqual(clusters.map(({ name }) => name).filter((name) => name.startsWith('outbound')),
    ['outbound|3306||db.test']);
  assert.deepEqual(endpoints.map(({ clusterName }) => clusterName), ['outbound|3306||db.test']);
});

test('a Sidecar holds for lazy ones: what it does not name is nobody\'s', () => {
  const sidecar = `---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: s, namespace: default }
spec: { egress: [{ hosts: ['./svc-1.default.svc.cluster.local'] }] }
`;
  const made = resources(manyServices(3) + sidecar);
  assert.equal(answer(made, 'http_proxy/svc-1')?.length, 2);
  assert.deepEqual(answer(made, 'http_proxy/svc-2'), ['svc-2']);
});

test('gateways are never lazy, and other sidecars are not', () => {
  const yaml = manyServices(3) + workloadYaml('web-1', 'web', 'v1', '10.0.0.1');
  const others = [nodeOf({ WEFT_LAZY: 'true' }, { kind: 'router' }), nodeOf(MODES.explicit)];
  for (const node of others) assert.equal(new Translator(viewOf(yaml)).resourcesFor(node).onDemand, undefined);
});
