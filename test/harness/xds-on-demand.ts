// Hosts that a table does not know until a request asks for them (VHDS, on_demand): the same for weft and a real Envoy.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { VIRTUAL_HOST_TYPE } from '../../proxy/config/type-url.ts';
import { EchoServer } from './echo-server.ts';
import { temporaryFolder } from './openssl.ts';
import { answers, ServerProcess } from './process.ts';
import type { RawAny } from './raw-xds.ts';
import { ScriptedXds } from './scripted-xds.ts';
import { addressOf, endpointsAt } from './xds-faults.ts';
import { cluster, listener, xds } from './xds-client-fixture.ts';
import { xdsBootstrap } from './xds-mesh.ts';
import type { XdsPeer } from './xds-peer.ts';

const hostOf = (name: string, clusterName: string): RawAny => xds.any('envoy.config.route.v3.VirtualHost', {
  name, domains: [`${name}.test`], routes: [{ match: { prefix: '/' }, route: { cluster: clusterName } }],
});

const table = (): Record<string, RawAny> => ({
  r: xds.any('envoy.config.route.v3.RouteConfiguration', {
    name: 'r', vhds: { config_source: { ads: {}, resource_api_version: 'V3' } },
    virtual_hosts: [{
      name: 'known', domains: ['known.test'], routes: [{ match: { prefix: '/' }, route: { cluster: 'a' } }],
    }],
  }),
});

const FILTERS = [
  { name: 'on_demand', typed_config: xds.any('envoy.extensions.filters.http.on_demand.v3.OnDemand', {}) },
  { name: 'router', typed_config: xds.any('envoy.extensions.filters.http.router.v3.Router', {}) },
];

interface Bench {
  readonly script: ScriptedXds;
  ask(host: string): Promise<number>;
}

async function start(t: TestContext, peer: XdsPeer): Promise<Bench> {
  const echo = await EchoServer.start('echo');
  t.after(() => echo[Symbol.asyncDispose]());
  const [admin, port] = await freePorts(2) as [number, number];
  const script = new ScriptedXds(xds, 'DELTA_GRPC');
  await script.server.listen();
  t.after(() => script.server.kill());
  const file = join(temporaryFolder(t), 'bootstrap.json');
  writeFileSync(file, xdsBootstrap(admin, script.server.port));
  const proxy = new ServerProcess(peer.command, [...peer.args(file)], { name: peer.name });
  t.after(() => proxy.stop());
  await script.connected();
  await script.push({ set: { a: cluster('a') } });
  await script.push({ set: { a: endpointsAt('a', echo.port) } });
  await script.push({ set: { l: listener('l', 'r', { http_filters: FILTERS }, addressOf(port)) } });
  assert.equal((await script.push({ set: table() })).refusal, '');
  if (peer.name.includes('Envoy')) {
    // It asks for hosts to begin with, and takes no listener before it has some.
    await script.next((each) => each['type_url'] === VIRTUAL_HOST_TYPE);
    await script.push({ set: { 'r/first.test': hostOf('first', 'a') } });
  }
  await proxy.until(() => answers(`http://127.0.0.1:${admin}/ready`));
  const ask = async (host: string): Promise<number> => {
    const { statusCode, body } = await request(`http://127.0.0.1:${port}/`, { headers: { host } });
    await body.dump();
    return statusCode;
  };
  return { script, ask };
}

/** Resolves when the proxy has asked for this host. */
async function asked({ script }: Bench, name: string): Promise<void> {
  await script.next((each) => each['type_url'] === VIRTUAL_HOST_TYPE
    && (each['resource_names_subscribe'] as string[]).includes(name));
}

export function testOnDemand(peer: XdsPeer): void {
  void test(`${peer.name} waits with a first request for its host, and asks once`, { skip: peer.skip }, async (t) => {
    const bench = await start(t, peer);
    const { script, ask } = bench;
    assert.equal(await ask('known.test'), 200);
    const waiting = Promise.all(Array.from({ length: 5 }, () => ask('late.test')));
    await asked(bench, 'r/late.test');
    assert.equal((await script.push({ set: { 'r/late.test': hostOf('late', 'a') }, version: '1' })).refusal, '');
    assert.deepEqual(await waiting, [200, 200, 200, 200, 200]);
    assert.equal(await ask('late.test'), 200);

    const nobody = ask('nobody.test');
    await asked(bench, 'r/nobody.test');
    await script.push({ type: VIRTUAL_HOST_TYPE, absent: ['r/nobody.test'] });
    assert.equal(await nobody, 404);

    // The table comes anew: what was asked for stays in it.
    await script.push({ set: table(), version: '2' });
    assert.deepEqual([await ask('known.test'), await ask('late.test')], [200, 200]);
  });
}
