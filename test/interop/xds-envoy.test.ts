// Our xDS server drives a real Envoy: it comes up, follows pushes without a failed request, and its refusals are shown.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { Cluster } from '../../proxy/config/cluster.ts';
import { CLUSTER_TYPE } from '../../proxy/config/type-url.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { answers, freePorts, ServerProcess } from '../harness/process.ts';
import { until } from '../harness/until.ts';
import { clusterAt, edsCluster, meshTo, NODE_ID, Traffic, XdsControl, xdsBootstrap } from '../harness/xds-mesh.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);

interface Setting {
  readonly control: XdsControl;
  readonly url: string;
  readonly port: number;
  readonly upstreamPort: number;
}

async function start(t: TestContext): Promise<Setting> {
  const echo = await EchoServer.start('echo');
  t.after(() => echo[Symbol.asyncDispose]());
  const [adminPort, port] = await freePorts(2) as [number, number];
  const control = new XdsControl(meshTo('one', port, echo.port));
  await control.listen();
  t.after(() => control.kill());
  const file = join(temporaryFolder(t), 'bootstrap.json');
  writeFileSync(file, xdsBootstrap(adminPort, control.port));
  const args = ['-c', file, '--concurrency', '1', '-l', 'error', '--base-id', String(20_000 + (process.pid % 10_000))];
  const proxy = new ServerProcess(envoy, args, { name: 'envoy' });
  t.after(() => proxy.stop());
  await proxy.until(() => answers(`http://127.0.0.1:${adminPort}/ready`));
  return { control, url: `http://127.0.0.1:${port}/`, port, upstreamPort: echo.port };
}

test('a real Envoy becomes LIVE on our snapshot and serves by it', { skip }, async (t) => {
  const { control, url } = await start(t);
  assert.equal(await clusterAt(url), 'one');
  await control.synced();
  const [receipt] = control.push.receipts.list();
  assert.match(receipt!.userAgent, /^envoy/);
  const counts = receipt!.types.map(({ type, resources }) => `${type} ${resources}`);
  assert.deepEqual(counts.toSorted(), ['cds 1', 'eds 1', 'lds 1', 'rds 1']);
});

test('F04 a real Envoy follows routes to new clusters, without a failed request', { skip }, async (t) => {
  const { control, url, port, upstreamPort } = await start(t);
  const traffic = new Traffic(url);
  const names = ['one', 'two', 'three', 'four', 'five'];
  for (const name of names) {
    control.set(meshTo(name, port, upstreamPort));
    await until(`traffic on ${name}`, () => traffic.seen.has(name));
    await control.synced();
  }
  assert.deepEqual(await traffic.stop(), names);
  await until('the old ones are gone', () => control.push.receipts.get(NODE_ID)!.running(CLUSTER_TYPE).size === 1);
});

test('F03 what a real Envoy refuses is in its receipt by name, and the rest is in force', { skip }, async (t) => {
  const { control, url, port, upstreamPort } = await start(t);
  await control.synced();
  const mesh = meshTo('one', port, upstreamPort);
  const extra: Cluster = { name: 'extra', loadAssignment: { clusterName: 'extra' } };
  control.set({ ...mesh, clusters: [edsCluster('one'), { ...edsCluster('bad'), connectTimeout: '0s' }, extra] });
  await until('refused', () => control.push.counts.refused > 0);
  const receipt = control.push.receipts.get(NODE_ID)!;
  const cds = receipt.receipt().types.find(({ type }) => type === 'cds')!;
  assert.deepEqual(cds.refused.map(({ name }) => name), ['bad']);
  assert.match(cds.nack?.reason ?? '', /bad/);
  assert.deepEqual([...receipt.running(CLUSTER_TYPE).keys()].toSorted(), ['extra', 'one']);
  assert.equal(await clusterAt(url), 'one');
  control.set(mesh);
  await control.synced();
  assert.equal(receipt.refuses(CLUSTER_TYPE), false);
});

test('F02 a real Envoy serves while the control plane is away, and is sent nothing anew', { skip }, async (t) => {
  const { control, url, port, upstreamPort } = await start(t);
  await control.synced();
  control.kill();
  assert.equal(await clusterAt(url), 'one');
  const next = new XdsControl(meshTo('one', port, upstreamPort), control.port);
  await next.listen();
  t.after(() => next.kill());
  await next.synced();
  assert.equal(await clusterAt(url), 'one');
});
