// Pods whose connections `weft init` redirects through their sidecars, with applications that know nothing of a mesh
// (curl, Python's http.server, bash): what our control plane says holds for what they call and for who calls them.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { inOwnNetwork } from '../harness/own-network.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { curl, PodMesh, WEB, WEFT } from '../harness/pod-mesh.ts';
import { makePods, type Pod } from '../harness/pod-network.ts';
import { until } from '../harness/until.ts';

const withoutEnvoy = reasonToSkip(findEnvoy(false));
const WEB_IP = '10.96.0.10';
const BYTES_IP = '10.96.0.11';
const ANY_IP = '10.96.0.12';

/** Speaks first, as databases do. */
const BYTES = `
import socketserver, sys
class Greet(socketserver.BaseRequestHandler):
    def handle(self): self.request.sendall(b'hello\\n')
class Server(socketserver.ThreadingTCPServer): allow_reuse_address = True
Server(('0.0.0.0', int(sys.argv[1])), Greet).serve_forever()`;

const MESH = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec: { clusterIP: ${WEB_IP}, selector: { app: server }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: bytes, namespace: default }
spec: { clusterIP: ${BYTES_IP}, selector: { app: server }, ports: [{ name: tcp, port: 9000 }] }
---
# Names that say no protocol.
apiVersion: v1
kind: Service
metadata: { name: any, namespace: default }
spec: { clusterIP: ${ANY_IP}, selector: { app: server }, ports: [{ name: db, port: 3306 }, { name: api, port: 8081 }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: server, namespace: default, labels: { app: server, security.istio.io/tlsMode: istio } }
spec: { address: 10.9.0.12, labels: { app: server, security.istio.io/tlsMode: istio }, serviceAccount: server }
`;
const STRICT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: default }
spec: { mtls: { mode: STRICT } }
`;
const networkPolicy = (address: string, port: number): string => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: server, namespace: default }
spec:
  podSelector: { matchLabels: { app: server } }
  ingress: [{ from: [{ ipBlock: { cidr: ${address}/32 } }], ports: [{ port: ${port} }] }]
`;
const REGISTRY_ONLY = `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: closed, namespace: default }
spec: { workloadSelector: { labels: { app: client } }, outboundTrafficPolicy: { mode: REGISTRY_ONLY } }
`;
/** Hosts and addresses that a closed client may call all the same, wherever they are. */
const AS_THEY_ARE = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: wide, namespace: default }
spec: { hosts: ['*.wide.test'], ports: [{ number: 8080, name: http }], resolution: NONE }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: range, namespace: default }
spec: { hosts: [range.test], addresses: [10.9.0.0/24], ports: [{ number: 9001, name: tcp }], resolution: NONE }
`;

