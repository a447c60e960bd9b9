// The name table of a proxy: which services are in it, with which addresses, and how they are called.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../test/harness/mesh-fixture.ts';
import { nameTable } from './name-table.ts';
import { parseProxyNode } from './proxy-node.ts';

const MESH = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec: { clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00::1'], ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: db, namespace: default }
spec: { clusterIP: None, selector: { app: db }, ports: [{ name: tcp, port: 3306 }] }
---
apiVersion: v1
kind: Service
metadata: { name: plain, namespace: other }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: db, namespace: default }
spec: { address: 10.1.0.7, labels: { app: db } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api, namespace: default }
spec: { hosts: [api.example.com], ports: [{ number: 443, name: tls }], resolution: DNS }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: opted-out, namespace: default, labels: { networking.istio.io/enable-autoallocate-ip: 'false' } }
spec: { hosts: [out.example.com], ports: [{ number: 443, name: tls }], resolution: DNS }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: hidden, namespace: other }
spec: { hosts: [hidden.example.com], addresses: [10.2.0.1], exportTo: ['.'], ports: [{ number: 80, name: http }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: wild, namespace: default }
spec:
  hosts: ['*.wild.example']
  addresses: [10.3.0.1, 10.4.0.0/16]
  ports: [{ number: 80, name: http }]
  resolution: STATIC
  endpoints: [{ address: 10.3.0.9 }]
`;

function namesFor(metadata: Record<string, unknown>): Record<string, string[]> {
  const node = parseProxyNode({
    id: 'sidecar~10.9.0.1~a.default~default.svc.cluster.local', metadata: { NAMESPACE: 'default', ...metadata } });
  assert.ok(typeof node === 'object');
  const { table = {} } = nameTable(viewOf(MESH), node);
  return Object.fromEntries(Object.entries(table).map(([host, { ips, registry, shortname, namespace }]) => (
    [host, [registry ?? '', shortname ?? '', namespace ?? '', ...ips ?? []]])));
}

test('services with addresses, those of headless ones, and nothing that the namespace does not see', () => {
  assert.deepEqual(namesFor({ DNS_CAPTURE: 'true' }), {
    'web.default.svc.cluster.local': ['Kubernetes', 'web', 'default', '10.96.0.1', 'fd00::1'],
    'db.default.svc.cluster.local': ['Kubernetes', 'db', 'default', '10.1.0.7'],
    '*.wild.example': ['External', '', '', '10.3.0.1'],
  });
});

test('DNS_AUTO_ALLOCATE gives addresses to those that have none, of the families of the proxy', () => {
  const names = namesFor({ DNS_CAPTURE: 'true', DNS_AUTO_ALLOCATE: 'true' });
  assert.equal(names['api.example.com']?.length, 4);
  assert.match(names['api.example.com']?.at(-1) ?? '', /^240\.240\./);
  assert.match(names['plain.other.svc.cluster.local']?.at(-1) ?? '', /^240\.240\./);
  assert.equal(names['out.example.com'], undefined);
  const dual = namesFor({ DNS_CAPTURE: true, DNS_AUTO_ALLOCATE: true, INSTANCE_IPS: '10.9.0.1,fd00:9::1' });
  assert.deepEqual(dual['api.example.com']?.slice(0, 4), names['api.example.com']);
  assert.match(dual['api.example.com']?.at(-1) ?? '', /^2001:2::f0f0:/);
  assert.equal(namesFor({ DNS_AUTO_ALLOCATE: 'true' })['api.example.com'], undefined, 'without DNS there is no use');
});
