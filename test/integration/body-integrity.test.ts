// Bodies of random sizes, pauses and windows in every combination of HTTP/1.1 and HTTP/2, compared by SHA-256.
// WEFT_BODY_MB sets how many megabytes pass in all (default 120); the seed is printed, and WEFT_SEED repeats it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, request as http1Request } from 'node:http';
import { connect, createServer as createHttp2Server } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import type { Duplex, Readable, Writable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { SeededRandom } from '../../proxy/base/random.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const MEGABYTE = 1024 * 1024;
const TOTAL = Number(process.env['WEFT_BODY_MB'] ?? 120) * MEGABYTE;
const SEED = Number(process.env['WEFT_SEED'] ?? Date.now() % 1_000_000);
const AT_ONCE = 8;
const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const HTTP2 = {
  typed_extension_protocol_options: {
    [OPTIONS]: { '@type': `type.googleapis.com/${OPTIONS}`, explicit_http_config: { http2_protocol_options: {} } },
  },
};
const random = new SeededRandom(SEED);
const below = (limit: number): number => Math.floor(random.float() * limit);
/** From nothing to a few megabytes, small ones as often as large ones. */
const size = (): number => (below(10) === 0 ? below(3) : Math.floor(2 ** (random.float() * 22)));
const NOISE = Buffer.from(Uint8Array.from({ length: 5 * MEGABYTE }, () => below(256)));

interface Echo {
  readonly port: number;
  close(): void;
}

async function echoServer(http2: boolean): Promise<Echo> {
  const server = http2
    ? createHttp2Server({ settings: { initialWindowSize: 1024 + below(MEGABYTE) } }, (incoming, outgoing) => {
      incoming.pipe(outgoing);
    })
    : createServer((incoming, outgoing) => void incoming.pipe(outgoing));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

/** Both ends of an exchange with the proxy. */
interface Ends {
  readonly up: Writable;
  readonly down: Readable;
}

type Open = () => Ends;

function http2Client(port: number): { open: Open; close(): void } {
  const sessions: ClientHttp2Session[] = [];
  for (let i = 0; i < 2; i++) {
    const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1024 + below(MEGABYTE) } });
    session.once('connect', () => session.setLocalWindowSize(MEGABYTE));
    sessions.push(session);
  }
  const open = (): Ends => {
    const stream: Duplex = sessions[below(sessions.length)]!.request({ ':method': 'POST', ':path': '/' });
    return { up: stream, down: stream };
  };
  return { open, close: () => sessions.forEach((session) => session.close()) };
}

function http1Client(port: number): { open: Open; close(): void } {
  const agent = new Agent({ keepAlive: true });
  const open = (): Ends => {
    const down = new PassThrough();
    const up = http1Request({ port, host: '127.0.0.1', method: 'POST', agent }, (response) => response.pipe(down));
    up.on('error', (error) => down.destroy(error));
    return { up, down };
  };
  return { open, close: () => agent.destroy() };
}

async function send(up: Writable, bytes: number, hash: Hash): Promise<void> {
  for (let at = 0; at < bytes;) {
    const from = below(NOISE.length - 1);
    const chunk = NOISE.subarray(from, Math.min(NOISE.length, from + 1 + below(200_000), from + bytes - at));
    at += chunk.length;
    hash.update(chunk);
    if (!up.write(chunk)) await once(up, 'drain');
    for (let pause = below(20) === 0 ? below(50) : 0; pause > 0; pause--) await turn();
  }
  up.end();
}

async function receive(down: Readable, hash: Hash): Promise<number> {
  let bytes = 0;
  for await (const chunk of down as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    hash.update(chunk);
    for (let pause = below(30) === 0 ? below(50) : 0; pause > 0; pause--) await turn();
  }
  return bytes;
}

async function exchange(open: Open): Promise<number> {
  const bytes = size();
  const { up, down } = open();
  const sent = createHash('sha256');
  const received = createHash('sha256');
  const [, count] = await Promise.all([send(up, bytes, sent), receive(down, received)]);
  assert.equal(count, bytes, `seed ${SEED}`);
  assert.equal(received.digest('hex'), sent.digest('hex'), `a body of ${bytes} bytes has changed, seed ${SEED}`);
  return bytes;
}

for (const downstream of ['HTTP/1.1', 'HTTP/2']) {
  for (const upstream of ['HTTP/1.1', 'HTTP/2']) {
    void test(`S81 S93 bodies from ${downstream} to ${upstream} (node:http, node:http2; seed ${SEED})`, async () => {
      const server = await echoServer(upstream === 'HTTP/2');
      const cluster = staticCluster('app', [server.port], upstream === 'HTTP/2' ? HTTP2 : {});
      const listener = httpListener([routeTo('app', { timeout: '0s' })]);
      await using proxy = await TestProxy.start(bootstrapOf([listener], [cluster]));
      const client = (downstream === 'HTTP/2' ? http2Client : http1Client)(proxy.port());
      let bytes = 0;
      const worker = async (): Promise<void> => {
        while (bytes < TOTAL / 4) bytes += await exchange(client.open);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      client.close();
      server.close();
    });
  }
}
