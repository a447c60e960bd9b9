// Networks that are bad on both sides of the proxy (faults.md F26): what arrives is right, what cannot ends in time.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer, request } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { SeededRandom } from '../../proxy/base/random.ts';
import { BadNetwork } from '../harness/bad-network.ts';
import type { Badness } from '../harness/bad-network.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const SEED = Number(process.env['WEFT_SEED'] ?? Date.now() % 1_000_000);
const random = new SeededRandom(SEED);
const REQUESTS = 40;
const AT_ONCE = 8;

/** Sends every body back. */
async function echo(): Promise<Server> {
  const server = createServer((incoming, outgoing) => void incoming.on('error', () => undefined).pipe(outgoing));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const noise = (bytes: number): Buffer => Buffer.from(Uint8Array.from({ length: bytes }, () => random.float() * 256));

/** `right`, `wrong` (bytes that were never sent), or how it failed. */
function post(port: number, body: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port, method: 'POST', agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', (cause) => resolve(cause.message));
      response.on('end', () => {
        if (response.statusCode !== 200) return resolve(String(response.statusCode));
        if (!response.complete) return resolve('cut');
        resolve(digest(Buffer.concat(pieces)) === digest(body) ? 'right' : 'wrong');
      });
    });
    sent.on('error', (cause) => resolve(cause.message));
    sent.end(body);
  });
}

async function outcomes(port: number): Promise<string[]> {
  const all: string[] = [];
  for (let at = 0; at < REQUESTS; at += AT_ONCE) {
    const some = Array.from({ length: AT_ONCE }, () => post(port, noise(Math.floor(2 ** (random.float() * 14)))));
    all.push(...await Promise.all(some));
  }
  return all;
}

async function through(badness: Badness, route: Record<string, unknown>, act: (port: number, proxy: TestProxy,
  resets: () => number) => Promise<void>): Promise<void> {
  const server = await echo();
  try {
    await using up = await BadNetwork.start(portOf(server), badness, random);
    await using proxy = await TestProxy.start(bootstrapOf(
      [httpListener([routeTo('app', route)])], [staticCluster('app', [up.port])],
    ));
    await using down = await BadNetwork.start(proxy.port(), badness, random);
    await act(down.port, proxy, () => up.resets + down.resets);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test(`F26 slow networks of tiny pieces change no byte, seed ${SEED} (node:http)`, { timeout: 60_000 }, async () => {
  await through({ pieceMax: 536, delayMaxMs: 4 }, { timeout: '40s' }, async (port, proxy) => {
    assert.deepEqual((await outcomes(port)).filter((outcome) => outcome !== 'right'), []);
    await until('nothing is left', () => proxy.stat('http.http.downstream_rq_active') === 0);
  });
});

test(`F26 of connections that are reset on their way none gives wrong bytes, seed ${SEED} (node:http)`,
  { timeout: 60_000 }, async () => {
    const badness = { pieceMax: 1200, delayMaxMs: 2, resetPercent: 30 };
    await through(badness, { timeout: '20s' }, async (port, proxy, resets) => {
      const all = await outcomes(port);
      assert.equal(all.includes('wrong'), false);
      assert.ok(all.includes('right'));
      assert.ok(resets() > 0, 'some were reset');
      await until('nothing is left', () => proxy.stat('http.http.downstream_rq_active') === 0
        && proxy.stat('cluster.app.upstream_rq_active') === 0);
      assert.equal(proxy.stat('server.worker_deaths'), 0);
    });
  });

test('F26 a network that falls silent is waited for no longer than the route allows (node:http)',
  { timeout: 60_000 }, async () => {
    const silent = { pieceMax: 1000, delayMaxMs: 1, silentAfter: 500 };
    const server = await echo();
    try {
      await using up = await BadNetwork.start(portOf(server), silent, random);
      await using proxy = await TestProxy.start(bootstrapOf(
        [httpListener([routeTo('app', { timeout: '0.3s' })])], [staticCluster('app', [up.port])],
      ));
      const ends: string[] = [];
      for (let i = 0; i < 5; i++) ends.push(await post(proxy.port(), noise(4000)));
      // Cut, where the response had begun before it fell silent.
      assert.deepEqual(ends.filter((end) => end !== '504' && end !== 'aborted'), []);
      await until('nothing is left', () => proxy.stat('cluster.app.upstream_rq_active') === 0);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
