// `weft control` and `weft status` as a user runs them: what they print, what they refuse, and how they end.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeJwt } from 'jose';
import { CLUSTER_TYPE, LISTENER_TYPE } from '../../proxy/config/type-url.ts';
import { AdsClient } from '../harness/ads-client.ts';
import { serviceYaml, workloadYaml } from '../harness/mesh-fixture.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { ServerProcess } from '../harness/process.ts';
import { until } from '../harness/until.ts';
import { WatchApi } from '../harness/watch-api.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Asynchronous, since what it asks may live in this process. */
async function weft(...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, ...output };
}

interface Running {
  readonly server: ServerProcess;
  readonly folder: string;
  readonly xds: string;
  readonly http: string;
}

const NOWHERE = ['--xds', '127.0.0.1:0', '--secure', '127.0.0.1:0', '--http', '127.0.0.1:0'];

async function startControl(t: TestContext): Promise<Running> {
  const root = temporaryFolder(t);
  const folder = join(root, 'mesh');
  mkdirSync(folder);
  writeFileSync(join(folder, 'web.yaml'), serviceYaml('web') + workloadYaml('web-1', 'web', 'v1', '10.0.0.9'));
  const args = ['control', '--config', folder, '--ca-dir', join(root, 'ca'), ...NOWHERE];
  const server = new ServerProcess(process.execPath, [MAIN, ...args], { name: 'weft control' });
  t.after(() => server.stop());
  await server.until(() => server.output.includes('/traces'));
  const { output } = server;
  const [, xds = ''] = /xDS on (\S+)/.exec(output) ?? [];
  const [, http = ''] = /http:\/\/([^/]+)\/traces/.exec(output) ?? [];
  return { server, folder, xds, http };
}

const NODE = {
  id: 'sidecar~10.0.0.9~web-1.default~default.svc.cluster.local', userAgentName: 'weft',
  metadata: { NAMESPACE: 'default', WEFT_OUTBOUND_LISTEN: '127.0.0.1:15001' },
};

test('it serves a folder until SIGTERM, and status shows who runs what', async (t) => {
  const { server, xds, http } = await startControl(t);
  assert.match(server.output, /2 objects of 1 files in .*, 0 files refused/);
  await using client = new AdsClient(xds, NODE);
  client.subscribe(CLUSTER_TYPE);
  client.subscribe(LISTENER_TYPE);
  await until('listeners', () => client.names(LISTENER_TYPE).length === 2);
  await until('status', async () => {
    const { stdout } = await weft('status', '--http', http);
    return /^PROXY +STATE +CDS +LDS$/m.test(stdout)
      && /^sidecar~10\.0\.0\.9\S* +connected \d+s +3 synced +2 synced$/m.test(stdout);
  });
  const json = await weft('status', '--http', http, '--json');
  assert.equal((JSON.parse(json.stdout) as { config: { objects: number } }).config.objects, 2);
  assert.equal(await server.stop(), 0, server.output);
});

test('F03 a refused file is in the log and in status, with its line', async (t) => {
  const { server, folder, http } = await startControl(t);
  const bad = 'apiVersion: networking.istio.io/v1\nkind: VirtalService\nmetadata: { name: x }\n';
  writeFileSync(join(folder, 'bad.yaml'), bad);
  await server.until(() => server.output.includes('refused: bad.yaml:2: '));
  const { status, stdout } = await weft('status', '--http', http);
  assert.equal(status, 0);
  assert.match(stdout, /^refused: bad\.yaml for \d+s/m);
  assert.match(stdout, /^ {2}bad\.yaml:2: .*unknown kind 'VirtalService'; did you mean 'VirtualService'\?$/m);
});

