// What any proxy must do under our xDS server, told by one that is started as its users start it.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { request } from 'undici';
import type { TypeReceipt } from '../../control/push/receipts.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { SeededRandom } from '../../proxy/base/random.ts';
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { VirtualHost } from '../../proxy/config/route.ts';
import { CLUSTER_TYPE } from '../../proxy/config/type-url.ts';
import { EchoServer } from './echo-server.ts';
import { temporaryFolder } from './openssl.ts';
import { answers, ServerProcess } from './process.ts';
import { until } from './until.ts';
import { clusterAt, edsCluster, listenerOn, meshTo, NODE_ID, Traffic, XdsControl, xdsBootstrap } from './xds-mesh.ts';
import type { ApiType } from './xds-mesh.ts';

export interface XdsPeer {
  /** As it stands in the tests' titles. */
  readonly name: string;
  readonly command: string;
  /** Its arguments for a bootstrap file. */
  args(file: string): readonly string[];
  /** How it names itself in its first request. */
  readonly userAgent: RegExp;
  /** How it asks; default DELTA_GRPC. */
  readonly apiType?: ApiType;
  /** Why it cannot run here. */
  readonly skip: string | false;
}

interface Setting {
  readonly control: XdsControl;
  readonly url: string;
  readonly port: number;
  readonly upstreamPort: number;
  /** Of a second control plane that the bootstrap names; nobody listens there yet. */
  readonly secondPort: number;
}

async function start(t: TestContext, peer: XdsPeer): Promise<Setting> {
  const echo = await EchoServer.start('echo');
  t.after(() => echo[Symbol.asyncDispose]());
  const [adminPort, port, secondPort] = await freePorts(3) as [number, number, number];
  const control = new XdsControl(meshTo('one', port, echo.port));
  await control.listen();
  t.after(() => control.kill());
  const file = join(temporaryFolder(t), 'bootstrap.json');
  const bootstrap = xdsBootstrap(adminPort, control.port, undefined, undefined, peer.apiType);
  writeFileSync(file, withSecond(bootstrap, secondPort));
  const proxy = new ServerProcess(peer.command, [...peer.args(file)], { name: peer.name });
  t.after(() => proxy.stop());
  await proxy.until(() => answers(`http://127.0.0.1:${adminPort}/ready`));
  return { control, url: `http://127.0.0.1:${port}/`, port, upstreamPort: echo.port, secondPort };
}

/** The management server's cluster has two endpoints. */
function withSecond(bootstrap: string, port: number): string {
  const value = JSON.parse(bootstrap) as { static_resources: { clusters: [StaticCluster] } };
  const [{ load_assignment: assignment }] = value.static_resources.clusters;
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
  assignment.endpoints[0]!.lb_endpoints.push({ endpoint });
  return JSON.stringify(value);
}

interface StaticCluster {
  readonly load_assignment: { readonly endpoints: readonly { readonly lb_endpoints: object[] }[] };
}

export function testXdsPeer(peer: XdsPeer): void {
  const { name, skip } = peer;
  void test(`${name} becomes LIVE on our snapshot and serves by it`, { skip }, (t) => becomesLive(t, peer));
  void test(`F04 ${name} follows routes to new clusters, without a failed request`, { skip }, (t) => {
    return followsRoutes(t, peer);
  });
  void test(`F03 what ${name} refuses is in its receipt by name, and the rest is in force`, { skip }, (t) => {
    return refusesByName(t, peer);
  });
  void test(`F27 ${name} refuses a listener where node:net listens, serves on, and takes it later`, { skip }, (t) => {
    return refusesAddress(t, peer);
  });
  void test(`${name} serves a listener that went away and came back by its routes of today`, { skip }, (t) => {
    return returns(t, peer);
  });
  void test(`${name} holds a limit of connections that comes while it has more`, { skip }, (t) => limits(t, peer));
  void test(`F02 ${name} serves while the control plane is away, and is sent nothing that it has`, { skip }, (t) => {
    return servesAlone(t, peer);
  });
  void test(`${name} answers as a large route table says after each change of it, as undici sees it`, { skip }, (t) => (
    followsTable(t, peer)));
  void test(`F30 ${name} goes over to another control plane, and takes its older mesh`, { skip }, (t) => {
    return failsOver(t, peer);
  });
}

