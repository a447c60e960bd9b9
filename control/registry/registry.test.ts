// Services and their endpoints from every kind of object that describes them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inventoryOf, serviceYaml, workloadYaml } from '../../test/harness/mesh-fixture.ts';
import { findingText } from '../model/mesh-object.ts';
import { atOnce } from '../model/steps.ts';
import { checkReferences } from './reference-check.ts';
import { Registry } from './registry.ts';

function registryOf(yaml: string): Registry {
  return new Registry(inventoryOf(yaml), 'cluster.local');
}

/** `address:port workload tls` of each endpoint. */
function endpoints(registry: Registry, host: string): string[] {
  return (registry.byHost(host)?.endpoints ?? []).map(({ address, port, workload }) =>
    `${address}:${port} ${workload.workloadName} ${workload.tlsMode}`);
}

const POD = `
---
apiVersion: v1
kind: Pod
metadata:
  name: reviews-v1-6d8c4f7b9-x2x4z
  namespace: default
  labels: { app: reviews, version: v1, pod-template-hash: 6d8c4f7b9, security.istio.io/tlsMode: istio }
spec: { serviceAccountName: bookinfo-reviews, containers: [{ name: a, ports: [{ name: web, containerPort: 8080 }] }] }
status: { podIP: 10.0.0.1, phase: Running, conditions: [{ type: Ready, status: 'True' }] }
`;

const REVIEWS = 'reviews.default.svc.cluster.local';

test('Endpoints take labels and identity from the pods that they name', () => {
  const registry = registryOf(`${serviceYaml('reviews')}${POD}
---
apiVersion: v1
kind: Endpoints
metadata: { name: reviews, namespace: default }
subsets:
  - addresses:
      - { ip: 10.0.0.1, targetRef: { kind: Pod, name: reviews-v1-6d8c4f7b9-x2x4z, namespace: default } }
      - { ip: 10.0.0.2 }
    notReadyAddresses: [{ ip: 10.0.0.3 }]
    ports: [{ name: http, port: 8080 }, { name: other, port: 1 }]
`);
  assert.deepEqual(endpoints(registry, REVIEWS), ['10.0.0.1:8080 reviews-v1 istio', '10.0.0.2:8080 reviews disabled']);
  assert.equal(registry.byHost(REVIEWS)?.endpoints[0]?.workload.serviceAccount, 'bookinfo-reviews');
});

test('EndpointSlices go before Endpoints, and leave out what is not ready', () => {
  const registry = registryOf(`${serviceYaml('reviews')}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: reviews-x, namespace: default, labels: { kubernetes.io/service-name: reviews } }
addressType: IPv4
endpoints:
  - { addresses: [10.0.0.1], conditions: { ready: true } }
  - { addresses: [10.0.0.2], conditions: { ready: false } }
  - { addresses: [10.0.0.3, 10.0.0.3] }
ports: [{ name: http, port: 9080 }]
`);
  assert.deepEqual(endpoints(registry, REVIEWS), ['10.0.0.1:9080 reviews disabled', '10.0.0.3:9080 reviews disabled']);
});

test('without Endpoints the selector finds pods, by name or number of the target port', () => {
  for (const [target, port] of [['web', 8080], [7070, 7070]] as const) {
    const service = serviceYaml('reviews').replace('port: 9080', `port: 9080, targetPort: ${target}`);
    assert.deepEqual(endpoints(registryOf(service + POD), REVIEWS), [`10.0.0.1:${port} reviews-v1 istio`]);
  }
  const unready = POD.replace("status: 'True'", "status: 'False'");
  assert.deepEqual(endpoints(registryOf(serviceYaml('reviews') + unready), REVIEWS), []);
});

test('workload entries belong to the service that selects them, with mutual TLS where they have an identity', () => {
  const entries = workloadYaml('reviews-v1-a', 'reviews', 'v1', '10.0.0.1')
    + workloadYaml('ratings-v1', 'ratings', 'v1', '10.0.0.2')
    + workloadYaml('old', 'reviews', 'v0', '10.0.0.3').replace('  serviceAccount: bookinfo-reviews\n', '');
  assert.deepEqual(endpoints(registryOf(serviceYaml('reviews') + entries), REVIEWS),
    ['10.0.0.1:9080 reviews-v1-a istio', '10.0.0.3:9080 old disabled']);
});

test('a ServiceEntry is a service for each host, by address or by DNS', () => {
  const registry = registryOf(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: outside, namespace: default }
spec:
  hosts: [a.test, b.test]
  ports: [{ number: 443, name: tls, protocol: TLS, targetPort: 8443 }]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: inside, namespace: default }
spec:
  hosts: [c.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http }]
  endpoints: [{ address: 10.0.0.5, ports: { http: 8080 }, serviceAccount: c, weight: 3 }]
`);
  assert.deepEqual(endpoints(registry, 'b.test'), ['b.test:8443 outside disabled']);
  assert.equal(registry.byHost('b.test')?.resolution, 'dns');
  assert.deepEqual(endpoints(registry, 'c.test'), ['10.0.0.5:8080 inside istio']);
});

const entry = (name: string, spec: string, namespace = 'default'): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: ${namespace} }
spec: { hosts: [a.test], ${spec} }
`;

