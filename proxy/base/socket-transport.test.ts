// The transport over real sockets: half-close, back-pressure, resets and ends, as its contract promises them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import type { ProxyError } from './error.ts';
import { SocketTransport, WRITE_HIGH_BYTES } from './socket-transport.ts';
import type { TransportHandler } from './transport.ts';

/** A handler that records events and lets a test wait for one. */
class Recorder implements TransportHandler {
  readonly events: string[] = [];
  error: ProxyError | undefined = undefined;
  #waiting: { name: string; resolve: () => void } | undefined = undefined;

  onData(chunk: Buffer): void {
    this.#add(`data:${chunk.toString('latin1')}`);
  }
  onEnd(): void {
    this.#add('end');
  }
  onDrain(): void {
    this.#add('drain');
  }
  onClose(error: ProxyError | undefined): void {
    this.error = error;
    this.#add('close');
  }

  #add(event: string): void {
    this.events.push(event);
    if (this.#waiting?.name === event) this.#waiting.resolve();
  }

  async until(name: string): Promise<void> {
    if (this.events.includes(name)) return;
    await new Promise<void>((resolve) => (this.#waiting = { name, resolve }));
  }
}

/** One accepted connection: the transport of the server's side, and the raw peer. */
async function pair(): Promise<{ transport: SocketTransport; peer: Socket; [Symbol.dispose]: () => void }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const peer = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  const [socket] = await accepted;
  const transport = new SocketTransport(socket);
  const close = () => {
    socket.destroy();
    peer.destroy();
    server.close();
  };
  return { transport, peer, [Symbol.dispose]: close };
}

async function read(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += (chunk as Buffer).toString('latin1');
  return text;
}

test('F08 half-close: after the peer’s FIN the answer goes out, then the connection closes (raw peer)', async () => {
  using ends = await pair();
  const recorder = new Recorder();
  ends.transport.attach(recorder);
  ends.peer.end('ask');
  await recorder.until('end');
  ends.transport.writeLatin1('answer\xe9');
  ends.transport.end();
  assert.equal(await read(ends.peer), 'answer\xe9');
  await recorder.until('close');
  assert.deepEqual(recorder.events, ['data:ask', 'end', 'close']);
  assert.equal(recorder.error, undefined);
});

test('S81 writes ask to hold back above the mark, and tell when the peer has read', async () => {
  using ends = await pair();
  const recorder = new Recorder();
  ends.transport.attach(recorder);
  ends.peer.pause();
  const chunk = Buffer.alloc(64 * 1024, 120);
  let writes = 0;
  while (ends.transport.write(chunk)) if (++writes > 1000) assert.fail('never held back');
  assert.ok(ends.transport.bufferedBytes >= WRITE_HIGH_BYTES);
  assert.deepEqual(recorder.events, []);
  ends.peer.resume();
  await recorder.until('drain');
  assert.equal(ends.transport.bufferedBytes, 0);
});

test('S55 nothing throws after the connection is gone, and onClose is told once', async () => {
  using ends = await pair();
  const recorder = new Recorder();
  ends.transport.attach(recorder);
  ends.transport.destroy();
  ends.transport.destroy(true);
  ends.transport.write(Buffer.from('x'));
  ends.transport.writeLatin1('x');
  ends.transport.end();
  ends.transport.cork();
  ends.transport.uncork();
  ends.transport.pause();
  ends.transport.resume();
  await recorder.until('close');
  assert.deepEqual(recorder.events, ['close']);
});

test('a reset by the peer arrives as a typed error, not as an exception (raw socket)', async () => {
  using ends = await pair();
  const recorder = new Recorder();
  ends.transport.attach(recorder);
  ends.peer.resetAndDestroy();
  await recorder.until('close');
  assert.equal(recorder.error?.kind, 'downstream-reset');
});

test('destroy(true) sends RST (raw socket)', async () => {
  using ends = await pair();
  ends.transport.attach(new Recorder());
  const failed = once(ends.peer, 'error') as Promise<[NodeJS.ErrnoException]>;
  ends.transport.destroy(true);
  assert.equal((await failed)[0].code, 'ECONNRESET');
});

test('a connection is handed over to its next owner without losing bytes', async () => {
  using ends = await pair();
  const [first, second] = [new Recorder(), new Recorder()];
  ends.transport.attach(first);
  ends.peer.write('a');
  await first.until('data:a');
  ends.transport.attach(second);
  ends.peer.end('b');
  await second.until('data:b');
  await second.until('end');
  assert.deepEqual(first.events, ['data:a']);
});

test('an owner that comes after the close is told of it', async () => {
  using ends = await pair();
  ends.transport.destroy();
  await once(ends.transport.socket, 'close');
  const recorder = new Recorder();
  ends.transport.attach(recorder);
  await recorder.until('close');
});