inOwnNetwork(import.meta.url, () => {
  const mesh = new PodMesh();
  let pods: ReturnType<typeof makePods<'client' | 'server' | 'outside' | 'lazy' | 'stock'>>;

  /** The first line that a server says who speaks first; '' where there is none. */
  async function hear(pod: Pod, host: string, port: number, seconds = 10): Promise<string> {
    const { stdout } = await pod.run('bash', '-c', `read -t ${seconds} line < /dev/tcp/${host}/${port}; echo $line`);
    return stdout.trim();
  }

  before(async () => {
    writeFileSync(mesh.rules('mesh.yaml'), MESH);
    pods = makePods(['client', 'server', 'outside', 'lazy', 'stock']);
    const { server, outside } = pods;
    for (const [pod, ...args] of [[server, WEB, 'server', '8080'], [server, WEB, 'unlisted', '7070'],
      [server, WEB, 'detected', '8081'], [server, BYTES, '9000'], [server, BYTES, '3306'],
      [outside, WEB, 'outside', '8080'], [outside, BYTES, '9001']] as const) {
      mesh.startApplication(pod, 'python3', '-c', ...args);
    }
    await mesh.startControl();
    const lazily = mesh.startSidecar(pods.lazy, { metadata: { WEFT_LAZY: 'true' } });
    const stock = withoutEnvoy === false ? [mesh.startSidecar(pods.stock, { kind: 'envoy' })] : [];
    await Promise.all([...[pods.client, server].map((pod) => mesh.startSidecar(pod)), lazily, ...stock]);
  });

  after(() => mesh[Symbol.asyncDispose]());

  test('an application that calls a service goes by mutual TLS, HTTP and bytes (curl, bash)', async () => {
    const { client } = pods;
    await until('the service answers', async () => (await curl(client, `http://${WEB_IP}/`)).includes('200'));
    const seen = await curl(client, 'http://web.default/', '--resolve', `web.default:80:${WEB_IP}`);
    assert.match(seen, /^server .*URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/client\n200$/);
    assert.equal(await hear(client, BYTES_IP, 9000), 'hello');
  });

  test('ports that say no protocol carry HTTP and bytes of servers that speak first (curl, bash)', async () => {
    const { client, server, outside } = pods;
    const greeted = async (): Promise<number> => {
      const stats = await (await fetch(`http://${client.ip}:15000/stats?filter=server_first`)).text();
      return Number(/10\.96\.0\.12_3306\.downstream_cx_server_first: (\d+)/.exec(stats)?.[1] ?? -1);
    };
    await until('the server is heard', async () => await hear(client, ANY_IP, 3306, 1) === 'hello');
    const before = await greeted();
    for (let round = 1; round <= 3; round++) {
      assert.equal(await hear(client, ANY_IP, 3306), 'hello');
      await until('it is counted', async () => await greeted() === before + round);
    }
    await until('the service answers', async () => (await curl(client, `http://${ANY_IP}:8081/`)).includes('200'));
    assert.match(await curl(client, `http://${ANY_IP}:8081/`), /^detected .*URI=\S*sa\/client\n200$/);
    assert.equal(await curl(outside, `http://${server.ip}:8081/`), 'detected nobody\n200');
    assert.equal(await hear(outside, server.ip, 3306), 'hello');
  });

  test('what the mesh does not know is passed on as it is, out and in (curl, bash)', async () => {
    const { client, server, outside } = pods;
    assert.equal(await curl(client, `http://${outside.ip}:8080/`), 'outside nobody\n200');
    assert.equal(await curl(client, `http://${server.ip}:7070/`), 'unlisted nobody\n200');
    assert.equal(await curl(outside, `http://${server.ip}:7070/`), 'unlisted nobody\n200');
    assert.equal(await curl(outside, `http://${server.ip}:8080/`), 'server nobody\n200');
    assert.equal(await hear(outside, server.ip, 9000), 'hello');
  });

  test('an Envoy under the same control plane leads to the same places (Envoy, curl, bash)', {
    skip: withoutEnvoy,
  }, async () => {
    const { stock, server, outside } = pods;
    const identity = /URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/stock\n200$/;
    await until('the service answers', async () => (await curl(stock, `http://${WEB_IP}/`)).includes('200'));
    assert.match(await curl(stock, 'http://web.default/', '--resolve', `web.default:80:${WEB_IP}`), identity);
    assert.match(await curl(stock, `http://${ANY_IP}:8081/`), identity);
    assert.equal(await hear(stock, BYTES_IP, 9000), 'hello');
    assert.equal(await curl(stock, `http://${outside.ip}:8080/`), 'outside nobody\n200');
    assert.equal(await curl(stock, `http://${server.ip}:7070/`), 'unlisted nobody\n200');
  });

  test('a lazy sidecar leads to the same places, and holds the hosts that were called (curl, bash)', async () => {
    const { lazy, server, outside } = pods;
    await until('the service answers', async () => (await curl(lazy, `http://${WEB_IP}/`)).includes('200'));
    const seen = await curl(lazy, 'http://web.default/', '--resolve', `web.default:80:${WEB_IP}`);
    assert.match(seen, /^server .*URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/lazy\n200$/);
    assert.equal(await hear(lazy, BYTES_IP, 9000), 'hello');
    assert.equal(await hear(lazy, ANY_IP, 3306), 'hello');
    assert.match(await curl(lazy, `http://${ANY_IP}:8081/`), /^detected .*URI=\S*sa\/lazy\n200$/);
    assert.equal(await curl(lazy, `http://${outside.ip}:8080/`), 'outside nobody\n200');
    assert.equal(await curl(lazy, `http://${server.ip}:7070/`), 'unlisted nobody\n200');
    const elsewhere = await curl(lazy, 'http://elsewhere.test/', '--resolve', `elsewhere.test:80:${outside.ip}`);
    assert.match(elsewhere, /503$/, 'it is passed on to where nobody listens');
    const dump = await (await fetch(`http://${lazy.ip}:15000/stats?filter=xds.vhds.held`)).text();
    assert.equal(dump.trim(), 'xds.vhds.held: 3');
  });

  test('an application reaches itself directly, and by its service through the sidecar (curl)', async () => {
    const { server } = pods;
    assert.equal(await curl(server, 'http://127.0.0.1:8080/'), 'server nobody\n200');
    assert.equal(await curl(server, `http://${server.ip}:8080/`), 'server nobody\n200');
    assert.match(await curl(server, `http://${WEB_IP}/`), /^server .*sa\/server\n200$/);
  });

  test('a NetworkPolicy lets in who it names, by the port that was meant, server-first too (curl, bash)', async () => {
    const { client, server, outside } = pods;
    const file = mesh.rules('network-policy.yaml');
    writeFileSync(file, networkPolicy(client.ip, 7070));
    await until('it holds', async () => await curl(outside, `http://${server.ip}:7070/`) === 'closed');
    assert.equal(await curl(client, `http://${server.ip}:7070/`), 'unlisted nobody\n200', 'a port that no service has');
    assert.equal(await curl(outside, `http://${server.ip}:8080/`), 'closed');
    // Connections that are there already are drained.
    await until('another port is closed', async () => (await curl(client, `http://${WEB_IP}/`)).endsWith('503'));
    assert.equal(await hear(client, BYTES_IP, 9000, 1), '');
    rmSync(file);
    await until('it is gone', async () => await hear(outside, server.ip, 9000) === 'hello');
    await until('the service answers', async () => (await curl(client, `http://${WEB_IP}/`)).includes('200'));
  });

  test('STRICT closes every port to callers without a certificate, REGISTRY_ONLY the world (curl)', async () => {
    const { client, server, outside } = pods;
    writeFileSync(mesh.rules('rules.yaml'), `${STRICT}---${REGISTRY_ONLY}`);
    await until('the rules hold', async () => await curl(client, `http://${outside.ip}:8080/`) === 'closed'
      && await curl(outside, `http://${server.ip}:8080/`) === 'closed');
    assert.equal(await curl(outside, `http://${server.ip}:7070/`), 'closed');
    assert.equal(await hear(outside, server.ip, 9000, 1), '');
    assert.equal(await curl(outside, `http://${server.ip}:8081/`), 'closed');
    assert.equal(await hear(outside, server.ip, 3306, 1), '');
    assert.match(await curl(client, `http://${WEB_IP}/`), /sa\/client\n200$/);
    assert.match(await curl(client, `http://${ANY_IP}:8081/`), /sa\/client\n200$/);
    assert.equal(await hear(client, BYTES_IP, 9000), 'hello');
    assert.equal(await hear(client, ANY_IP, 3306), 'hello');
    assert.equal(await curl(client, 'http://10.96.0.99/'), '502');
  });

  test('hosts of a wildcard and addresses of a range are reached where they are, by resolution NONE (curl, bash)',
    async () => {
      const { client, outside } = pods;
      const ask = (host: string): Promise<string> =>
        curl(client, `http://${host}:8080/`, '--resolve', `${host}:8080:${outside.ip}`);
      assert.equal(await ask('a.wide.test'), 'closed');
      assert.equal(await hear(client, outside.ip, 9001, 1), '');
      writeFileSync(mesh.rules('as-they-are.yaml'), AS_THEY_ARE);
      await until('the host is known', async () => await ask('a.wide.test') === 'outside nobody\n200');
      assert.equal(await ask('a.other.test'), '502');
      assert.equal(await hear(client, outside.ip, 9001), 'hello');
      assert.equal(await hear(client, '10.9.1.1', 9001, 1), '', 'beyond the range');
    });

  test('without the rules of init nothing passes the sidecar (curl)', async () => {
    const { client, server, outside } = pods;
    for (const pod of [client, server]) pod.configure(process.execPath, WEFT, 'init', '--clean');
    assert.equal(await curl(client, `http://${outside.ip}:8080/`), 'outside nobody\n200');
    assert.equal(await curl(outside, `http://${server.ip}:8080/`), 'server nobody\n200');
  });
});
