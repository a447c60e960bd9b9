// What a management server may say wrongly, late or twice, and what any proxy must make of it (faults.md F24): the same
// table for weft and for a real Envoy, in both variants.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE } from '../../proxy/config/type-url.ts';
import { EchoServer } from './echo-server.ts';
import type { Echo } from './echo-server.ts';
import { temporaryFolder } from './openssl.ts';
import { answers, ServerProcess } from './process.ts';
import type { RawAny } from './raw-xds.ts';
import { ScriptedXds } from './scripted-xds.ts';
import { until } from './until.ts';
import { cluster, listener, xds } from './xds-client-fixture.ts';
import { xdsBootstrap } from './xds-mesh.ts';
import type { ApiType } from './xds-mesh.ts';
import type { XdsPeer } from './xds-peer.ts';

interface Bench {
  readonly script: ScriptedXds;
  readonly url: string;
  /** Ports of upstreams `one` and `two`. */
  readonly one: number;
  readonly two: number;
}

export const addressOf = (port: number): object => (
  { address: { socket_address: { address: '127.0.0.1', port_value: port } } });

export function endpointsAt(cluster_name: string, ...ports: number[]): RawAny {
  const lb_endpoints = ports.map((port) => ({ endpoint: addressOf(port) }));
  const endpoints = ports.length === 0 ? [] : [{ lb_endpoints }];
  return xds.any('envoy.config.endpoint.v3.ClusterLoadAssignment', { cluster_name, endpoints });
}

/** Requests for NAME.test go to cluster NAME. */
function routesTo(...names: string[]): Record<string, RawAny> {
  const virtual_hosts = names.map((name) => (
    { name, domains: [`${name}.test`], routes: [{ match: { prefix: '/' }, route: { cluster: name } }] }));
  return { r: xds.any('envoy.config.route.v3.RouteConfiguration', { name: 'r', virtual_hosts }) };
}

async function start(t: TestContext, peer: XdsPeer, apiType: ApiType): Promise<Bench> {
  const [one, two] = [await EchoServer.start('one'), await EchoServer.start('two')];
  t.after(() => Promise.all([one, two].map((each) => each[Symbol.asyncDispose]())));
  const [admin, port] = await freePorts(2) as [number, number];
  const script = new ScriptedXds(xds, apiType);
  await script.server.listen();
  t.after(() => script.server.kill());
  const file = join(temporaryFolder(t), 'bootstrap.json');
  writeFileSync(file, xdsBootstrap(admin, script.server.port, undefined, undefined, apiType));
  const proxy = new ServerProcess(peer.command, [...peer.args(file)], { name: peer.name });
  t.after(() => proxy.stop());
  await script.connected();
  assert.equal((await script.push({ set: { a: cluster('a'), b: cluster('b') } })).refusal, '');
  await script.push({ set: { a: endpointsAt('a', one.port), b: endpointsAt('b', one.port) } });
  await script.push({ set: { l: listener('l', 'r', {}, addressOf(port)) } });
  await script.push({ set: routesTo('a', 'b', 'nowhere') });
  await proxy.until(() => answers(`http://127.0.0.1:${admin}/ready`));
  return { script, url: `http://127.0.0.1:${port}/`, one: one.port, two: two.port };
}

/** Who answers for NAME.test, or the status. */
async function ask({ url }: Bench, name: string): Promise<string> {
  const { statusCode, body } = await request(url, { headers: { host: `${name}.test` } });
  const text = await body.text();
  return statusCode === 200 ? (JSON.parse(text) as Echo).server : String(statusCode);
}

type Row = readonly [title: string, variants: 'both' | 'delta', run: (bench: Bench) => Promise<void>];

const is = async (bench: Bench, wanted: Readonly<Record<string, string>>): Promise<void> => {
  for (const [name, answer] of Object.entries(wanted)) {
    await until(`${name} is ${answer}`, async () => await ask(bench, name) === answer);
  }
};

