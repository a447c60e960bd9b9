// Applications that know nothing of a mesh, in network namespaces: what they call by name, they reach through two
// sidecars by mutual TLS, whatever they are written in and whoever speaks first; nobody reaches them past it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { DnsServer } from '../harness/dns-server.ts';
import { findGoTool } from '../harness/go-tools.ts';
import { inOwnNetwork } from '../harness/own-network.ts';
import { findProgram, reasonToSkip } from '../harness/peers.ts';
import { curl, PodMesh, WEB, WEFT } from '../harness/pod-mesh.ts';
import { HOST_IP, makePods, type Pod } from '../harness/pod-network.ts';
import { until } from '../harness/until.ts';

const MESH = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec: { clusterIP: 10.96.0.10, selector: { app: server }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: headless, namespace: default }
spec: { clusterIP: None, selector: { app: server }, ports: [{ name: http, port: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: mysql, namespace: default }
spec: { clusterIP: 10.96.0.11, selector: { app: server }, ports: [{ name: tcp-mysql, port: 3306 }] }
---
apiVersion: v1
kind: Service
metadata: { name: six, namespace: default }
spec: { clusterIP: 'fd00:96::6', selector: { app: six }, ports: [{ name: http, port: 80, targetPort: 8086 }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: server, namespace: default }
spec: { address: 10.9.0.12, labels: { app: server, security.istio.io/tlsMode: istio }, serviceAccount: server }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: six, namespace: default }
spec: { address: 'fd00:9::12', labels: { app: six, security.istio.io/tlsMode: istio }, serviceAccount: server }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: first, namespace: default }
spec:
  hosts: [first.db.example]
  ports: [{ number: 5432, name: tcp }]
  resolution: STATIC
  endpoints: [{ address: 10.9.0.13, ports: { tcp: 7001 } }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: second, namespace: default }
spec:
  hosts: [second.db.example]
  ports: [{ number: 5432, name: tcp }]
  resolution: STATIC
  endpoints: [{ address: 10.9.0.13, ports: { tcp: 7002 } }]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: default }
