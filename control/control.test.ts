// The control plane as a whole: from files to an ADS client, to status, and to nobody else.
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { credentials, logVerbosity, setLogVerbosity, type ChannelCredentials } from '@grpc/grpc-js';
import { CertificateAuthority } from '../certs/ca.ts';
import { createCsr } from '../certs/csr.ts';
import { parseSpiffeId } from '../certs/spiffe.ts';
import { openStore } from '../certs/store.ts';
import { systemClock } from '../proxy/base/clock.ts';
import {
  CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE,
} from '../proxy/config/type-url.ts';
import { AdsClient } from '../test/harness/ads-client.ts';
import { ecKey, REVIEWS } from '../test/harness/certificates.ts';
import { workloadYaml } from '../test/harness/mesh-fixture.ts';
import { temporaryFolder } from '../test/harness/openssl.ts';
import { until } from '../test/harness/until.ts';
import { startControl, type ControlHandle } from './control.ts';

// What grpc-js would print of a port in use is in the error that is tested.
setLogVerbosity(logVerbosity.NONE);

const EXAMPLE = fileURLToPath(new URL('../examples/bookinfo', import.meta.url));
const LOOPBACK = { host: '127.0.0.1', port: 0 };

const NODE = {
  id: 'sidecar~10.0.0.9~reviews-v1.default~default.svc.cluster.local',
  cluster: 'reviews.default',
  userAgentName: 'weft',
  metadata: {
    NAMESPACE: 'default', SERVICE_ACCOUNT: 'bookinfo-reviews', LABELS: { app: 'reviews', version: 'v1' },
    WEFT_OUTBOUND_LISTEN: '127.0.0.1:15001', WEFT_APP_PORTS: { 9080: '127.0.0.1:19080' },
  },
};

interface Mesh {
  readonly control: ControlHandle;
  readonly folder: string;
  readonly lines: string[];
  readonly xds: string;
}

async function start(t: TestContext): Promise<Mesh> {
  const root = temporaryFolder(t);
  const folder = join(root, 'mesh');
  mkdirSync(folder);
  cpSync(join(EXAMPLE, 'mesh'), folder, { recursive: true });
  writeFileSync(join(folder, 'workloads.yaml'), workloadYaml('reviews-v1', 'reviews', 'v1', '10.0.0.9')
    + workloadYaml('ratings-v1', 'ratings', 'v1', '10.0.0.4'));
  const lines: string[] = [];
  const control = await startControl({
    configDir: folder, caDir: join(root, 'ca'), xds: LOOPBACK, secure: LOOPBACK, http: LOOPBACK,
    log: { info: (line) => lines.push(line), warning: (line) => lines.push(line) },
  });
  t.after(() => control.close());
  return { control, folder, lines, xds: `127.0.0.1:${control.xds.port}` };
}

async function subscribed(client: AdsClient): Promise<void> {
  client.subscribe(CLUSTER_TYPE);
  await until('clusters', () => client.names(CLUSTER_TYPE).length > 0);
  client.subscribe(ENDPOINT_TYPE, ...client.names(CLUSTER_TYPE).filter((name) => name.startsWith('outbound|')));
  client.subscribe(LISTENER_TYPE);
  client.subscribe(ROUTE_TYPE, 'http_proxy');
  await until('routes', () => client.get(ROUTE_TYPE, 'http_proxy') !== undefined);
}

test('a sidecar is told listeners, clusters, endpoints and routes, and status shows that it took them', async (t) => {
  const { control, xds } = await start(t);
  await using client = new AdsClient(xds, NODE);
  await subscribed(client);
  assert.deepEqual(client.names(LISTENER_TYPE), ['10.0.0.9_9080', '127.0.0.1_15001']);
  assert.ok(client.names(CLUSTER_TYPE).includes('outbound|9080|v1|reviews.default.svc.cluster.local'));
  assert.ok(client.names(CLUSTER_TYPE).includes('zipkin'));
  assert.match(JSON.stringify(client.get(LISTENER_TYPE, '10.0.0.9_9080')), /stats\.PluginConfig/);
  const synced = (): boolean => {
    const [proxy] = control.status().proxies;
    if (proxy?.connected !== true || proxy.types.length !== 4) return false;
    return proxy.types.every(({ pending, acked }) => !pending && acked !== '');
  };
  await until('everything is accepted', synced);
});

