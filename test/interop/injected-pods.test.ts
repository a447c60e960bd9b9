// Pods created through a real kube-apiserver come back injected, and what was injected works: the init container's and
// the sidecar's commands run in network namespaces, as a kubelet would run them, in front of applications (Python's
// http.server, curl) that know nothing of it. The installation's manifests are taken by the same API server.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { KubeApiServer, type KubeObject } from '../harness/kube-apiserver.ts';
import { findKubePeers } from '../harness/kube-peers.ts';
import { configure, inOwnNetwork } from '../harness/own-network.ts';
import { HOST_IP, makePods, type Pod } from '../harness/pod-network.ts';
import { answers, ServerProcess } from '../harness/process.ts';
import { overlayFolders, SmallKubelet, type RunPod } from '../harness/small-kubelet.ts';
import { until } from '../harness/until.ts';

const peers = findKubePeers();
const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const BASE = fileURLToPath(new URL('../../control/install/base/', import.meta.url));
const WEBHOOK = 'https://127.0.0.1:15017';

const WEB = `
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = 'web %s\\n' % self.headers.get('x-forwarded-client-cert', 'nobody')
        self.send_response(200); self.send_header('content-length', str(len(body))); self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(('0.0.0.0', 8080), Answer).serve_forever()`;

const pod = (name: string, annotations: object = {}): object => ({
  apiVersion: 'v1', kind: 'Pod',
  metadata: { name, namespace: 'shop', labels: { app: name, version: 'v1' }, annotations },
  spec: {
    serviceAccountName: name,
    containers: [{
      name: 'app', image: 'application', ports: [{ name: 'http', containerPort: 8080 }],
      readinessProbe: { httpGet: { path: '/ready', port: 'http' } },
    }],
  },
});

const SHOP = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio-injection: enabled } }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: web, namespace: shop }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: client, namespace: shop }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: job, namespace: shop }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { clusterIP: 10.96.0.10, selector: { app: web }, ports: [{ name: http, port: 80, targetPort: http }] }
`;
const STRICT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: shop }
spec: { mtls: { mode: STRICT } }
`;
const ROUTE = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: shop }
spec: { hosts: [web], http: [{ match: [{ uri: { regex: "(" } }], route: [{ destination: { host: web } }] }] }
`;
/** The control plane runs as a user with its ServiceAccount's rights, and no others. */
const BINDING = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: weft-control-test }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: weft-control }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: User, name: weft }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: weft-leader-test, namespace: weft-system }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: weft-leader }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: User, name: weft }]
`;

function endpoints(ip: string): string {
  return `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
endpoints: [{ addresses: [${ip}], conditions: { ready: true }, targetRef: { kind: Pod, name: web, namespace: shop } }]
ports: [{ name: http, port: 8080, protocol: TCP }]
`;
}