spec: { mtls: { mode: STRICT } }
`;

/** As MySQL: it greets, and answers what it is sent in a packet with the next number. */
const MYSQL = `
import socketserver, sys
def packet(number, payload): return len(payload).to_bytes(3, 'little') + bytes([number]) + payload
class Session(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(packet(0, b'\\x0a8.4.0-' + sys.argv[2].encode() + b'\\0'))
        head = self.rfile.read(4)
        said = self.rfile.read(int.from_bytes(head[:3], 'little'))
        self.wfile.write(packet(head[3] + 1, b'OK ' + said))
class Server(socketserver.ThreadingTCPServer): allow_reuse_address = True
Server(('0.0.0.0', int(sys.argv[1])), Session).serve_forever()`;
const MYSQL_CLIENT = `
import socket, sys
def read(stream):
    head = stream.read(4)
    return stream.read(int.from_bytes(head[:3], 'little'))
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as connection:
    stream = connection.makefile('rwb')
    greeting = read(stream)
    stream.write(len(b'login').to_bytes(3, 'little') + bytes([1]) + b'login'); stream.flush()
    print(greeting[1:-1].decode(), read(stream).decode())`;
const PYTHON = `
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=10) as answer:
    print(answer.read().decode(), answer.status, sep='', end='')`;
const REQUESTS = `
import requests, sys
answer = requests.get(sys.argv[1], timeout=10); print(answer.text, answer.status_code, sep='', end='')`;
const JAVA = `
import java.net.URI;
import java.net.http.*;
class Client {
  public static void main(String[] args) throws Exception {
    var request = HttpRequest.newBuilder(URI.create(args[0])).version(HttpClient.Version.HTTP_1_1).build();
    var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    System.out.print(answer.body() + answer.statusCode());
  }
}`;

/** Not of the mesh. */
const OTHER_RULES = '*nat\\n-A PREROUTING -p tcp -j ACCEPT\\n-A OUTPUT -p tcp --dport 9 -j ACCEPT\\nCOMMIT\\n';

/** Who was asked, and by whom as its sidecar saw it. */
const BY_CLIENT = /^server .*URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/client\n200$/;

inOwnNetwork(import.meta.url, () => {
  const mesh = new PodMesh();
  const resolvConf = mesh.write('resolv.conf', `nameserver ${HOST_IP}
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5 timeout:2
`);
  let pods: ReturnType<typeof makePods<'client' | 'server' | 'outside'>>;
  let upstream: DnsServer;

  before(async () => {
    writeFileSync(mesh.rules('mesh.yaml'), MESH);
    pods = makePods(['client', 'server', 'outside'], { ipv6: true, resolvConf });
    const { client, server, outside } = pods;
    upstream = await DnsServer.start(HOST_IP, 53);
    upstream.answers.set('outside.example', { addresses: [outside.ip] });
    for (const [pod, ...args] of [
      [server, WEB, 'server', '8080'], [server, WEB, 'server', '8086', server.ip6], [server, MYSQL, '3306', 'inside'],
      [outside, WEB, 'outside', '8080'], [outside, MYSQL, '7001', 'first'], [outside, MYSQL, '7002', 'second'],
    ] as const) mesh.startApplication(pod, 'python3', '-c', ...args);
    await mesh.startControl();
    await Promise.all([client, server].map((pod) => mesh.startSidecar(pod, {
      init: ['--redirect-dns'],
      metadata: { DNS_CAPTURE: 'true', DNS_AUTO_ALLOCATE: 'true', INSTANCE_IPS: `${pod.ip},${pod.ip6}` },
    })));
    await until('the service answers', async () => (await curl(client, 'http://web/')).endsWith('200'));
  });

  after(async () => {
    await mesh[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  async function answer(pod: Pod, command: string, ...args: string[]): Promise<string> {
    const { code, stdout } = await pod.run(command, ...args);
    return code === 0 ? stdout : `${command} ends with ${code}: ${stdout}`;
  }

  test('curl: a service by each of its names, a headless one, its virtual address', async () => {
    for (const url of ['http://web/', 'http://web.default/', 'http://web.default.svc.cluster.local/',
      'http://10.96.0.10/', 'http://headless:8080/']) assert.match(await curl(pods.client, url), BY_CLIENT, url);
  });

  test('Python', async () => {
    assert.match(await answer(pods.client, 'python3', '-c', PYTHON, 'http://web.default/'), BY_CLIENT);
  });

  const hasRequests = spawnSync('python3', ['-c', 'import requests']).status === 0;
  const skip = !hasRequests && 'Python has no module requests here (python3-requests)';
  test('Python\'s requests', { skip }, async () => {
    assert.match(await answer(pods.client, 'python3', '-c', REQUESTS, 'http://web.default/'), BY_CLIENT);
  });

  const go = findGoTool('get-client', false);
  test('a Go client, with the resolver of its own', { skip: reasonToSkip(go) }, async () => {
    const program = mesh.write('get-client', '');
    pods.client.configure('install', '-m', '755', go, program);
    assert.match(await answer(pods.client, 'env', 'GODEBUG=netdns=go', program, 'http://web.default/'), BY_CLIENT);
  });

  test('a Java client', { skip: findProgram('javac') === undefined && 'no JDK here' }, async () => {
    assert.match(await answer(pods.client, 'java', mesh.write('Client.java', JAVA), 'http://web.default/'), BY_CLIENT);
  });

  test('a server that speaks first, as MySQL does', async () => {
    const said = await answer(pods.client, 'python3', '-c', MYSQL_CLIENT, 'mysql', '3306');
    assert.equal(said, '8.4.0-inside OK login\n');
  });

  test('a service that has IPv6 alone (curl)', async () => {
    assert.match(await curl(pods.client, 'http://six/'), BY_CLIENT);
    assert.match(await curl(pods.client, 'http://[fd00:96::6]/'), BY_CLIENT);
  });

  test('two hosts behind one TCP port are told apart by addresses made for them', async () => {
    for (const name of ['first', 'second']) {
      const said = await answer(pods.client, 'python3', '-c', MYSQL_CLIENT, `${name}.db.example`, '5432');
      assert.equal(said, `8.4.0-${name} OK login\n`);
    }
  });

  test('names by UDP and TCP (getent), and names of the world by the pod\'s own resolver', async () => {
    const { client } = pods;
    const getent = async (...args: string[]): Promise<string[]> => {
      const lines = (await answer(client, 'env', ...args)).trim().split('\n');
      return [...new Set(lines.map((line) => line.split(/\s+/)[0] ?? ''))];
    };
    assert.deepEqual(await getent('getent', 'ahosts', 'web'), ['10.96.0.10']);
    assert.deepEqual(await getent('RES_OPTIONS=use-vc', 'getent', 'ahosts', 'web.default'), ['10.96.0.10']);
    assert.deepEqual(await getent('getent', 'ahosts', 'six'), ['fd00:96::6']);
    assert.match((await getent('getent', 'ahostsv4', 'first.db.example')).join(), /^240\.240\.\d+\.\d+$/);
    assert.deepEqual(await getent('getent', 'ahosts', 'outside.example'), [pods.outside.ip]);
    assert.deepEqual(await getent('RES_OPTIONS=use-vc', 'getent', 'ahosts', 'outside.example'), [pods.outside.ip]);
    assert.equal((await client.run('getent', 'ahosts', 'nobody.example')).code, 2);
    assert.equal(await curl(client, 'http://outside.example:8080/'), 'outside nobody\n200');
    assert.ok(upstream.asked.every((question) => !/ (web|six|first\.db\.example)(\.|$)/.test(question)));
  });

  test('a thousand lookups of both kinds, one after the other, never pass the sidecar or come back to it', async () => {
    const script = `