test('entries of one namespace for one host add up, and others are an error', () => {
  const ports = 'ports: [{ number: 80, name: http }';
  const one = entry('a', `${ports}], resolution: STATIC, addresses: [240.0.0.1], endpoints: [{ address: 10.0.0.1 }]`);
  const two = entry('b', `${ports}, { number: 90, name: tcp }], resolution: STATIC,
    addresses: [240.0.0.2/32, 10.0.0.0/8], subjectAltNames: [x],
    endpoints: [{ address: 10.0.0.2 }, { address: 10.0.0.1 }]`);
  const merged = registryOf(two + one);
  assert.deepEqual(endpoints(merged, 'a.test'),
    ['10.0.0.1:80 a disabled', '10.0.0.2:80 b disabled', '10.0.0.2:90 b disabled', '10.0.0.1:90 b disabled']);
  const { ports: both, addresses, subjectAltNames } = merged.byHost('a.test')!;
  assert.deepEqual([both.map(({ number }) => number), addresses, subjectAltNames],
    [[80, 90], ['240.0.0.1', '240.0.0.2'], ['x']]);
  assert.match(merged.findings.map(findingText).join('\n'), /addresses\[1\]: has no effect where .* a range/);
  const dns = registryOf(one + entry('b', `${ports}], resolution: DNS`));
  assert.match(dns.findings.map(findingText)[0] ?? '', /already that of test\.yaml:\d+ with another resolution/);
  const elsewhere = registryOf(one + entry('b', `${ports}], resolution: STATIC`, 'other'));
  assert.match(elsewhere.findings.map(findingText)[0] ?? '', /other\/b: host a\.test is already that of/);
});

test('a workload entry has from its group what it does not say itself', () => {
  const group = `
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: vms, namespace: default }
spec:
  metadata: { labels: { app: reviews } }
  template: { ports: { http: 8080 }, labels: { version: v1 }, serviceAccount: vm, locality: r/z, weight: 5 }
`;
  const member = (name: string, spec: string, of = 'vms'): string => `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}, namespace: default, annotations: { istio.io/autoRegistrationGroup: ${of} } }
spec: { ${spec} }
`;
  const registry = registryOf(serviceYaml('reviews') + group + member('a', 'address: 10.0.0.1')
    + member('b', 'address: 10.0.0.2, ports: { http: 1 }, weight: 2') + member('c', 'address: 10.0.0.3', 'none'));
  const found = registry.byHost(REVIEWS)?.endpoints.map(({ address, port, workload }) =>
    [address, port, workload.tlsMode, workload.locality, workload.weight, workload.labels.get('version')]);
  assert.deepEqual(found, [['10.0.0.1', 8080, 'istio', 'r/z', 5, 'v1'], ['10.0.0.2', 1, 'istio', 'r/z', 2, 'v1']]);
  assert.match(registry.findings.map(findingText).join(),
    /WorkloadEntry default\/c .*no WorkloadGroup 'default\/none'/);
});

test('exportTo hides a service from other namespaces', () => {
  const own = serviceYaml('reviews').replace('namespace: default }',
    "namespace: default, annotations: { networking.istio.io/exportTo: '.' } }");
  const registry = registryOf(own);
  assert.equal(registry.visibleFrom('default').length, 1);
  assert.equal(registry.visibleFrom('other').length, 0);
});

test('a port whose name says no protocol is found out, and that is said', () => {
  const registry = registryOf(serviceYaml('reviews').replace('name: http', 'name: htp-web'));
  assert.equal(registry.byHost(REVIEWS)?.ports[0]?.protocol, 'auto');
  assert.match(registry.findings.map(findingText).join('\n'), /^test\.yaml:8: .*carried as TCP.*did you mean 'http'/);
});

test('rules that name unknown hosts, subsets, ports and gateways are warned about with their place', () => {
  const yaml = `${serviceYaml('reviews')}${workloadYaml('reviews-v1', 'reviews', 'v1', '10.0.0.1')}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews, namespace: default }
spec: { host: reviews, subsets: [{ name: v1, labels: { version: v1 } }, { name: v9, labels: { version: v9 } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews, namespace: default }
spec:
  hosts: [reviews]
  gateways: [mesh, ingres]
  http:
    - match: [{ uri: { exact: /a } }]
      route: [{ destination: { host: reviws } }]
    - route:
        - { destination: { host: reviews, subset: v2, port: { number: 80 } }, weight: 1 }
        - { destination: { host: reviews, subset: v1 }, weight: 1 }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ingress, namespace: default }
spec: { servers: [{ hosts: ['*'], port: { number: 80, name: http, protocol: HTTP } }] }
`;
  const inventory = inventoryOf(yaml);
  const registry = new Registry(inventory, 'cluster.local');
  const findings = atOnce(checkReferences(inventory, registry, 'istio-system')).map(findingText);
  const expected = [
    /no Gateway 'default\/ingres'; did you mean 'ingress'/,
    /spec\.http\[0\].*no service 'reviws\.default\.svc\.cluster\.local': requests get 503; did you mean 'reviews'/,
    /spec\.http\[1\]\.route\[0\]\.destination\.port: .*no port 80, but 9080/,
    /spec\.http\[1\]\.route\[0\]\.destination\.subset: .*subset 'v2'.*did you mean 'v1'/,
    /DestinationRule default\/reviews spec\.subsets\[1\]: no endpoint has the labels of v9/,
  ];
  for (const pattern of expected) {
    assert.equal(findings.filter((text) => pattern.test(text)).length, 1, String(pattern));
  }
  assert.equal(findings.length, expected.length, findings.join('\n'));
  const line = yaml.split('\n').findIndex((text) => text.includes('reviws')) + 1;
  assert.ok(findings.some((text) => text.startsWith(`test.yaml:${line}: `) && text.includes('reviws')));
});