async function becomesLive(t: TestContext, peer: XdsPeer): Promise<void> {
  const { control, url } = await start(t, peer);
  assert.equal(await clusterAt(url), 'one');
  await control.synced();
  const [receipt] = control.push.receipts.list();
  assert.match(receipt!.userAgent, peer.userAgent);
  const counts = receipt!.types.map(({ type, resources }) => `${type} ${resources}`);
  assert.deepEqual(counts.toSorted(), ['cds 1', 'eds 1', 'lds 1', 'rds 1']);
}

/** Virtual hosts come, go, move and change at random; a table that must be refused changes nothing. */
async function followsTable(t: TestContext, peer: XdsPeer): Promise<void> {
  const { control, port, upstreamPort } = await start(t, peer);
  const seed = Number(process.env['SEED'] ?? Math.trunc(performance.now() * 1000));
  const random = new SeededRandom(seed);
  const draw = (below: number): number => Math.trunc(random.float() * below);
  const mesh = meshTo('one', port, upstreamPort);
  let hosts: readonly VirtualHost[] = Array.from({ length: 300 }, (_, i) => saying(`h${i}.example`, 'first'));
  const set = (...virtualHosts: VirtualHost[]): void => control.set({ ...mesh, routes: [{ name: 'r', virtualHosts }] });
  const answerOf = async ({ name: host }: VirtualHost): Promise<string> => (
    (await request(`http://127.0.0.1:${port}/`, { headers: { host } })).body.text());
  for (let i = 0; i < 8; i++) {
    const changed = hosts.toSpliced(draw(hosts.length), draw(3), saying(`n${i}.example`, `${i}`));
    changed.push(...changed.splice(draw(300), draw(20)));
    const at = draw(changed.length);
    hosts = changed.with(at, saying(changed[at]!.name, `changed ${i}`));
    set(...hosts);
    await until(`change ${i} is in force`, async () => await answerOf(hosts[at]!) === `changed ${i}`);
    if (draw(3) === 0) {
      set(...hosts, saying('new.example', 'x'), hosts[0]!);
      const types = (): readonly TypeReceipt[] => control.push.receipts.list()[0]?.types ?? [];
      await until('refused', () => types().some(({ nack }) => nack !== undefined));
    }
    for (const host of Array.from({ length: 10 }, () => hosts[draw(hosts.length)]!)) {
      const expected = host.routes?.[0]?.directResponse?.body?.inlineString;
      assert.equal(await answerOf(host), expected, `seed ${seed}, change ${i}, ${host.name}`);
    }
  }
}

function saying(name: string, inlineString: string): VirtualHost {
  const directResponse = { status: 200, body: { inlineString } };
  return { name, domains: [name], routes: [{ match: { prefix: '/' }, directResponse }] };
}

async function followsRoutes(t: TestContext, peer: XdsPeer): Promise<void> {
  const { control, url, port, upstreamPort } = await start(t, peer);
  const traffic = new Traffic(url);
  const names = ['one', 'two', 'three', 'four', 'five'];
  for (const name of names) {
    control.set(meshTo(name, port, upstreamPort));
    await until(`traffic on ${name}`, () => traffic.seen.has(name));
    await control.synced();
  }
  assert.deepEqual(await traffic.stop(), names);
  await until('the old ones are gone', () => control.push.receipts.get(NODE_ID)!.running(CLUSTER_TYPE).size === 1);
}

async function refusesByName(t: TestContext, peer: XdsPeer): Promise<void> {
  const { control, url, port, upstreamPort } = await start(t, peer);
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
}