import socket
for i in range(1000):
    assert socket.getaddrinfo('web.default.svc.cluster.local.', 80, socket.AF_INET)[0][4][0] == '10.96.0.10'
    assert socket.getaddrinfo('outside.example.', 80, socket.AF_INET)[0][4][0] == '${pods.outside.ip}'
print('done')`;
    assert.equal(await answer(pods.client, 'python3', '-c', script), 'done\n');
    const { stdout } = await pods.client.run('curl', '-s', `http://${pods.client.ip}:15000/stats?filter=dns`);
    assert.match(stdout, /dns\.own_queries: 0\n/);
    assert.match(stdout, /dns\.forward_failures: 0\n/);
  });

  test('STRICT: past the sidecar nobody reaches a pod in clear, by IPv4 or IPv6 (curl)', async () => {
    const { outside, server } = pods;
    assert.equal(await curl(outside, `http://${server.ip}:8080/`), 'closed');
    assert.equal(await curl(outside, `http://[${server.ip6}]:8086/`), 'closed');
    const said = await outside.run('timeout', '2', 'python3', '-c', MYSQL_CLIENT, server.ip, '3306');
    assert.notEqual(said.code, 0);
  });

  test('weft init twice, undone, leaves rules and tables byte for byte (iptables-save, nft)', () => {
    const { outside } = pods;
    const all = [['iptables-save'], ['ip6tables-save'], ['nft', 'list', 'ruleset'], ['ip', '-6', 'addr', 'show', 'lo']];
    const everything = (): string => all.map(([tool, ...args]) => outside.configure(tool!, ...args))
      // When they were written.
      .join('').replaceAll(/^# .*\n/gm, '');
    const init = (...args: string[]): string => outside.configure(process.execPath, WEFT, 'init', ...args);
    for (const backend of ['iptables', 'nft']) {
      for (const others of ['', OTHER_RULES]) {
        if (others !== '') outside.configure('sh', '-c', `printf '${others}' | iptables-restore --noflush`);
        const before = everything();
        for (let i = 0; i < 2; i++) init('--capture-all-dns', '--backend', backend);
        assert.notEqual(everything(), before);
        init('--clean', '--backend', backend);
        assert.equal(everything(), before, backend);
        if (others !== '') outside.configure('nft', 'delete', 'table', 'ip', 'nat');
      }
    }
    init('--redirect-dns');
    outside.configure('iptables', '-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '--dport', '9', '-j', 'ACCEPT');
    init('--clean');
    assert.match(everything(), /^-A OUTPUT -p tcp -m tcp --dport 9 -j ACCEPT$/m);
    assert.doesNotMatch(everything(), /WEFT/);
    outside.configure('nft', 'flush', 'ruleset');
  });

  test('weft init twice is weft init once, and undone it leaves the rules as they were', () => {
    const { client } = pods;
    const tables = ['iptables', 'ip6tables'].flatMap((tool) => ['nat', 'raw'].map((table) => [tool, table] as const));
    const rules = (): string => tables.map(([tool, table]) => client.configure(tool, '-t', table, '-S')).join('');
    const init = (...args: string[]): string => client.configure(process.execPath, WEFT, 'init', ...args);
    const inForce = rules();
    init('--redirect-dns');
    assert.equal(rules(), inForce);
    init('--clean');
    const own = '-A OUTPUT -p tcp -m tcp --dport 9 -j ACCEPT';
    client.configure('iptables', '-t', 'nat', ...own.split(' '));
    const before = rules();
    assert.doesNotMatch(before, /WEFT/);
    init('--redirect-dns');
    init('--redirect-dns');
    init('--clean');
    assert.equal(rules(), before);
    init('--redirect-dns', '--backend', 'nft');
    init('--capture-all-dns', '--backend', 'nft');
    init('--clean', '--backend', 'nft');
    assert.equal(rules(), before);
  });
});
