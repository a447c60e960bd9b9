// What a lazy proxy holds follows what its application calls: hosts that rest are forgotten with their clusters, those
// with a live stream are not, and after a restart what was used is asked for at once (undici as the client).
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from 'undici';
import type { SnapshotInput } from '../../control/push/snapshot.ts';
import type { Listener } from '../../proxy/config/listener.ts';
import { ON_DEMAND_TYPE, ROUTER_TYPE } from '../../proxy/config/type-url.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { until } from '../harness/until.ts';
import { TestProxy } from '../harness/weft.ts';
import { edsCluster, endpointsOf, listenerOn, xdsBootstrap, XdsControl } from '../harness/xds-mesh.ts';

const SERVICES = ['rests', 'streams', 'unused'];

function lazyListener(port: number): Listener {
  return JSON.parse(JSON.stringify(listenerOn(port)), (key, value: unknown) => (key !== 'httpFilters' ? value : [
    { name: 'on_demand', typedConfig: { '@type': ON_DEMAND_TYPE } },
    { name: 'router', typedConfig: { '@type': ROUTER_TYPE } },
  ])) as Listener;
}

function meshOn(port: number, upstream: number): SnapshotInput {
  const made = new Map(SERVICES.map((name) => [`r/${name}.test`, {
    host: {
      name: `r/${name}.test`, domains: [`${name}.test`],
      routes: [{ match: { prefix: '/' }, route: { cluster: name, timeout: '0s' } }],
    },
    clusters: [{ cluster: edsCluster(name), endpoints: endpointsOf(name, upstream) }],
  }]));
  return {
    listeners: [lazyListener(port)],
    routes: [{ name: 'r', virtualHosts: [], vhds: { configSource: { ads: {}, resourceApiVersion: 'V3' } } }],
    onDemand: (name) => made.get(name),
  };
}

test('a lazy proxy forgets hosts that rest, keeps those with a live stream, and remembers them all its next life',
  { timeout: 40_000 }, async (t) => {
    const open: ServerResponse[] = [];
    const server = createServer(({ url }, response) => {
      response.write('begun ');
      if (url === '/stream') open.push(response);
      else response.end();
    }).listen(0, '127.0.0.1');
    await until('the server', () => server.listening);
    const [port] = await freePorts(1) as [number];
    const control = new XdsControl(meshOn(port, (server.address() as AddressInfo).port));
    await control.listen();
    t.after(() => {
      control.kill();
      server.close();
    });
    const metadata = {
      WEFT_LAZY: 'true', WEFT_LAZY_FORGET: '5s',
      WEFT_LAST_GOOD: { folder: join(temporaryFolder(t), 'state'), wait: '20s' },
    };
    const start = async (): Promise<TestProxy> => {
      const node = { id: 'lazy~1', cluster: 'test', metadata };
      const { admin: _, ...bootstrap } = JSON.parse(xdsBootstrap(0, control.port, node)) as { admin?: unknown };
      return TestProxy.start(bootstrap);
    };
    const held = (type: string): string => {
      const running = control.push.receipts.get('lazy~1')?.receipt().types.find((each) => each.type === type);
      return (running?.hosts ?? [String(running?.resources ?? 0)]).join(' ');
    };
    const call = async (name: string, path = '/'): Promise<AsyncIterator<Buffer>> => {
      const headers = { host: `${name}.test` };
      const { statusCode, body } = await request(`http://127.0.0.1:${port}${path}`, { headers });
      assert.equal(statusCode, 200);
      return body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    };
    const finish = async (body: AsyncIterator<Buffer>): Promise<string> => {
      let text = '';
      for (let part = await body.next(); part.done !== true; part = await body.next()) text += String(part.value);
      return text;
    };

    {
      await using proxy = await start();
      await until('the listener', () => proxy.running.supervisor.state === 'live');
      await until('the table', async () => (await finish(await call('rests').catch(() => call('rests')))) === 'begun ');
      const stream = await call('streams', '/stream');
      await until('both are held', () => held('vhds') === 'r/rests.test r/streams.test' && held('cds') === '2');
      await until('one is forgotten', () => proxy.stat('xds.vhds.forgotten') === 1, 15_000);
      await until('its cluster is gone', () => held('vhds') === 'r/streams.test' && held('cds') === '1');
      assert.equal(proxy.stat('xds.vhds.held'), 1);
      open[0]!.end('ended');
      assert.equal(await finish(stream), 'begun ended');
      assert.equal(await finish(await call('rests')), 'begun ', 'it is asked for again');
      assert.equal(proxy.stat('xds.vhds.asked'), 3);
      const written = proxy.stat('server.last_good_written');
      await until('it is written down', () => proxy.stat('server.last_good_written') > written);
    }

    await using again = await start();
    await until('it asks for what it used', () => held('vhds') === 'r/rests.test r/streams.test');
    await until('its clusters', () => held('eds') === '2' && again.running.supervisor.state === 'live');
    assert.equal(await finish(await call('streams')), 'begun ');
    assert.equal(again.stat('xds.vhds.asked'), 0, 'no request had to');
  });
