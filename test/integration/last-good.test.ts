// A proxy that starts while its control plane is away, with what that said last on disk and without (faults.md F01).
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { until } from '../harness/until.ts';
import { TestProxy } from '../harness/weft.ts';
import { Traffic, XdsControl, clusterAt, meshTo, xdsBootstrap } from '../harness/xds-mesh.ts';

interface Scene {
  readonly folder: string;
  readonly control: XdsControl;
  readonly port: number;
  readonly upstream: EchoServer;
  start(lastGood?: Record<string, unknown>, id?: string): Promise<TestProxy>;
}

/** A control plane that listens, and proxies of one node. */
async function scene(t: TestContext): Promise<Scene> {
  const folder = join(temporaryFolder(t), 'state');
  const upstream = await EchoServer.start('app');
  const [port = 0] = await freePorts(1);
  const control = new XdsControl(meshTo('one', port, upstream.port));
  await control.listen();
  t.after(async () => {
    control.kill();
    await upstream[Symbol.asyncDispose]();
  });
  const start = (lastGood: Record<string, unknown> = {}, id = 'proxy~1'): Promise<TestProxy> => {
    const node = { id, cluster: 'test', metadata: { WEFT_LAST_GOOD: { folder, wait: '0.05s', ...lastGood } } };
    const bootstrap = JSON.parse(xdsBootstrap(0, control.port, node)) as { admin?: unknown };
    delete bootstrap.admin;
    return TestProxy.start(bootstrap);
  };
  return { folder, control, port, upstream, start };
}

/** A proxy has written down what the control plane said; then both are gone. */
async function written(t: TestContext): Promise<Scene> {
  const made = await scene(t);
  await using proxy = await made.start({ wait: '20s' });
  await until('it serves', () => proxy.running.supervisor.state === 'live');
  await until('the routes are there', async () => await clusterAt(`http://127.0.0.1:${made.port}/`) === 'one');
  await until('it is written down', () => proxy.stat('server.last_good_written') > 0);
  made.control.kill();
  return made;
}

function refuses(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => resolve(true)).on('connect', () => resolve(socket.destroy().connecting));
  });
}

test('F01 what the control plane said last is served while it is away, and left for what it says then', async (t) => {
  const { folder, control, port, upstream, start } = await written(t);
  await using proxy = await start();
  const url = `http://127.0.0.1:${port}/`;
  await until('it is ready', () => proxy.running.readiness.reasons.length === 0);
  assert.equal(await clusterAt(url), 'one');
  assert.equal(proxy.stat('server.last_good_in_use'), 1);
  assert.match(proxy.logLines.join(''), /the control plane does not answer: 4 resources .* are served/);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  for (const name of ['last-good', 'last-good-key']) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
  const traffic = new Traffic(url);
  control.mesh = meshTo('two', port, upstream.port);
  await control.listen();
  await until('the control plane is followed', () => proxy.stat('server.last_good_in_use') === 0);
  await until('its routes are in force', async () => await clusterAt(url) === 'two');
  assert.deepEqual(await traffic.stop(), ['one', 'two'], 'no request failed');
  await until('what it names no more is gone', () => {
    const { store } = proxy.running.supervisor;
    return store.get('cluster', 'one') === undefined && store.get('endpoints', 'one') === undefined;
  });
});

test('F01 without it a proxy is not ready, opens no listener, and says whom it waits for', async (t) => {
  const { control, port, start } = await scene(t);
  control.kill();
  await using proxy = await start();
  await until('it is said', () => /holds nothing to serve/.test(proxy.logLines.join('')));
  const reasons = proxy.running.readiness.reasons.join();
  assert.match(reasons, /the first clusters of the control plane \(CDS\),the first listeners .*\(LDS\)/);
  assert.equal(await refuses(port), true);
});

test('F01 what is too old, another node\'s, cut or changed is not served', async (t) => {
  const { folder, port, start } = await written(t);
  const file = join(folder, 'last-good');
  const whole = readFileSync(file, 'utf8');
  const open = JSON.stringify({ format: 1 });
  const cases: readonly (readonly [string, Record<string, unknown>, string, string, RegExp])[] = [
    ['too old', { max_age: '0s' }, 'proxy~1', whole, /max_age allows 0 s/],
    ['of another node', {}, 'proxy~2', whole, /is of node 'proxy~1'/],
    ['cut', {}, 'proxy~1', whole.slice(0, -1), /was not written so/],
    ['empty', {}, 'proxy~1', '', /is cut off/],
    ['changed', {}, 'proxy~1', whole.replace('"one"', '"two"'), /was not written so/],
    ['of another seal', {}, 'proxy~1', `${'0'.repeat(64)}\n${open}\n[]`, /was not written so/],
  ];
  for (const [what, lastGood, id, content, reason] of cases) {
    writeFileSync(file, content);
    await using proxy = await start(lastGood, id);
    await until(`${what} is refused`, () => proxy.stat('server.last_good_refused') === 1);
    assert.match(proxy.logLines.join(''), reason, what);
    assert.notEqual(proxy.running.readiness.reasons.length, 0);
    assert.equal(await refuses(port), true, what);
  }
});

test('F02 a control plane that comes and goes changes nothing for traffic', async (t) => {
  const { control, port, start } = await scene(t);
  await using proxy = await start({ wait: '20s' });
  const url = `http://127.0.0.1:${port}/`;
  await until('it serves', async () => proxy.running.supervisor.state === 'live' && await clusterAt(url) === 'one');
  const traffic = new Traffic(url);
  for (let round = 0; round < 3; round++) {
    control.kill();
    await until('its loss is noticed', () => proxy.stat('control_plane.connected_state') === 0);
    await control.listen();
    await until('it is back', () => proxy.stat('control_plane.connected_state') === 1);
  }
  assert.deepEqual(await traffic.stop(), ['one'], 'no request failed');
});
