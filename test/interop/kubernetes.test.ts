// Bookinfo in a real API server, and weft sidecars under a control plane that watches it.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { KubeApiServer } from '../harness/kube-apiserver.ts';
import { KubeControl, podYaml, rightsYaml, type KubePod } from '../harness/kube-mesh.ts';
import { findKubePeers } from '../harness/kube-peers.ts';
import { until } from '../harness/until.ts';

const peers = findKubePeers();
const skip = typeof peers === 'string' ? peers.slice('skip:'.length).trim() : false;
const BOOKINFO = fileURLToPath(new URL('../../examples/bookinfo/mesh', import.meta.url));

/** Loopback addresses of this process alone: the mesh's own ports are fixed. */
const address = (last: number): string => `127.${1 + (process.pid >> 8) % 250}.${process.pid & 255}.${last}`;

function pod(app: string, version: string, last: number): KubePod {
  return { name: `${app}-${version}`, app, version, serviceAccount: `bookinfo-${app}`, address: address(last) };
}

const PODS = [pod('productpage', 'v1', 1), pod('reviews', 'v1', 2), pod('reviews', 'v2', 3)];
const [PAGE, REVIEWS_1, REVIEWS_2] = PODS as [KubePod, KubePod, KubePod];

function routeTo(subset: string, match = ''): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews, namespace: default }
spec: { hosts: [reviews], http: [{ ${match}route: [{ destination: { host: reviews, subset: ${subset} } }] }] }`;
}

const title = 'F02 S103 undici reaches Bookinfo by what a real kube-apiserver has, also while it is dead';
test(title, { skip }, async (t) => {
  assert.ok(typeof peers !== 'string');
  const server = await KubeApiServer.start(t, peers);
  await server.installCrds('istio', 'gateway-api-standard');
  await server.apply(rightsYaml());
  for (const file of globSync('*.yaml', { cwd: BOOKINFO })) {
    await server.apply(readFileSync(join(BOOKINFO, file), 'utf8'));
  }
  await server.apply(PODS.map(podYaml).join(''));
  const control = await KubeControl.start(t, server);
  const { config, refusedFiles } = await control.status();
  assert.deepEqual(refusedFiles, []);
  assert.ok(config.objects > 20, String(config.objects));
  const state = async (which: string): Promise<boolean> =>
    (await control.status()).watches?.some((watch) => watch.state === which) === true;
  // Some of the kinds that were defined a moment ago cannot be watched yet.
  await until('all watches', async () => !(await state('broken')) && !(await state('denied')));

  await Promise.all([REVIEWS_1, REVIEWS_2].map((each) => control.sidecar(t, server, each)));
  const outbound = await control.sidecar(t, server, PAGE);
  const ask = async (): Promise<string> => {
    const { statusCode, body } = await request(`http://127.0.0.1:${outbound}/reviews/0`, {
      headers: { host: 'reviews:9080' },
    });
    return `${statusCode} ${await body.text()}`;
  };
  await until('v1 by mutual TLS', async () => await ask() === '200 v1', 60_000);
  await assert.rejects(request(`http://${REVIEWS_1.address}:9080/reviews/0`), 'STRICT: nobody else gets in');
  await server.apply(routeTo('v2'));
  await until('the route as it is now', async () => await ask() === '200 v2');

  await server.killServer();
  await until('it is noticed', () => state('broken'));
  for (let i = 0; i < 50; i++) assert.equal(await ask(), '200 v2');
  const bad: string[] = [];
  const traffic = { isOver: false };
  const flow = (async () => {
    while (!traffic.isOver) {
      const answer = await ask();
      if (!/^200 v[12]$/.test(answer)) bad.push(answer);
    }
  })();
  await server.startServer();
  await server.apply(routeTo('v1'));
  await until('what came after its death', async () => await ask() === '200 v1', 60_000);
  await server.apply(routeTo('v2', "match: [{ uri: { regex: '(' } }], "));
  await until('the refusal', async () => (await control.status()).refusedFiles.length > 0);
  await server.delete({ apiVersion: 'v1', kind: 'Pod', metadata: { name: REVIEWS_2.name } });
  assert.equal(await ask(), '200 v1', 'what was good of it stays');
  traffic.isOver = true;
  await flow;
  assert.deepEqual(bad, []);
});

const GATEWAY_CLASS = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: mesh }
spec: { controllerName: weft.dev/gateway-controller }`;

const LEADERS = 'F30 of two control planes one writes status into a real kube-apiserver, and the other after its death';
test(LEADERS, { skip }, async (t) => {
  assert.ok(typeof peers !== 'string');
  const server = await KubeApiServer.start(t, peers);
  await server.installCrds('istio', 'gateway-api-standard');
  await server.apply(rightsYaml());
  await server.apply(`${routeTo('v1')}\n---${GATEWAY_CLASS}`);
  const controls = await Promise.all([0, 1].map(() => KubeControl.start(t, server)));
  const route = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService',
    metadata: { name: 'reviews', namespace: 'default' } };
  const condition = async (object: Parameters<KubeApiServer['get']>[0], type: string): Promise<string> => {
    const { status } = await server.get(object) as { status?: { conditions?: Record<string, unknown>[] } };
    const found = status?.conditions?.find((one) => one['type'] === type);
    return `${String(found?.['status'])} ${String(found?.['observedGeneration'])}`;
  };
  await until('the route\'s status', async () => await condition(route, 'Reconciled') === 'True 1', 60_000);
  const gatewayClass = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'GatewayClass', metadata: { name: 'mesh' } };
  await until('the class\'s status', async () => await condition(gatewayClass, 'Accepted') === 'True 1');

  const leads = ({ process: { output } }: KubeControl): boolean => /weft-leader: \S+ leads$/m.test(output);
  const leader = controls.find(leads)!;
  const other = controls.find((control) => control !== leader)!;
  assert.equal(leads(other), false);
  const { resourceVersion } = (await server.get(route)).metadata;
  leader.process.child.kill('SIGKILL');
  await until('the other leads', () => leads(other), 60_000);
  await server.apply(routeTo('v2', "match: [{ uri: { regex: '(' } }], ").replace('name: reviews', 'name: bad'));
  const bad = { ...route, metadata: { name: 'bad', namespace: 'default' } };
  await until('the refusal', async () => await condition(bad, 'Reconciled') === 'False 1', 60_000);
  assert.match(JSON.stringify((await server.get(bad))['status']), /spec\.http\[0\]\.match\[0\]\.uri\.regex: /);
  assert.equal((await server.get(route)).metadata.resourceVersion, resourceVersion, 'it was written once');
  assert.equal(await other.process.stop(), 0);
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease',
    metadata: { name: 'weft-leader', namespace: 'weft-system' } };
  const { holderIdentity = '' } = (await server.get(lease))['spec'] as { holderIdentity?: string };
  assert.equal(holderIdentity, '', 'it is given back');
});
