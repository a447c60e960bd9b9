// A thousand clients that ask for endless bodies and don't read them: what each costs the proxy's memory.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { ProxyProcess } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const READERS = 1000;
const EACH_KIB_MAX = 128;
const CHUNK = Buffer.alloc(64 * 1024, 97);
const linux = { skip: process.platform === 'linux' ? false : 'memory is read from /proc' };

/** Opens one exchange, resolves with its first bytes, and reads no more. */
type Stall = (port: number) => Promise<() => void>;

async function stallHttp1(port: number): Promise<() => void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write('GET /endless HTTP/1.1\r\nHost: app\r\n\r\n');
  await once(socket, 'data');
  socket.pause();
  return () => socket.destroy();
}

async function stallHttp2(port: number): Promise<() => void> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  const stream = session.request({ ':path': '/endless' });
  stream.on('error', () => undefined);
  await once(stream, 'data');
  stream.pause();
  return () => session.destroy();
}

function rssKib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Resolves when the proxy's memory has stopped growing. */
async function settled(pid: number): Promise<number> {
  let last = 0;
  let same = 0;
  await until('steady memory', () => {
    const now = rssKib(pid);
    same = Math.abs(now - last) < 256 ? same + 1 : 0;
    last = now;
    return same >= 20;
  });
  return last;
}

async function stallMany(stall: Stall, port: number, count: number): Promise<(() => void)[]> {
  const ends: (() => void)[] = [];
  while (ends.length < count) ends.push(...(await Promise.all(Array.from({ length: 50 }, () => stall(port)))));
  return ends;
}

for (const [name, stall] of [['HTTP/1.1', stallHttp1], ['HTTP/2', stallHttp2]] as [string, Stall][]) {
  void test(`S81 ${READERS} stalled readers of ${name} cost at most ${EACH_KIB_MAX} KiB each`, linux, async () => {
    const server = createServer((_request, response) => {
      const more = (): void => {
        while (response.write(CHUNK));
        response.once('drain', more);
      };
      response.on('error', () => undefined);
      more();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const limits = { circuit_breakers: { thresholds: [{ max_connections: 4096, max_requests: 4096 }] } };
    const route = routeTo('app', { timeout: '0s' });
    await using proxy = await ProxyProcess.start(
      'weft', bootstrapOf([httpListener([route])], [staticCluster('app', [port], limits)]),
    );
    // What the runtime needs to be warm is not theirs.
    for (const end of await stallMany(stall, proxy.port('http'), 200)) end();
    const { pid } = proxy.process;
    const before = await settled(pid);
    const ends = await stallMany(stall, proxy.port('http'), READERS);
    const each = ((await settled(pid)) - before) / READERS;
    for (const end of ends) end();
    server.closeAllConnections();
    server.close();
    assert.ok(each <= EACH_KIB_MAX, `each costs ${each.toFixed(0)} KiB`);
  });
}
