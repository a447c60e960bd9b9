// Copies of requests: which ones Envoy and weft make, and with what head and body.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { EchoServer } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import type { RawRequest } from '../harness/raw-client.ts';
import { SideBySide } from '../harness/side-by-side.ts';
import { until } from '../harness/until.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
const file = fileURLToPath(new URL('bootstraps/mirror.yaml', import.meta.url));

/** How bodies are framed is each proxy's; ids and times are chance's. */
const VOLATILE = ['x-request-id', 'connection', 'transfer-encoding', 'content-length', 'x-key'];

/** An upstream that answers nothing of use, slowly or with an error, and remembers all it was sent. */
class Shadow implements AsyncDisposable {
  /** By the request's own key. */
  readonly seen = new Map<string, string[]>();
  readonly #server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('error', () => undefined);
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const headers = Object.entries(incoming.headers).filter(([name]) => !VOLATILE.includes(name))
        .map(([name, value]) => `${name}: ${String(value)}`).toSorted();
      const body = Buffer.concat(chunks).toString('latin1');
      const key = String(incoming.headers['x-key']);
      this.seen.set(key, [...this.seen.get(key) ?? [], JSON.stringify([incoming.method, incoming.url, headers, body])]);
      outgoing.writeHead(500).end('nobody reads this');
    });
  });

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Requests, and how many copies each has. */
const REQUESTS: readonly (readonly [RawRequest, number])[] = [
  [{ path: '/' }, 1],
  [{ path: '/x?y=z', host: 'table', headers: [['x-a', '1'], ['x-forwarded-for', '1.2.3.4']] }, 1],
  [{ path: '/', host: 'table:8080' }, 1],
  [{ path: '/', host: '[::1]:80' }, 1],
  [{ method: 'POST', path: '/', body: 'hello' }, 1],
  [{ method: 'PUT', path: '/', body: 'x'.repeat(200_000) }, 1],
  [{ path: '/own/1' }, 1],
  [{ path: '/never' }, 0],
  [{ path: '/header' }, 0],
  [{ path: '/header', headers: [['x-copy-to', 'shadow']] }, 1],
  [{ path: '/header', headers: [['x-copy-to', 'unknown']] }, 0],
  [{ path: '/twice' }, 2],
  [{ path: '/direct' }, 0],
  [{ path: '/gone' }, 0],
];

test('copies are Envoy\'s in number, head and body, and their answers reach nobody', { skip }, async () => {
  await using upstream = await EchoServer.start('echo');
  await using shadow = await new Shadow().start();
  const shared = new Map([[18_051, upstream.port], [18_052, shadow.port]]);
  await using pair = await SideBySide.start(envoy, file, { own: [18_050], shared, listener: 18_050 });
  const keys: [string, number][] = [];
  for (const [i, [request, copies]] of REQUESTS.entries()) {
    const results: unknown[] = [];
    for (const proxy of [pair.envoy, pair.weft]) {
      const key = `${i} ${proxy.name}`;
      keys.push([key, copies]);
      const headers = [...request.headers ?? [], ['x-key', key] as const];
      const { status } = await exchange(proxy.portOf(18_050), requestText({ ...request, headers }));
      await until(`${copies} copies of ${key}`, () => (shadow.seen.get(key)?.length ?? 0) >= copies);
      results.push([status, shadow.seen.get(key)]);
    }
    assert.deepEqual(results[1], results[0], JSON.stringify(request));
  }
  for (const [key, copies] of keys) assert.equal(shadow.seen.get(key)?.length ?? 0, copies, `copies of ${key}`);
});
