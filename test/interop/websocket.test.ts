// WebSocket through a proxy, by undici's client and by our own frames: both sides see what they see directly.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Agent, WebSocket } from 'undici';
import { overTls, serverTls, testIdentities } from '../harness/http2-bootstrap.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';
import { RawWebSocket } from '../harness/websocket-client.ts';
import type { WebSocketAddress } from '../harness/websocket-client.ts';
import { BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, closePayload,
  encodeFrame } from '../harness/websocket-frames.ts';
import { WebSocketServer } from '../harness/websocket-server.ts';

const MEGABYTE = randomBytes(1 << 20);
const PIECE = Buffer.alloc(1 << 16, 'weft');
/** 64 MiB; the kernel holds some 4 MiB for each connection over loopback. */
const FLOOD_PIECES = 1024;
const HELD_BYTES_MAX = (FLOOD_PIECES * PIECE.length) / 2;

/** Opens a WebSocket in some way, and tells line by line what happened. */
type Case = (to: WebSocketAddress, server: WebSocketServer) => Promise<readonly string[]>;

const text = (payload: string, last = true) => ({ opcode: TEXT, payload: Buffer.from(payload), last });

/** undici's client: sends messages one after the other's echo, then closes; events in their order. */
function byUndici(
  path: string, messages: readonly (string | Buffer<ArrayBuffer>)[] = [], close?: readonly [number, string],
): Case {
  return async ({ port, ca }) => {
    const dispatcher = new Agent({ connect: ca === undefined ? {} : { ca, servername: 'localhost' } });
    const url = `${ca === undefined ? 'ws' : 'wss'}://127.0.0.1:${port}${path}`;
    const socket = new WebSocket(url, { protocols: ['chat', 'other'], dispatcher });
    socket.binaryType = 'arraybuffer';
    const seen: string[] = [];
    const next = (): void => {
      const message = messages[seen.length - 1];
      if (message !== undefined) socket.send(message);
      else if (close !== undefined) socket.close(...close);
    };
    const ended = Promise.withResolvers<void>();
    socket.onopen = () => {
      seen.push(`open ${socket.protocol}`);
      next();
    };
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
      seen.push(typeof data === 'string' ? `text ${data}` : `binary ${sha256(Buffer.from(data))}`);
      next();
    };
    socket.onclose = ({ code, reason, wasClean }) => {
      seen.push(`close ${code} ${reason} ${wasClean}`);
      ended.resolve();
    };
    await ended.promise;
    await dispatcher.destroy();
    return seen;
  };
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Our own client on a path; what it saw after `count` frames. */
function byFrames(path: string, count: number, send: (client: RawWebSocket) => void, early?: Buffer): Case {
  return async (to) => {
    const client = await RawWebSocket.open(to, path, early);
    assert.ok(client.accepted, client.head);
    send(client);
    const seen = [...(await client.frames(count))];
    client.close();
    return seen;
  };
}

const CASES: readonly (readonly [string, Case])[] = [
  ['text, also empty and of many bytes for a character', byUndici('/echo', ['hello', '', 'a☺😈'], [1000, 'bye'])],
  ['binary of 1 MiB', byUndici('/echo', [MEGABYTE, Buffer.alloc(0)], [1000, ''])],
  ['lengths of 7, 16 and 64 bits', byUndici('/echo', [125, 126, 65_535, 65_536].map((size) => Buffer.alloc(size, 'x')),
    [1000, ''])],
  ['close by the client with a code of its own', byUndici('/echo', ['x'], [4001, 'reason'])],
  ...[1000, 1001, 1011, 4999].map((code) => [`close by the server with ${code}`,
    byUndici(`/close?code=${code}&reason=why`)] as const),
  ['close by the server without a code', byUndici('/close?')],
  ['an end without a close frame', byUndici('/drop', ['x'])],
  ['a refused handshake', byUndici('/refuse')],
  ['a fragmented message with a ping inside', byFrames('/echo', 4, (client) => {
    client.send(text('one', false));
    client.send({ opcode: PING, payload: Buffer.from('inside') });
    client.send({ opcode: CONTINUATION, payload: Buffer.from('two'), last: false });
    client.send({ opcode: CONTINUATION, payload: Buffer.from('three') });
  })],
  ['ping, and a pong that nobody asked for', byFrames('/echo', 3, (client) => {
    client.send({ opcode: PING, payload: Buffer.alloc(0) });
    client.send({ opcode: PING, payload: Buffer.alloc(125, 'p') });
    client.send({ opcode: PONG, payload: Buffer.from('alone') });
  })],
  ['frames cut into single bytes', byFrames('/echo', 2, (client) => {
    client.socket.setNoDelay(true);
    const key = Buffer.from('abcd');
    const bytes = Buffer.concat([encodeFrame(text('x'.repeat(200)), key), encodeFrame(text('y'), key)]);
    for (const byte of bytes) client.socket.write(Buffer.of(byte));
  })],
  ['a frame together with the request',
    byFrames('/echo', 1, () => {}, encodeFrame(text('early'), Buffer.from('abcd')))],
  ['a frame together with the 101', byFrames('/greet', 1, () => {})],
  ['a close handshake, and the end after it', byFrames('/echo', 3, (client) => {
    client.send({ opcode: BINARY, payload: MEGABYTE });
    client.send({ opcode: CLOSE, payload: closePayload(3999, 'so it is') });
  })],
  ['a server that does not read stops the client', stalledUpload],
  ['a client that does not read stops the server', stalledDownload],
];

