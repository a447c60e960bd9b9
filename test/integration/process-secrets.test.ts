// What others on the machine could get out of a proxy's process (threats.md S104), or out of its answers (S105).
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { ServerProcess, answers } from '../harness/process.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const skip = process.platform !== 'linux' && 'only Linux has /proc';

/** Processes that this one has started, with their environments. */
function childrenOf(pid: number): { pid: number; environment: string }[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const parent = /\) \S (\d+) /.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1];
      if (Number(parent) !== pid) return [];
      return [{ pid: Number(name), environment: readFileSync(`/proc/${name}/environ`, 'utf8') }];
    } catch {
      return [];
    }
  });
}

test('S104 SIGUSR1 opens no debugger, and children get no secrets of the environment', { skip }, async (t) => {
  const [port = 0] = await freePorts(1);
  const file = join(temporaryFolder(t), 'bootstrap.json');
  const admin = { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
  writeFileSync(file, JSON.stringify({ admin }));
  const env = { SECRET_TOKEN: 'abc', NODE_OPTIONS: '--no-deprecation' };
  await using proxy = new ServerProcess(process.execPath, [WEFT, 'proxy', '-c', file, '--concurrency', '1'], { env });
  await until('it has a child', () => childrenOf(proxy.pid).length > 0);
  for (const child of childrenOf(proxy.pid)) {
    assert.doesNotMatch(child.environment, /SECRET_TOKEN|NODE_OPTIONS/);
    assert.match(child.environment, /PATH=/);
  }
  await proxy.until(() => answers(`http://127.0.0.1:${port}/ready`));
  for (let i = 0; i < 3; i++) proxy.child.kill('SIGUSR1');
  for (let i = 0; i < 5; i++) assert.ok(await answers(`http://127.0.0.1:${port}/ready`), 'it goes on');
  assert.doesNotMatch(proxy.output, /Debugger listening/);
  const open = readFileSync(`/proc/${proxy.pid}/net/tcp`, 'utf8').toLowerCase();
  assert.equal(open.includes(`0100007f:${(9229).toString(16)} `), false);
});

test('S105 answers to failures say nothing of addresses, certificates or this program (undici)', async (t) => {
  const cutting = createServer((socket) => socket.destroy());
  const garbled = createServer((socket) => socket.end('no HTTP at all\r\n\r\n'));
  for (const server of [cutting, garbled]) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => [cutting, garbled].forEach((server) => server.close()));
  const portOf = (server: typeof cutting): number => (server.address() as AddressInfo).port;
  const [refused = 0] = await freePorts(1);
  const tls = {
    transport_socket: { name: 'tls', typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      sni: 'inner.example', common_tls_context: {},
    } },
  };
  const to = (name: string): unknown => ({ match: { prefix: `/${name}` }, route: { cluster: name, timeout: '1s' } });
  const listener = httpListener([to('refused'), to('cut'), to('garbled'), to('secured'), routeTo('nothing-like-it')]);
  await using proxy = await TestProxy.start(bootstrapOf([listener], [
    staticCluster('refused', [refused]), staticCluster('cut', [portOf(cutting)]),
    staticCluster('garbled', [portOf(garbled)]), staticCluster('secured', [portOf(garbled)], tls),
  ]));
  const places = [refused, portOf(cutting), portOf(garbled)].join('|');
  const words = '127\\.0\\.0\\.1|inner\\.example|certificate|ssl|\\.ts|node|nothing-like';
  const telling = new RegExp(`${words}|${places}`, 'i');
  for (const path of ['/refused', '/cut', '/garbled', '/secured', '/none']) {
    const response = await request(`http://127.0.0.1:${proxy.port()}${path}`);
    const body = await response.body.text();
    assert.ok(response.statusCode >= 502, `${path}: ${response.statusCode}`);
    const headers = Object.entries(response.headers).filter(([name]) => name !== 'date').join('\n');
    assert.doesNotMatch(`${body}\n${headers}`, telling, path);
  }
});
