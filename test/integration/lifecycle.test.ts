// A proxy's life: drained by SIGTERM, a worker lost, configuration changed and refused while traffic flows.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { ServerProcess, answers } from '../harness/process.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, decoded, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));

/** One GET by node:http; the status and whether the server closes the connection. */
function fetchBy(
  agent: Agent, url: string, headers: Record<string, string> = {},
): Promise<{ status: number; connection: string | undefined }> {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers }, (incoming) => {
      incoming.resume();
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, connection: incoming.headers.connection }));
    }).on('error', reject);
  });
}

test('F17 SIGTERM: the request in flight finishes, connections are told to close, exit status 0', async () => {
  await using upstream = await EchoServer.start('app');
  const folder = await mkdtemp(join(tmpdir(), 'weft-test-'));
  const [port] = await freePorts(1);
  const listener = httpListener([routeTo('app')]) as { address: { socket_address: { port_value: number } } };
  listener.address.socket_address.port_value = port!;
  const file = join(folder, 'bootstrap.json');
  await writeFile(file, JSON.stringify(bootstrapOf([listener], [staticCluster('app', [upstream.port])])));
  const proxy = new ServerProcess(
    process.execPath, [WEFT, 'proxy', '-c', file, '--concurrency', '1'], { name: 'weft' },
  );
  const agent = new Agent({ keepAlive: true });
  try {
    await proxy.until(() => answers(`http://127.0.0.1:${port}/`));
    const before = upstream.requests;
    const slow = fetchBy(agent, `http://127.0.0.1:${port}/`, { 'x-delay-ms': '700' });
    await until('the slow request is at the upstream', () => upstream.requests > before);
    proxy.child.kill('SIGTERM');
    await until('the proxy drains', () => proxy.output.includes('draining'));
    const late = await fetchBy(agent, `http://127.0.0.1:${port}/`);
    assert.deepEqual(late, { status: 200, connection: 'close' });
    assert.deepEqual(await slow, { status: 200, connection: 'close' });
    assert.equal(await proxy.ended, 0, proxy.output);
  } finally {
    agent.destroy();
    await proxy.stop();
    await rm(folder, { recursive: true });
  }
});

test('F19 S95 a worker that dies is replaced, and the other one goes on', async () => {
  await using upstream = await EchoServer.start('app');
  const bootstrap = bootstrapOf([httpListener([routeTo('app')])], [staticCluster('app', [upstream.port])]);
  await using proxy = await TestProxy.start(bootstrap, { concurrency: 2 });
  const url = `http://127.0.0.1:${proxy.port()}/`;
  const ask = async (): Promise<number> => {
    const response = await request(url, { headers: { connection: 'close' } });
    await response.body.dump();
    return response.statusCode;
  };
  for (let i = 0; i < 20; i++) assert.equal(await ask(), 200);
  const counted = proxy.stat('cluster.app.upstream_rq_total');
  await proxy.running.supervisor.pool.killWorker(0);
  await until('the death is counted', () => proxy.stat('server.worker_deaths') === 1);
  assert.equal(proxy.stat('cluster.app.upstream_rq_total'), counted, 'a dead worker takes its counts with it');
  await until(
    'both workers listen again',
    () => proxy.running.supervisor.pool.size === 2 && proxy.running.supervisor.listening('http') === 2,
  );
  for (let i = 0; i < 40; i++) assert.equal(await ask(), 200);
  assert.match(proxy.logLines.join(''), /worker 0 ended .* it is replaced at once/);
});

