// Where a pod may call to under NetworkPolicies for egress, asked through its sidecar by undici.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { startControlled, WITHOUT_MTLS } from './controlled-proxy.ts';
import { EchoServer } from './echo-server.ts';
import type { ProxyKind } from './proxy-process.ts';
import { until } from './until.ts';

const entry = (name: string, port: number, resolution: string): string => `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: default }
spec:
  hosts: [${name}.test]
  resolution: ${resolution}
  ports: [{ name: http, number: 80, targetPort: ${port} }]
  endpoints: [{ address: ${resolution === 'DNS' ? 'localhost' : '127.0.0.1'} }]
`;

/** Pods have this machine's address; a Service finds them. */
const service = (name: string, port: number): string => `---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 80, targetPort: ${port} }] }
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}-1, namespace: default, labels: { app: ${name} } }
spec: { containers: [] }
status: { podIP: 127.0.0.1, phase: Running }
`;

const POLICY = (port: number): string => `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: self, namespace: default }
spec:
  podSelector: { matchLabels: { app: self } }
  policyTypes: [Egress]
  egress:
    - to: [{ podSelector: { matchLabels: { app: friend } } }]
    - { to: [{ ipBlock: { cidr: 127.0.0.0/24, except: [127.0.0.9] } }], ports: [{ port: ${port} }] }
`;

export async function judgeEgress(t: TestContext, kind: ProxyKind): Promise<void> {
  await using app = await EchoServer.start('app');
  await using block = await EchoServer.start('block');
  const [outbound = 0] = await freePorts(1);
  const yaml = WITHOUT_MTLS + service('friend', app.port) + service('stranger', app.port)
    + entry('listed', block.port, 'STATIC') + entry('other', app.port, 'STATIC') + entry('named', block.port, 'DNS')
    + POLICY(block.port);
  await startControlled(t, kind, yaml, {
    role: 'sidecar', address: '127.0.0.9',
    metadata: { LABELS: { app: 'self' }, WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}` },
  });
  const ask = async (host: string): Promise<number> => {
    const { statusCode, body } = await request(`http://127.0.0.1:${outbound}/`, { headers: { host } });
    await body.dump();
    return statusCode;
  };
  await until('the friend', async () => (await ask('friend').catch(() => 0)) === 200);
  assert.deepEqual([await ask('friend'), await ask('listed.test')], [200, 200]);
  assert.deepEqual([await ask('stranger'), await ask('other.test'), await ask('named.test')], [503, 503, 503],
    'other pods, other ports, and addresses that only DNS knows');
}