test('an edited file changes what it must and nothing else', async (t) => {
  const { folder, xds } = await start(t);
  await using client = new AdsClient(xds, NODE);
  await subscribed(client);
  await until('listeners', () => client.names(LISTENER_TYPE).length === 2);
  const before = client.responses.length;
  copyFileSync(join(EXAMPLE, 'tasks/shift-100-v3.yaml'), join(folder, 'task.yaml'));
  await until('the new route', () => JSON.stringify(client.get(ROUTE_TYPE, 'http_proxy')).includes('|v3|'));
  assert.deepEqual(client.responses.slice(before), [{ type: ROUTE_TYPE, names: ['http_proxy'], removed: [] }]);
});

test('F03 a broken file leaves the mesh as it was, and log and status say where it is broken', async (t) => {
  const { control, folder, lines, xds } = await start(t);
  await using client = new AdsClient(xds, NODE);
  await subscribed(client);
  const good = readFileSync(join(folder, 'task.yaml'), 'utf8');
  writeFileSync(join(folder, 'task.yaml'), good.replace('subset: v1', 'subst: v1'));
  await until('the refusal', () => control.status().refusedFiles.length === 1);
  const [refused] = control.status().refusedFiles;
  const [error = ''] = refused?.errors ?? [];
  assert.match(error, /^task\.yaml:11: VirtualService default\/reviews spec\.http.*did you mean 'subset'/);
  assert.equal(refused?.servedObjects, 1);
  assert.ok(lines.some((line) => line.startsWith('refused: task.yaml:11: ')));
  assert.match(JSON.stringify(client.get(ROUTE_TYPE, 'http_proxy')), /\|v1\|reviews/);
  await using late = new AdsClient(xds, { ...NODE, id: NODE.id.replace('reviews-v1', 'reviews-v9') });
  await subscribed(late);
  assert.match(JSON.stringify(late.get(ROUTE_TYPE, 'http_proxy')), /\|v1\|reviews/);
  writeFileSync(join(folder, 'task.yaml'), good);
  await until('the mended file', () => control.status().refusedFiles.length === 0);
});

test('what a proxy refuses is in status, with its reason', async (t) => {
  const { control, xds } = await start(t);
  await using client = new AdsClient(xds, NODE);
  client.judge = (type) => (type === LISTENER_TYPE ? 'no listener today' : undefined);
  await subscribed(client);
  const nack = () => control.status().proxies[0]?.types.find(({ type }) => type === 'lds')?.nack;
  await until('the refusal', () => nack() !== undefined);
  assert.match(nack()?.reason ?? '', /no listener today/);
});

test('a node that cannot be served is told nothing, and status says why', async (t) => {
  const { control, xds } = await start(t);
  await using client = new AdsClient(xds, { ...NODE, metadata: { ...NODE.metadata, INTERCEPTION_MODE: 'TUNNEL' } });
  client.subscribe(CLUSTER_TYPE);
  await until('the reason', () => control.status().proxies[0]?.fault !== undefined);
  assert.match(control.status().proxies[0]?.fault ?? '', /INTERCEPTION_MODE TUNNEL is not known/);
  assert.deepEqual(client.responses, []);
});

test('a service that goes away is taken away', async (t) => {
  const { folder, xds } = await start(t);
  await using client = new AdsClient(xds, NODE);
  await subscribed(client);
  rmSync(join(folder, 'services.yaml'));
  await until('no services', () => client.names(CLUSTER_TYPE).join() === 'zipkin');
});