test('it serves what an API server has, and status says how it is kept up with (node:http)', async (t) => {
  const api = await WatchApi.start(t);
  api.absent.add('openapipolicies');
  api.put({
    apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'default' },
    spec: { ports: [{ name: 'http', port: 9080 }] },
  });
  const args = ['control', '--source', 'kubernetes', '--kubeconfig', api.kubeconfig(),
    '--ca-dir', join(temporaryFolder(t), 'ca'), ...NOWHERE];
  await using server = new ServerProcess(process.execPath, [MAIN, ...args], { name: 'weft control' });
  await server.until(() => server.output.includes('/traces'));
  assert.match(server.output, /1 objects of 0 files in Kubernetes at http:\/\/127/);
  const [, http = ''] = /http:\/\/([^/]+)\/traces/.exec(server.output) ?? [];
  const { stdout } = await weft('status', '--http', http);
  assert.match(stdout, /^watched: (\d+) of \d+ resources are current$/m);
  assert.match(stdout, /^ {2}openapipolicies\.security\.weft\.dev: absent for \d+s: /m);
  for (const extra of [['--source', 'zookeeper'], ['--namespaces', 'A'], ['--context', 'other']]) {
    assert.equal((await weft(...args, ...extra)).status, 2, extra.join(' '));
  }
});

test('what cannot work is one line and exit status 2', async (t) => {
  const root = temporaryFolder(t);
  const ca = ['--ca-dir', join(root, 'ca')];
  const missing = await weft('control', '--config', join(root, 'none'), ...ca, ...NOWHERE);
  assert.equal(missing.stderr, `weft: ${join(root, 'none')}: there is no such folder\n`);
  const { xds } = await startControl(t);
  const busy = await weft('control', '--config', root, ...ca, ...NOWHERE, '--xds', xds);
  assert.equal(busy.stderr, `weft: ${xds}: cannot listen here: another process has this port\n`);
  assert.deepEqual([missing.status, busy.status], [2, 2]);
  const folder = ['--config', root];
  for (const args of [[], [...folder, '--xds', 'nowhere'], [...folder, '--log-level', 'loud'], ['--what']]) {
    assert.equal((await weft('control', ...args)).status, 2);
  }
});

test('status without a control plane is one line and exit status 2', async () => {
  const { status, stdout, stderr } = await weft('status', '--http', '127.0.0.1:1');
  assert.deepEqual([status, stdout], [2, '']);
  assert.match(stderr, /^weft status: no control plane at 127\.0\.0\.1:1 \(.*\); start one with: weft control .*\n$/);
  assert.equal((await weft('status', '--http', 'nowhere')).status, 2);
});

test('--workload fills a folder from which openssl and jose get the root and the token of a sidecar', async (t) => {
  const root = temporaryFolder(t);
  const folder = join(root, 'web');
  for (const name of ['mesh', 'web']) mkdirSync(join(root, name));
  const args = ['control', '--config', join(root, 'mesh'), '--ca-dir', join(root, 'ca'), ...NOWHERE];
  const bad = await weft(...args, '--workload', `web=${folder}`);
  assert.deepEqual([bad.status, /takes NAMESPACE\/ACCOUNT=DIR/.test(bad.stderr)], [2, true]);
  const missing = await weft(...args, '--workload', `shop/web=${join(folder, 'none')}`);
  assert.deepEqual([missing.status !== 0, missing.stderr.includes('none')], [true, true]);
  const server = new ServerProcess(process.execPath, [MAIN, ...args, '--workload', `shop/web=${folder}`], {});
  t.after(() => server.stop());
  await server.until(() => server.output.includes('/traces'));
  const claims = decodeJwt(readFileSync(join(folder, 'istio-token'), 'utf8').trim());
  assert.equal(claims.sub, 'spiffe://cluster.local/ns/shop/sa/web');
  const asked = ['x509', '-in', join(folder, 'root-cert.pem'), '-noout', '-ext', 'basicConstraints'];
  assert.match(execFileSync('openssl', asked, { encoding: 'utf8' }), /CA:TRUE/);
  assert.equal(statSync(join(folder, 'istio-token')).mode & 0o777, 0o600);
});
