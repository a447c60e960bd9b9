// Bodies of random sizes, pauses and windows in all combinations of HTTP/1.1 and HTTP/2, plain and over TLS, compared
// by SHA-256. WEFT_BODY_MB sets how many megabytes pass in all (default 120); the seed is printed, and WEFT_SEED
// repeats it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { connect, createSecureServer, createServer as createHttp2Server } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { Agent as TlsAgent, createServer as createTlsServer, request as tlsRequest } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { PassThrough } from 'node:stream';
import type { Duplex, Readable, Writable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { SeededRandom } from '../../proxy/base/random.ts';
import { clientTls, overTls, protocolOptions, serverTls, testIdentities } from '../harness/http2-bootstrap.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const MEGABYTE = 1024 * 1024;
const TOTAL = Number(process.env['WEFT_BODY_MB'] ?? 120) * MEGABYTE;
const SEED = Number(process.env['WEFT_SEED'] ?? Date.now() % 1_000_000);
const AT_ONCE = 8;
const identities = testIdentities();
const random = new SeededRandom(SEED);
const below = (limit: number): number => Math.floor(random.float() * limit);
/** From nothing to a few megabytes, small ones as often as large ones. */
const size = (): number => (below(10) === 0 ? below(3) : Math.floor(2 ** (random.float() * 22)));
const NOISE = Buffer.from(Uint8Array.from({ length: 5 * MEGABYTE }, () => below(256)));

/** A way through the proxy: the protocols on its sides, both plain or both over TLS. */
interface Way {
  readonly downHttp2: boolean;
  readonly upHttp2: boolean;
  readonly secure: boolean;
}

const windows = (): { initialWindowSize: number } => ({ initialWindowSize: 1024 + below(MEGABYTE) });

/** A server of Node's that sends every body back. */
async function echoServer({ upHttp2, secure }: Way): Promise<Server> {
  const echo = (incoming: Readable, outgoing: Writable): void => void incoming.pipe(outgoing);
  const tls = { key: identities.server.key, cert: identities.server.chain };
  const server = upHttp2
    ? secure ? createSecureServer({ ...tls, settings: windows() }, echo)
      : createHttp2Server({ settings: windows() }, echo)
    : secure ? createTlsServer(tls, echo) : createServer(echo);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server as Server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** Both ends of an exchange with the proxy. */
interface Ends {
  readonly up: Writable;
  readonly down: Readable;
}

interface Client {
  open(): Ends;
  close(): void;
}

function http2Client(port: number, secure: boolean): Client {
  const sessions: ClientHttp2Session[] = [];
  const url = `${secure ? 'https' : 'http'}://127.0.0.1:${port}`;
  const trust = secure ? { ca: identities.root.cert, servername: 'localhost' } : {};
  for (let i = 0; i < 2; i++) {
    const session = connect(url, { ...trust, settings: windows() });
    session.once('connect', () => session.setLocalWindowSize(MEGABYTE));
    sessions.push(session);
  }
  const open = (): Ends => {
    const stream: Duplex = sessions[below(sessions.length)]!.request({ ':method': 'POST', ':path': '/' });
    return { up: stream, down: stream };
  };
  return { open, close: () => sessions.forEach((session) => session.close()) };
}

function http1Client(port: number, secure: boolean): Client {
  const agent = secure
    ? new TlsAgent({ keepAlive: true, ca: identities.root.cert, servername: 'localhost' })
    : new Agent({ keepAlive: true });
  const open = (): Ends => {
    const down = new PassThrough();
    const options = { port, host: '127.0.0.1', method: 'POST', agent };
    const up = (secure ? tlsRequest : request)(options, (response) => response.pipe(down));
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

async function exchange({ open }: Client): Promise<number> {
  const bytes = size();
  const { up, down } = open();
  const sent = createHash('sha256');
  const received = createHash('sha256');
  const [, count] = await Promise.all([send(up, bytes, sent), receive(down, received)]);
  assert.equal(count, bytes, `seed ${SEED}`);
  assert.equal(received.digest('hex'), sent.digest('hex'), `a body of ${bytes} bytes has changed, seed ${SEED}`);
  return bytes;
}

/** weft's own windows, from what HTTP/2 begins with. */
function flowControl(): object {
  const size = (): number => 65_535 + below(MEGABYTE);
  return { initial_stream_window_size: size(), initial_connection_window_size: size() };
}

function bootstrap({ upHttp2, secure }: Way, port: number): unknown {
  const listener = httpListener([routeTo('app', { timeout: '0s' })], { http2_protocol_options: flowControl() });
  const cluster = staticCluster('app', [port], {
    ...(upHttp2 && protocolOptions({ http2_protocol_options: flowControl() })),
    ...(secure && { transport_socket: clientTls(identities, [upHttp2 ? 'h2' : 'http/1.1']) }),
  });
  return bootstrapOf([secure ? overTls(listener, serverTls(identities)) : listener], [cluster]);
}

const BOTH = [false, true];
const WAYS: readonly Way[] = BOTH.flatMap((secure) => BOTH.flatMap((downHttp2) =>
  BOTH.map((upHttp2): Way => ({ downHttp2, upHttp2, secure }))));

for (const way of WAYS) {
  const [down, up] = [way.downHttp2, way.upHttp2].map((http2) => (http2 ? 'HTTP/2' : 'HTTP/1.1'));
  const title = `S81 S93 bodies from ${down} to ${up}${way.secure ? ' over TLS' : ''} (node:http, node:http2; `
    + `seed ${SEED})`;
  void test(title, async (t) => {
    const server = await echoServer(way);
    await using proxy = await TestProxy.start(bootstrap(way, portOf(server)));
    const client = (way.downHttp2 ? http2Client : http1Client)(proxy.port(), way.secure);
    let [bytes, bodies] = [0, 0];
    const worker = async (): Promise<void> => {
      while (bytes < TOTAL / WAYS.length) {
        // Not `bytes += await`, which would forget what the others have added meanwhile.
        const more = await exchange(client);
        bytes += more;
        bodies++;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    client.close();
    server.close();
    t.diagnostic(`${bodies} bodies of ${bytes} bytes in all are as they were sent`);
  });
}