test('F04 routes change under load: no request fails, and each sees one table', async () => {
  await using one = await EchoServer.start('one');
  await using two = await EchoServer.start('two');
  const rds = { route_config: undefined, rds: { route_config_name: 'table', config_source: { ads: {} } } };
  const listener = httpListener([], rds);
  await using proxy = await TestProxy.start(
    bootstrapOf([], [staticCluster('one', [one.port]), staticCluster('two', [two.port])]),
  );
  const { intake } = proxy.running.supervisor;
  const put = (kind: 'route' | 'listener', name: string, resource: unknown): Promise<unknown> =>
    intake.apply({ kind, updated: [{ name, resource, version: '1' }], removed: [], origin: 'dynamic' });
  const table = (cluster: string): unknown => ({
    name: 'table',
    virtualHosts: [{
      name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster } }],
      responseHeadersToAdd: [{ header: { key: 'x-table', value: cluster } }],
    }],
  });
  await put('listener', 'http', decoded(listener));
  assert.equal(proxy.running.supervisor.portOf('http'), undefined, 'a listener without its routes does not listen');
  await put('route', 'table', table('one'));
  await until('the listener is warm', () => proxy.running.supervisor.portOf('http') !== undefined);
  const url = `http://127.0.0.1:${proxy.port()}/`;
  const seen = new Set<string>();
  let stop = false;
  const client = async (): Promise<void> => {
    while (!stop) {
      const response = await request(url);
      const echo = (await response.body.json()) as { server: string };
      assert.equal(response.statusCode, 200);
      assert.equal(response.headers['x-table'], echo.server, 'route and headers are of one table');
      seen.add(echo.server);
    }
  };
  const clients = Promise.all([client(), client(), client()]);
  for (let i = 0; i < 20; i++) {
    await put('route', 'table', table(i % 2 === 0 ? 'two' : 'one'));
    const before = one.requests + two.requests;
    await until('traffic flows', () => one.requests + two.requests > before + 5);
  }
  stop = true;
  await clients;
  assert.deepEqual([...seen].toSorted(), ['one', 'two']);
});

test('S103 F03 a route table that cannot be compiled is refused by its path, and the old one serves', async () => {
  await using app = await EchoServer.start('app');
  await using proxy = await TestProxy.start(
    bootstrapOf([httpListener([routeTo('app')])], [staticCluster('app', [app.port])]),
  );
  const listener = decoded(httpListener([{ match: { prefix: '/' }, redirect: { pathRedirect: '/x' },
    responseHeadersToAdd: [{ header: { key: 'a', value: '%NOSUCH%' } }] }]));
  const refused = await proxy.running.supervisor.intake.apply({
    kind: 'listener', updated: [{ name: 'other', resource: listener, version: '2' }], removed: [], origin: 'dynamic',
  });
  assert.equal(refused.length, 1);
  assert.match(refused[0]!.reason, /NOSUCH/);
  assert.match(refused[0]!.reason, /filterChains\[0\]\.filters\[0\]\.typedConfig\.routeConfig/);
  assert.equal((await request(`http://127.0.0.1:${proxy.port()}/`)).statusCode, 200);
});

test('a port in use, a missing file and a bad field each say so in a line, exit status 2', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const address = taken.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const folder = await mkdtemp(join(tmpdir(), 'weft-test-'));
  const listener = httpListener([routeTo('app')]) as { address: { socket_address: { port_value: number } } };
  listener.address.socket_address.port_value = port;
  const run = async (name: string, text: string | undefined): Promise<string> => {
    const file = join(folder, name);
    if (text !== undefined) await writeFile(file, text);
    const proxy = new ServerProcess(process.execPath, [WEFT, 'proxy', '-c', file], { name: 'weft' });
    assert.equal(await proxy.ended, 2, proxy.output);
    return proxy.output;
  };
  assert.match(
    await run('taken.json', JSON.stringify(bootstrapOf([listener], [staticCluster('app', [1])]))), /address is in use/,
  );
  assert.match(await run('missing.yaml', undefined), /missing\.yaml/);
  assert.match(await run('field.yaml', 'static_resources:\n  listners: []\n'), /field\.yaml:2.*listners.*listeners/);
  taken.close();
  await rm(folder, { recursive: true });
});