/** Resolves when the number has not changed for a while, or is `total`. */
async function settled(value: () => number, total: number): Promise<number> {
  let [before, same] = [-1, 0];
  await until('it stops', () => {
    same = value() === before ? same + 1 : 0;
    before = value();
    return same > 50 || before === total;
  }, 60_000);
  return before;
}

async function stalledUpload(to: WebSocketAddress, server: WebSocketServer): Promise<readonly string[]> {
  server.reading = false;
  const client = await RawWebSocket.open(to, '/count');
  const { socket } = client;
  for (let i = 0; i < FLOOD_PIECES; i++) client.sendBulk({ opcode: BINARY, payload: PIECE });
  const held = await settled(() => socket.bytesWritten - socket.writableLength, FLOOD_PIECES * PIECE.length);
  const stopped = held < HELD_BYTES_MAX;
  server.reading = true;
  const seen = await client.frames(FLOOD_PIECES);
  client.close();
  return [`stopped ${stopped}`, `${seen.length} times ${[...new Set(seen)].join()}`];
}

async function stalledDownload(to: WebSocketAddress, server: WebSocketServer): Promise<readonly string[]> {
  server.flood = Array.from({ length: FLOOD_PIECES }, () => ({ opcode: BINARY, payload: PIECE }));
  const client = await RawWebSocket.open(to, '/flood');
  client.socket.pause();
  await until('the flood begins', () => server.flooded > 0);
  const held = await settled(() => server.flooded, FLOOD_PIECES * PIECE.length);
  const stopped = held < HELD_BYTES_MAX;
  client.socket.resume();
  const seen = await client.frames(FLOOD_PIECES);
  client.close();
  return [`stopped ${stopped}`, `${seen.length} times ${[...new Set(seen)].join()}`];
}

const identities = testIdentities();

function bootstrap(port: number): unknown {
  // Clients see the end when the connection ends.
  const manager = { upgrade_configs: [{ upgrade_type: 'websocket' }], delayed_close_timeout: '0.1s' };
  return bootstrapOf([
    httpListener([routeTo('app')], manager, 'plain'),
    overTls(httpListener([routeTo('app')], manager, 'secure'), serverTls(identities)),
  ], [staticCluster('app', [port])]);
}

/** What happens without a proxy; the cases of one server must not run at once, because of its switches. */
async function directly(server: WebSocketServer): Promise<ReadonlyMap<string, readonly string[]>> {
  const results = new Map<string, readonly string[]>();
  for (const [name, run] of CASES) results.set(name, await run({ port: server.port }, server));
  return results;
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} carries WebSocket as it is`, { skip, timeout: 200_000 }, async (t) => {
    await using server = await WebSocketServer.start();
    const direct = await directly(server);
    await using proxy = await ProxyProcess.start(kind, bootstrap(server.port));
    const ways: readonly (readonly [string, WebSocketAddress])[] = [
      ['plain', { port: proxy.port('plain') }], ['secure', { port: proxy.port('secure'), ca: identities.root.cert }],
    ];
    for (const [listener, address] of ways) {
      for (const [name, run] of CASES) {
        await t.test(`${listener}: ${name}`, { timeout: 60_000 }, async () => {
          assert.deepEqual(await run(address, server), direct.get(name));
        });
      }
      await proxy.quiet(listener);
    }
    await until('no connection is left at the server', () => server.open === 0);
  });
}