/** Of an address where another process listens. */
async function refusesAddress(t: TestContext, peer: XdsPeer): Promise<void> {
  const { control, url, port, upstreamPort } = await start(t, peer);
  await control.synced();
  const other = createServer();
  await new Promise<void>((resolve) => { other.listen(0, '127.0.0.1', resolve); });
  t.after(() => other.close());
  const { port: taken } = other.address() as AddressInfo;
  const mesh = meshTo('one', port, upstreamPort);
  control.set({ ...mesh, listeners: [listenerOn(taken)] });
  await until('refused', () => control.push.counts.refused > 0);
  const lds = control.push.receipts.list()[0]!.types.find(({ type }) => type === 'lds')!;
  assert.match(lds.nack?.reason ?? '', new RegExp(`${taken}.*[Aa]ddress.*in use`, 's'));
  assert.equal(await clusterAt(url), 'one');
  await new Promise((resolve) => { other.close(resolve); });
  control.set({ ...mesh, listeners: [{ ...listenerOn(taken), trafficDirection: 'OUTBOUND' }] });
  await control.synced();
  await until('it listens', () => answers(`http://127.0.0.1:${taken}/`));
  assert.equal(await clusterAt(`http://127.0.0.1:${taken}/`), 'one');
}

async function returns(t: TestContext, peer: XdsPeer): Promise<void> {
  const { control, url, port, upstreamPort } = await start(t, peer);
  await control.synced();
  control.set({ clusters: [], endpoints: [], listeners: [], routes: [] });
  await until('nothing is served', async () => !(await answers(url)));
  await control.synced();
  control.set(meshTo('two', port, upstreamPort));
  await control.synced();
  await until('it is served again', () => answers(url));
  assert.equal(await clusterAt(url), 'two');
}

async function limits(t: TestContext, peer: XdsPeer): Promise<void> {
  const { control, url, port, upstreamPort } = await start(t, peer);
  const statuses = async (): Promise<number[]> => {
    const slow = Array.from({ length: 6 }, () => fetch(url, { headers: { 'x-delay-ms': '400' } }));
    return Promise.all(slow.map(async (response) => (await response).status));
  };
  assert.deepEqual(await statuses(), [200, 200, 200, 200, 200, 200]);
  const mesh = meshTo('one', port, upstreamPort);
  const thresholds = [{ maxConnections: 1, maxPendingRequests: 1 }];
  control.set({ ...mesh, clusters: [{ ...edsCluster('one'), circuitBreakers: { thresholds } }] });
  // Envoy first waits for the endpoints of the changed cluster.
  let served = 6;
  await until('one is served, and one may wait', async () => {
    served = (await statuses()).filter((status) => status === 200).length;
    return served <= 2;
  }, 10_000);
  assert.notEqual(served, 0);
}

/** Versions are of the content: the other's is no later and no earlier, only different. */
async function failsOver(t: TestContext, peer: XdsPeer): Promise<void> {
  const { control, url, port, upstreamPort, secondPort } = await start(t, peer);
  control.set(meshTo('newer', port, upstreamPort));
  await until('the newer mesh', async () => await clusterAt(url) === 'newer');
  await control.synced();
  const traffic = new Traffic(url);
  control.kill();
  const other = new XdsControl(meshTo('older', port, upstreamPort), secondPort);
  await other.listen();
  t.after(() => other.kill());
  await until('the older mesh', () => traffic.seen.has('older'), 15_000);
  await other.synced();
  const seen = await traffic.stop();
  // A server of the state of the world cannot know of the clusters that its list leaves out.
  assert.deepEqual(peer.apiType === 'GRPC' ? seen.filter((each) => each !== '503') : seen, ['newer', 'older']);
}

async function servesAlone(t: TestContext, peer: XdsPeer): Promise<void> {
  const { control, url, port, upstreamPort } = await start(t, peer);
  await control.synced();
  control.kill();
  assert.equal(await clusterAt(url), 'one');
  const next = new XdsControl(meshTo('one', port, upstreamPort), control.port);
  await next.listen();
  t.after(() => next.kill());
  await next.synced();
  assert.equal(await clusterAt(url), 'one');
}
