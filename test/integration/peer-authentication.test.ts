// PeerAuthentication at each level through a weft sidecar: who gets in, in clear (node:net) and by mTLS (node:tls).
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { testLeaf } from '../harness/certificates.ts';
import { POD, startMeshSidecar } from '../harness/mesh-sidecar.ts';
import { until } from '../harness/until.ts';

/** A server of bytes that are no protocol's, and of HTTP: it answers anything with this. */
const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const ASK = 'GET / HTTP/1.1\r\nhost: self\r\n\r\n';

interface Ports {
  readonly http: number;
  readonly tcp: number;
  /** A second HTTP port, for which modes are said apart. */
  readonly other: number;
}

function mesh({ http, tcp, other }: Ports, policies: string): string {
  return `
apiVersion: v1
kind: Service
metadata: { name: self, namespace: default }
spec:
  selector: { app: self }
  ports: [{ name: http, port: 80 }, { name: tcp, port: 81 }, { name: http-other, port: 82 }]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: self-1, namespace: default }
spec: { address: ${POD}, ports: { http: ${http}, tcp: ${tcp}, http-other: ${other} }, labels: { app: self } }
${policies}`;
}

function policy(namespace: string, spec: string): string {
  return `---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: ${spec.includes('selector') ? 'own' : 'all'}, namespace: ${namespace} }
spec: ${spec}
`;
}

async function answered(socket: Socket): Promise<boolean> {
  let text = '';
  socket.on('error', () => {}).on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    if (text.endsWith('ok')) socket.destroy();
  });
  socket.write(ASK);
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return text.startsWith('HTTP/1.1 200');
}

test('S57 modes of mesh, namespace, workload and port hold on HTTP and TCP ports', async (t) => {
  const app = createServer((socket) => socket.on('error', () => {}).on('data', () => socket.write(ANSWER)));
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  t.after(() => app.close());
  const [http, tcp, other] = await freePorts(3) as [number, number, number];
  const ports = { http, tcp, other };
  const target = (app.address() as AddressInfo).port;
  const apps = new Map([http, tcp, other].map((port) => [port, target]));
  const sidecar = await startMeshSidecar(t, mesh(ports, ''), apps);
  const leaf = testLeaf(sidecar.own);
  const clear = (port: number): Promise<boolean> => answered(connect(port, POD));
  const mutual = (port: number): Promise<boolean> => answered(connectTls({
    port, host: POD, cert: leaf.chain, key: leaf.key, rejectUnauthorized: false, ALPNProtocols: ['istio'],
  }));
  /** `clear`, `mutual`, or both, for each port. */
  const modes = async (): Promise<string> => {
    const each = [http, tcp, other].map(async (port) => (
      `${await clear(port) ? 'clear' : ''} ${await mutual(port) ? 'mutual' : ''}`.trim()
    ));
    return (await Promise.all(each)).join(', ');
  };
  const both = 'clear mutual';
  const selector = 'selector: { matchLabels: { app: self } }';
  const strictMesh = policy('istio-system', '{ mtls: { mode: STRICT } }');
  const ofPorts = `{ ${tcp}: { mode: DISABLE }, ${other}: { mode: PERMISSIVE } }`;
  const cases: readonly (readonly [string, string, string])[] = [
    ['nothing said', '', `${both}, ${both}, ${both}`],
    ['the mesh', strictMesh, 'mutual, mutual, mutual'],
    ['the namespace over the mesh', strictMesh + policy('default', '{ mtls: { mode: PERMISSIVE } }'),
      `${both}, ${both}, ${both}`],
    ['the workload over its namespace', policy('default', '{ mtls: { mode: STRICT } }')
      + policy('default', `{ ${selector}, mtls: { mode: DISABLE } }`), 'clear, clear, clear'],
    ['ports over their workload', strictMesh + policy('default', `{ ${selector}, portLevelMtls: ${ofPorts} }`),
      `mutual, clear, ${both}`],
    ['UNSET inherits', strictMesh + policy('default', '{ mtls: { mode: UNSET } }'), 'mutual, mutual, mutual'],
  ];
  for (const [name, policies, expected] of cases) {
    sidecar.write(mesh(ports, policies));
    let found = '';
    await until(`${name}: ${expected}`, async () => (found = await modes()) === expected)
      .catch((cause: Error) => assert.fail(`${cause.message}; last ${found}`));
  }
});