/** TLS with a certificate of the control plane's authority. */
function channelOf({ rootFile }: ControlHandle, identity: string): ChannelCredentials {
  const store = openStore({ dir: join(rootFile, '..') });
  const ca = new CertificateAuthority({ store, clock: systemClock, audit: () => undefined });
  const key = ecKey();
  const id = parseSpiffeId(identity)!;
  const result = ca.issue({ csr: createCsr(key, id), identity: id, caller: 'test' });
  assert.ok('issued' in result);
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return credentials.createSsl(Buffer.from(ca.roots), Buffer.from(pem), Buffer.from(result.issued.chain.join('')));
}

const EDGE = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  selector: { istio: edge }
  servers:
    - { port: { number: 443, name: https, protocol: HTTPS }, hosts: ['*'], tls: { mode: SIMPLE, credentialName: edge } }
---
apiVersion: v1
kind: Secret
metadata: { name: edge, namespace: default }
stringData: { tls.crt: chain, tls.key: hush-hush }
`;

test('S100 keys of Secrets are for a gateway whose certificate names it, and nobody else on the machine', async (t) => {
  const { control, folder, lines, xds } = await start(t);
  writeFileSync(join(folder, 'edge.yaml'), EDGE);
  const metadata = { NAMESPACE: 'default', SERVICE_ACCOUNT: 'edge', LABELS: { istio: 'edge' } };
  const node = { ...NODE, id: 'router~10.0.0.1~edge.default~default.svc.cluster.local', metadata };
  const channel = channelOf(control, REVIEWS.replace('bookinfo-reviews', 'edge'));
  await using shown = new AdsClient(`localhost:${control.secure.port}`, node, channel);
  await using unknown = new AdsClient(xds, node);
  for (const client of [shown, unknown]) {
    client.subscribe(LISTENER_TYPE);
    client.subscribe(SECRET_TYPE, 'kubernetes://edge');
  }
  await until('the listener', () => unknown.names(LISTENER_TYPE).join() === '0.0.0.0_443');
  await until('the secret', () => shown.get(SECRET_TYPE, 'kubernetes://edge') !== undefined);
  assert.match(JSON.stringify(shown.get(SECRET_TYPE, 'kubernetes://edge')), /hush-hush/);
  assert.deepEqual(unknown.names(SECRET_TYPE), []);
  assert.match(lines.join('\n'), /router~.* gets no kubernetes:\/\/edge: it shows no certificate of the mesh/);
  assert.doesNotMatch(lines.join('\n'), /hush/);
});

test('S100 over TLS a certificate must name the workload that asks', async (t) => {
  const { control } = await start(t);
  const secure = `localhost:${control.secure.port}`;
  await using own = new AdsClient(secure, NODE, channelOf(control, REVIEWS));
  own.subscribe(CLUSTER_TYPE);
  await until('clusters', () => own.names(CLUSTER_TYPE).length > 0);
  await using other = new AdsClient(secure, NODE, channelOf(control, REVIEWS.replace('reviews', 'ratings')));
  other.subscribe(CLUSTER_TYPE);
  await until('the refusal', () => other.ended !== undefined);
  assert.match(other.ended ?? '', /does not name default\/bookinfo-reviews/);
  assert.deepEqual(other.responses, []);
});

test('a token of the control plane names its workload', async (t) => {
  const { control } = await start(t);
  assert.match(await control.mintToken(parseSpiffeId(REVIEWS)!), /^[\w-]+\.[\w-]+\.[\w-]+$/);
});

test('a port in use is one line, and nothing is left running', async (t) => {
  const { control } = await start(t);
  const root = temporaryFolder(t);
  const log = { info: () => undefined, warning: () => undefined };
  const options = { configDir: root, caDir: join(root, 'ca'), secure: LOOPBACK, log };
  const busy = startControl({ ...options, http: LOOPBACK, xds: control.xds });
  const message = `127.0.0.1:${control.xds.port}: cannot listen here: another process has this port`;
  await assert.rejects(busy, { message });
  const busyHttp = startControl({ ...options, xds: LOOPBACK, http: control.http });
  await assert.rejects(busyHttp, /another process has this port/);
});
