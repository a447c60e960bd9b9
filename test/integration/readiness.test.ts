// Readiness as probes and people see it: who is waited for, by name, and how a command holds until nobody is.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
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

function withHealth(bootstrap: unknown, more: Record<string, unknown> = {}): unknown {
  const metadata = { WEFT_LIFECYCLE: { health: '127.0.0.1:0', ...more } };
  return { ...(bootstrap as object), node: { id: 'n', cluster: 'c', metadata } };
}

async function probe(proxy: TestProxy, path = '/healthz/ready'): Promise<readonly [status: number, body: string]> {
  const response = await request(`http://${proxy.running.healthAddress}${path}`, { headers: { host: 'any.name' } });
  return [response.statusCode, await response.body.text()];
}

test('the health port names the routes that a listener waits for, and /healthcheck/fail, and a lost worker (undici)',
  async () => {
    await using app = await EchoServer.start('app');
    await using proxy = await TestProxy.start(withHealth(bootstrapOf([], [staticCluster('app', [app.port])])));
    assert.deepEqual(await probe(proxy), [200, 'ready\n']);
    assert.deepEqual(await probe(proxy, '/healthz/live'), [200, 'live\n']);
    const { supervisor, readiness } = proxy.running;
    const rds = { route_config: undefined, rds: { route_config_name: 'table', config_source: { ads: {} } } };
    const put = (kind: 'route' | 'listener', name: string, resource: unknown): Promise<unknown> => supervisor.intake
      .apply({ kind, updated: [{ name, resource, version: '1' }], removed: [], origin: 'dynamic' });
    await put('listener', 'http', decoded(httpListener([], rds)));
    await until('the wait is told', async () => (await probe(proxy))[1].includes('waits for'));
    assert.deepEqual(await probe(proxy), [503, 'not ready:\n- listener http: waits for route table\n']);
    await put('route', 'table', { name: 'table', virtualHosts: [] });
    await until('it is ready', async () => (await probe(proxy))[0] === 200);
    readiness.fail(true);
    assert.deepEqual(await probe(proxy), [503, 'not ready:\n- the admin interface was told /healthcheck/fail\n']);
    readiness.fail(false);
    await supervisor.pool.killWorker(0);
    await until('the loss is told', () => supervisor.notReady.length > 0);
    assert.match(supervisor.notReady[0]!, /^listener http: its worker was lost/);
    await until('it is ready again', async () => (await probe(proxy))[0] === 200);
    const drained = proxy.running.drain();
    assert.deepEqual(await probe(proxy), [503, 'not ready:\n- draining: this proxy is about to end\n']);
    await drained;
  });

test('/healthcheck/fail asks clients to go, /healthcheck/ok takes it back for those that come (undici)', async () => {
  await using app = await EchoServer.start('app');
  const bootstrap = bootstrapOf([httpListener([routeTo('app')])], [staticCluster('app', [app.port])]);
  await using proxy = await TestProxy.start(bootstrap);
  const connectionOf = async (): Promise<string | string[] | undefined> => {
    const response = await request(`http://127.0.0.1:${proxy.port()}/`);
    await response.body.dump();
    return response.headers['connection'];
  };
  proxy.running.readiness.fail(true);
  await until('a response says close', async () => await connectionOf() === 'close');
  proxy.running.readiness.fail(false);
  await until('a response does not say close', async () => await connectionOf() !== 'close');
});

test('weft wait holds until a weft proxy is ready, says what it waits for, and gives up with status 1', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-test-'));
  try {
    const [listener = 0, health = 0, admin = 0] = await freePorts(3);
    const silent = createServer((_, response) => void response.writeHead(503).end('not ready:\n- one\n- two\n'));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
    const args = ['wait', '--timeoutSeconds', '1', '--periodMillis', '50'];
    await using vain = new ServerProcess(process.execPath, [WEFT, ...args, '--url', url]);
    assert.equal(await vain.ended, 1, vain.output);
    assert.match(vain.output, /answers 503: one; two\n.*not ready within 1 s; the last word was: .*one; two/);
    silent.close();

    await using wait = new ServerProcess(process.execPath, [WEFT, 'wait', '--admin', `127.0.0.1:${admin}`]);
    await wait.until(() => wait.output.includes('ECONNREFUSED'));
    const http = httpListener([routeTo('app')]) as { address: { socket_address: { port_value: number } } };
    http.address.socket_address.port_value = listener;
    const file = join(folder, 'bootstrap.json');
    const address = { socket_address: { address: '127.0.0.1', port_value: admin } };
    const bootstrap = withHealth(bootstrapOf([http], [staticCluster('app', [1])]),
      { health: `127.0.0.1:${health}` });
    await writeFile(file, JSON.stringify({ ...(bootstrap as object), admin: { address } }));
    await using proxy = new ServerProcess(process.execPath, [WEFT, 'proxy', '-c', file, '--concurrency', '1']);
    assert.equal(await wait.ended, 0, `${wait.output}\n${proxy.output}`);
    assert.ok(await answers(`http://127.0.0.1:${health}/healthz/ready`));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('weft wait refuses what it cannot ask', async () => {
  for (const [args, reason] of [
    [['--url', 'ftp://x'], '--url takes http://'], [['--timeout-s', '0'], '--timeout-s takes a whole number above 0'],
    [['--url', 'http://a/', '--admin', 'a:1'], '--url, --admin and --socket say the same'],
  ] as const) {
    await using wait = new ServerProcess(process.execPath, [WEFT, 'wait', ...args]);
    assert.equal(await wait.ended, 2);
    assert.ok(wait.output.includes(reason), wait.output);
  }
});
