// A weft sidecar of a mesh whose MeshConfig names another trust domain and an old name: node:tls clients of each.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openStore } from '../../certs/store.ts';
import { startControl } from '../../control/control.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import type { TestIssuer } from '../harness/certificates.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { believesClient } from '../harness/mutual-tls.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { ServerProcess, answers } from '../harness/process.ts';
import { until } from '../harness/until.ts';
import { xdsBootstrap } from '../harness/xds-mesh.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const LOOPBACK = { host: '127.0.0.1', port: 0 };
const POD = '127.0.0.9';
const west = testRoot('west.example');

const mesh = (port: number): string => `
apiVersion: v1
kind: Service
metadata: { name: self, namespace: default }
spec: { selector: { app: self }, ports: [{ name: http, port: 9080 }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: self-1, namespace: default }
spec: { address: ${POD}, ports: { http: ${port} }, labels: { app: self } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: callers, namespace: default }
spec:
  rules:
    - from: [{ source: { principals: [cluster.local/ns/default/sa/caller, west.example/ns/default/sa/caller] } }]
---
apiVersion: mesh.istio.io/v1alpha1
kind: MeshConfig
metadata: { name: default, namespace: istio-system }
spec:
  trustDomainAliases: [old.domain]
  caCertificates: [{ trustDomains: [west.example], pem: ${JSON.stringify(west.cert)} }]
`;

test('S52 S57 a mesh takes its own, its old and its neighbour\'s workloads, each by its own roots', async (t) => {
  const folder = temporaryFolder(t);
  await using app = await EchoServer.start('app');
  const [port, admin] = await freePorts(2) as [number, number];
  writeFileSync(join(folder, 'mesh.yaml'), mesh(port));
  const control = await startControl({
    configDir: folder, caDir: join(folder, 'ca'), xds: LOOPBACK, secure: LOOPBACK, http: LOOPBACK,
    log: { info: () => undefined, warning: () => undefined },
  });
  t.after(() => control.close());
  const token = join(folder, 'token');
  writeFileSync(token, await control.mintToken({
    trustDomain: 'cluster.local', path: '/ns/default/sa/self', namespace: 'default', serviceAccount: 'self',
  }), { mode: 0o600 });
  const bootstrap = join(folder, 'bootstrap.json');
  const address = `${control.secure.host}:${control.secure.port}`;
  writeFileSync(bootstrap, xdsBootstrap(admin, control.xds.port, {
    id: `sidecar~${POD}~self-1.default~default.svc.cluster.local`,
    cluster: 'self.default',
    metadata: {
      NAMESPACE: 'default', LABELS: { app: 'self' }, INSTANCE_IPS: POD, SERVICE_ACCOUNT: 'self',
      WEFT_APP_PORTS: { [port]: `127.0.0.1:${app.port}` },
      WEFT_CA: { address, token_file: token, root_file: control.rootFile, trust_domain: 'cluster.local' },
    },
  }));
  const args = [WEFT, 'proxy', '-c', bootstrap, '--concurrency', '1', '--log-level', 'warning'];
  await using sidecar = new ServerProcess(process.execPath, args, { name: 'weft' });
  await sidecar.until(() => answers(`http://127.0.0.1:${admin}/ready`));
  const { certificate, key } = openStore({ dir: join(folder, 'ca') });
  const own: TestIssuer = { der: certificate.raw, privateKey: key, x509: certificate, chain: '' };
  const asks = (issuer: TestIssuer, identity: string): Promise<boolean> => (
    believesClient(port, testLeaf(issuer, { identity }), { host: POD })
  );
  await until('the own workload is let in', () => asks(own, 'spiffe://cluster.local/ns/default/sa/caller'));
  const cases: readonly (readonly [TestIssuer, string, boolean])[] = [
    [own, 'spiffe://old.domain/ns/default/sa/caller', true],
    [west, 'spiffe://west.example/ns/default/sa/caller', true],
    [west, 'spiffe://west.example/ns/default/sa/other', false],
    [west, 'spiffe://cluster.local/ns/default/sa/caller', false],
    [west, 'spiffe://old.domain/ns/default/sa/caller', false],
    [own, 'spiffe://west.example/ns/default/sa/caller', false],
    [own, 'spiffe://third.domain/ns/default/sa/caller', false],
  ];
  for (const [issuer, identity, expected] of cases) {
    assert.equal(await asks(issuer, identity), expected, `${identity} by ${issuer === west ? 'west' : 'own'}`);
  }
});
