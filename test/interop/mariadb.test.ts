// A real server that speaks first, MariaDB with its client, in pods that know nothing of a mesh: on a port that
// says its protocol and on one that does not, through two sidecars by mutual TLS; past them nobody reaches it.
import assert from 'node:assert/strict';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { inOwnNetwork } from '../harness/own-network.ts';
import { findProgram } from '../harness/peers.ts';
import { PodMesh } from '../harness/pod-mesh.ts';
import { APPLICATION_USER, makePods, type Answer, type Pod } from '../harness/pod-network.ts';
import { until } from '../harness/until.ts';

const SERVER = findProgram('mariadbd');
const missing = ['mariadbd', 'mariadb-install-db', 'mariadb'].find((name) => findProgram(name) === undefined);

const MESH = `
apiVersion: v1
kind: Service
metadata: { name: mysql, namespace: default }
spec: { clusterIP: 10.96.0.11, selector: { app: server }, ports: [{ name: tcp-mysql, port: 3306 }] }
---
apiVersion: v1
kind: Service
metadata: { name: unnamed, namespace: default }
spec: { clusterIP: 10.96.0.12, selector: { app: server }, ports: [{ port: 3307, targetPort: 3306 }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: server, namespace: default }
spec: { address: 10.9.0.12, labels: { app: server, security.istio.io/tlsMode: istio }, serviceAccount: server }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: default }
spec: { mtls: { mode: STRICT } }
`;
const USERS = `CREATE OR REPLACE USER shop@'%' IDENTIFIED BY 'secret';
GRANT ALL ON *.* TO shop@'%';
`;

if (missing !== undefined || SERVER === undefined) {
  const skip = `no ${missing} here (mariadb-server-core, mariadb-client-core)`;
  test('MariaDB in the mesh', { skip }, () => undefined);
} else {
  inOwnNetwork(import.meta.url, () => {
    const mesh = new PodMesh();
    let pods: Record<'client' | 'server' | 'outside', Pod>;

    before(async () => {
      writeFileSync(mesh.rules('mesh.yaml'), MESH);
      pods = makePods(['client', 'server', 'outside']);
      const { client, server } = pods;
      const users = mesh.write('users.sql', USERS);
      const folder = join(dirname(users), 'data');
      mkdirSync(folder);
      chownSync(folder, APPLICATION_USER, APPLICATION_USER);
      const own = ['--no-defaults', `--datadir=${folder}`];
      const made = await server.run('mariadb-install-db', ...own, '--skip-test-db', '--basedir=/usr');
      assert.equal(made.code, 0, made.stdout);
      mesh.startApplication(server, SERVER, ...own, '--port=3306', '--bind-address=0.0.0.0',
        `--socket=${join(folder, 'socket')}`, `--init-file=${users}`, '--skip-name-resolve',
        '--innodb-buffer-pool-size=8M');
      await mesh.startControl();
      await Promise.all([client, server].map((pod) => mesh.startSidecar(pod)));
      const isThere = async (): Promise<boolean> => (await ask(client, '10.96.0.11', 3306, 'select 1')).code === 0;
      await until('MariaDB answers', isThere, 60_000);
    });

    after(() => mesh[Symbol.asyncDispose]());

    function ask(pod: Pod, host: string, port: number, statement: string): Promise<Answer> {
      const where = ['--protocol=tcp', `--host=${host}`, `--port=${port}`, '--user=shop', '--password=secret'];
      return pod.run('timeout', '5', 'mariadb', '--no-defaults', ...where, '-N', '-B', '-e', statement);
    }

    const ports = [['named tcp-mysql', '10.96.0.11', 3306], ['without a name', '10.96.0.12', 3307]] as const;
    for (const [kind, host, port] of ports) {
      test(`a session on a port ${kind} comes from the server's own sidecar (MariaDB)`, async () => {
        for (let i = 0; i < 3; i++) {
          const { stdout } = await ask(pods.client, host, port, 'select user(), length(repeat("x", 1000))');
          assert.equal(stdout, 'shop@127.0.0.6\t1000\n');
        }
        const { stdout } = await ask(pods.client, host, port, 'select repeat("x", 700000)');
        assert.equal(stdout, `${'x'.repeat(700_000)}\n`);
      });
    }

    test('S98 who comes past the sidecar is not greeted (MariaDB)', async () => {
      const { code, stdout } = await ask(pods.outside, pods.server.ip, 3306, 'select 1');
      assert.notEqual(code, 0);
      assert.equal(stdout, '');
    });
  });
}