function defineTests(): void {
  assert.ok(typeof peers !== 'string');
  const found = peers;
  const folder = mkdtempSync(join(tmpdir(), 'weft-injected-'));
  const running: ServerProcess[] = [];
  const ends: (() => unknown)[] = [];
  const kubelets = new Map<string, SmallKubelet>();
  let api: KubeApiServer;
  let control: ServerProcess;
  let pods: ReturnType<typeof makePods<'client' | 'web' | 'outside' | 'job'>>;

  async function curl(from: Pod, url: string, ...args: string[]): Promise<string> {
    const { code, stdout } = await from.run('curl', '-s', '-m', '10', '-w', '%{http_code}', ...args, url);
    return code === 0 ? stdout : [52, 56].includes(code) ? 'closed' : `curl ends with ${code}`;
  }

  async function create(object: object, query = ''): Promise<{ status: number; pod: RunPod; message: string }> {
    const { status, body } = await api.call('POST', `/api/v1/namespaces/shop/pods${query}`, object);
    return { status, pod: body as unknown as RunPod, message: String(body['message']) };
  }

  /** With a URL in place of the Service, since nobody leads to Services here. */
  function webhooks(): string {
    const text = readFileSync(join(BASE, 'webhooks.yaml'), 'utf8');
    return text.replaceAll(/service: \{[^}]*path: (\/[a-z]+)[^}]*\}/g, (_, path: string) => `url: "${WEBHOOK}${path}"`);
  }

  async function startControl(): Promise<void> {
    const mesh = join(folder, 'mesh.yaml');
    writeFileSync(mesh, `defaultConfig: { discoveryAddress: "${HOST_IP}:15012" }\n`);
    const token = join(folder, 'token');
    writeFileSync(token, 'token-weft', { mode: 0o600 });
    const args = ['control', '--source', 'kubernetes', '--kubeconfig', api.kubeconfig('weft', 'weft-system'),
      '--secure', `${HOST_IP}:15012`, '--http', '127.0.0.1:15080', '--ca-dir', join(folder, 'ca'),
      '--webhook', '127.0.0.1:15017', '--injection-mesh', mesh, '--token-review', api.url,
      '--token-review-ca', api.caFile, '--token-review-token', token];
    control = new ServerProcess(process.execPath, [WEFT, ...args], { name: 'control' });
    running.push(control);
    await control.until(() => answers('http://127.0.0.1:15080/api/status'));
  }

  before(async () => {
    chmodSync(folder, 0o755);
    overlayFolders(join(folder, 'overlay'), ['/etc', '/run', '/var/lib']);
    pods = makePods(['client', 'web', 'outside', 'job']);
    // An API server advertises the address by which the world is reached.
    configure(['ip route add default dev pods']);
    api = await KubeApiServer.start({ after: (end: () => unknown) => ends.push(end) } as never, found);
    await api.installCrds('istio');
  });

  after(async () => {
    await Promise.all(running.map((process) => process.stop()));
    for (const end of ends.toReversed()) await end();
    configure([`umount -l ${join(folder, 'overlay')}`]);
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });

  test('the installation is taken as it is, with strict validation (kube-apiserver)', async () => {
    for (const file of readdirSync(BASE).toSorted((a,
      b) => Number(b === 'namespaces.yaml') - Number(a === 'namespaces.yaml'))) {
      if (file === 'kustomization.yaml' || file === 'webhooks.yaml') continue;
      await api.apply(readFileSync(join(BASE, file), 'utf8'));
    }
    await api.apply(BINDING);
    for (const document of parseAllDocuments(readFileSync(join(BASE, 'webhooks.yaml'), 'utf8'))) {
      const object = document.toJSON() as KubeObject;
      const query = '?fieldManager=other&force=true&fieldValidation=Strict&dryRun=All';
      const path = `${await api.pathOf(object)}${query}`;
      const { status, body } = await api.call('PATCH', path, object, 'application/apply-patch+yaml');
      assert.equal(status, 201, JSON.stringify(body));
    }
    await startControl();
    await api.apply(webhooks());
    await until('the webhooks have the roots', async () => {
      const { body } = await api.call('GET',
        '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/weft-sidecar-injector');
      return (body['webhooks'] as { clientConfig: { caBundle?: string } }[]).every(({ clientConfig }) => (
        clientConfig.caBundle !== undefined));
    }, 70_000);
    assert.doesNotMatch(control.output, /forbidden/i);
  });

  test('a Pod comes back injected; a dry run leaves nothing; what cannot be is refused (kube-apiserver)', async () => {
    await api.apply(SHOP);
    const dry = await create(pod('web'), '?dryRun=All');
    assert.equal(dry.status, 201, dry.message);
    assert.equal((await api.call('GET', '/api/v1/namespaces/shop/pods/web')).status, 404);
    for (const name of ['web', 'client'] as const) {
      const { status, message, pod: made } = await create(pod(name));
      assert.equal(status, 201, message);
      assert.deepEqual(made.spec.initContainers.map((container) => container.name), ['istio-init', 'istio-proxy']);
      assert.deepEqual(made.spec.containers.map((container) => container.name), ['app']);
      await until('the namespace has the roots', async () => (
        await api.call('GET', '/api/v1/namespaces/shop/configmaps/istio-ca-root-cert')).status === 200);
      const kubelet = new SmallKubelet(api, made, pods[name], join(folder, 'volumes'));
      await kubelet.prepare();
      kubelets.set(name, kubelet);
      for (const container of made.spec.initContainers) {
        if (container.name === 'istio-init') kubelet.runToEnd(container);
        else running.push(kubelet.start(container));
      }
    }
    const refused = await create(pod('odd', { 'sidecar.istio.io/proxyCPU': 'lots' }));
    assert.equal(refused.status, 400);
    assert.match(refused.message, /proxyCPU: must be a quantity/);
    const plain = await create({ ...pod('plain'), spec: { hostNetwork: true, containers: [{ name: 'app',
      image: 'a' }] } });
    assert.equal(plain.pod.spec.initContainers, undefined, plain.message);
  });

  test('requests pass both sidecars by mutual TLS, and probes the sidecar; nothing was configured (curl)', async () => {
    const { client, web, outside } = pods;
    running.push(kubelets.get('web')!.startApplication('python3', '-c', WEB));
    for (const name of ['web', 'client'] as const) {
      const { status: code } = await api.call('PATCH', `/api/v1/namespaces/shop/pods/${name}/status`, {
        status: { phase: 'Running', podIP: pods[name].ip, podIPs: [{ ip: pods[name].ip }],
          conditions: [{ type: 'Ready', status: 'True' }] } }, 'application/merge-patch+json');
      assert.equal(code, 200);
    }
    await api.apply(endpoints(web.ip));
    for (const one of [web, client]) {
      await until(`${one.name} is ready`, () => answers(`http://${one.ip}:15021/healthz/ready`), 30_000);
    }
    await until('the service answers', async () => (await curl(client, 'http://10.96.0.10/')).endsWith('200'), 20_000);
    assert.match(await curl(client, 'http://10.96.0.10/'),
      /^web .*URI=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/client\n200$/);
    assert.equal(await curl(outside, `http://${web.ip}:15020/app-health/app/readyz`), '200');
    assert.equal(await curl(outside, `http://${client.ip}:15020/app-health/app/readyz`), '500');
    assert.match(await curl(outside, `http://${web.ip}:15020/stats/prometheus`), /\nistio_requests_total\{/);
  });

  test('a rule that is wrong is refused, one that is right holds (kube-apiserver, curl)', async () => {
    // What the CRD cannot know.
    await assert.rejects(api.apply(ROUTE),
      /validate\.weft\.dev.*denied the request.*http\[0\]\.match\[0\]\.uri\.regex/);
    await api.apply(STRICT);
    const { client, outside, web } = pods;
    await until('plaintext is refused', async () => await curl(outside, `http://${web.ip}:8080/`) === 'closed');
    assert.match(await curl(client, 'http://10.96.0.10/'), /200$/);
    assert.equal(await curl(outside, `http://${web.ip}:15020/app-health/app/readyz`), '200', 'probes go on');
  });

  test('a job is held until its sidecar is ready, and the sidecar ends with it (kube-apiserver, curl)', async () => {
    const { status, message, pod: made } = await create(pod('job', { 'sidecar.weft.dev/lifecycle': 'true' }));
    assert.equal(status, 201, message);
    const kubelet = new SmallKubelet(api, made, pods.job, join(folder, 'volumes'));
    await kubelet.prepare();
    const [init, sidecar] = made.spec.initContainers;
    kubelet.runToEnd(init!);
    const proxy = kubelet.start(sidecar!);
    running.push(proxy);
    const [application] = made.spec.containers;
    const seen = kubelet.runWeft(application!, 'run', '--', 'curl', '-s', '-m', '10', 'http://10.96.0.10/');
    assert.match(seen, /^web .*URI=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/job\n$/);
    await until('the sidecar has ended', () => proxy.child.exitCode !== null, 20_000);
    assert.equal(proxy.child.exitCode, 0, proxy.output);
  });
}

if (typeof peers === 'string') void test('injected pods', { skip: peers.slice('skip:'.length).trim() },
  () => undefined);
else inOwnNetwork(import.meta.url, defineTests);