/** One after the other, on one proxy. */
const ROWS: readonly Row[] = [
  ['a route leads to a cluster that is not there', 'both', (bench) => is(bench, { nowhere: '503', a: 'one' })],
  ['a part of the endpoints changes: the others stay', 'both', async (bench) => {
    await bench.script.push({ set: { a: endpointsAt('a', bench.two) }, version: '2' });
    await is(bench, { a: 'two', b: 'one' });
  }],
  ['the version goes back: a rollback is applied', 'both', async (bench) => {
    await bench.script.push({ set: { a: endpointsAt('a', bench.one) }, version: '1' });
    await is(bench, { a: 'one' });
  }],
  ['a version that was sent before has other content', 'both', async (bench) => {
    await bench.script.push({ set: { a: endpointsAt('a', bench.two) }, version: '1' });
    await is(bench, { a: 'two' });
  }],
  ['no endpoints are left: 503 at once, and back again', 'both', async (bench) => {
    await bench.script.push({ set: { b: endpointsAt('b') }, version: '3' });
    await is(bench, { b: '503', a: 'two' });
    await bench.script.push({ set: { b: endpointsAt('b', bench.one) }, version: '4' });
    await is(bench, { b: 'one' });
  }],
  ['endpoints are deleted whose cluster stays: what is in force stays', 'delta', async (bench) => {
    await bench.script.push({ type: ENDPOINT_TYPE, removed: ['b'] });
    assert.equal(await ask(bench, 'b'), 'one');
  }],
  ['a nonce comes twice: both responses are applied and answered', 'both', async (bench) => {
    await bench.script.push({ set: { a: endpointsAt('a', bench.one) }, nonce: 'twice', version: '5' });
    await bench.script.push({ set: { a: endpointsAt('a', bench.two) }, nonce: 'twice', version: '6' });
    await is(bench, { a: 'two' });
  }],
  ['a type that nobody asked for is passed over', 'both', async (bench) => {
    bench.script.send({ type: 'type.googleapis.com/acme.Unknown' });
    await bench.script.push({ set: { a: endpointsAt('a', bench.one) }, version: '7' });
    await is(bench, { a: 'one' });
  }],
  ['a resource stands in a response twice: refused', 'delta', async (bench) => {
    const answer = await bench.script.push({ set: { a: endpointsAt('a', bench.two) }, twice: true, version: '8' });
    assert.match(answer.refusal, /twice|duplicate/);
    assert.equal(await ask(bench, 'a'), 'one');
  }],
  ['a resource is of another type than its response: refused', 'both', async (bench) => {
    const answer = await bench.script.push({ set: { a: cluster('a') }, type: ENDPOINT_TYPE, version: '9' });
    assert.notEqual(answer.refusal, '');
    assert.equal(await ask(bench, 'a'), 'one');
  }],
  ['a route comes before its cluster, and endpoints before anybody asks', 'both', async (bench) => {
    await bench.script.push({ set: routesTo('a', 'b', 'nowhere', 'late'), version: '2' });
    await is(bench, { late: '503', a: 'one' });
    bench.script.send({ set: { late: cluster('late') }, version: '2' });
    await bench.script.push({ set: { late: endpointsAt('late', bench.two) }, version: '2' });
    await is(bench, { late: 'two', a: 'one' });
  }],
  ['all of a type goes, and comes back', 'both', async (bench) => {
    await bench.script.push({ type: CLUSTER_TYPE, removed: ['a', 'b', 'late'], version: '3' });
    await is(bench, { a: '503', late: '503' });
    await bench.script.pushFollowed({ set: { a: cluster('a'), b: cluster('b') }, version: '4' }, ENDPOINT_TYPE, 'b');
    await bench.script.push({ set: { a: endpointsAt('a', bench.one), b: endpointsAt('b', bench.two) }, version: '4' });
    await is(bench, { a: 'one', b: 'two' });
  }],
  ['the stream ends and another begins: what is in force stays', 'both', async (bench) => {
    bench.script.end();
    const first = await bench.script.connected();
    assert.equal(first['version_info'] ?? '4', '4');
    assert.deepEqual(first['initial_resource_versions'] ?? { a: '4', b: '4' }, { a: '4', b: '4' });
    await is(bench, { a: 'one', b: 'two' });
    await bench.script.push({ set: { a: endpointsAt('a', bench.two) }, version: 'older' });
    await is(bench, { a: 'two' });
  }],
];

export function testXdsFaults(peer: XdsPeer, apiType: ApiType): void {
  void test(`F24 F30 ${peer.name} over ${apiType}: what a server says out of turn`, { skip: peer.skip }, async (t) => {
    const bench = await start(t, peer, apiType);
    for (const [title, variants, run] of ROWS) {
      if (variants === 'both' || apiType === 'DELTA_GRPC') await t.test(title, () => run(bench));
    }
  });
}
