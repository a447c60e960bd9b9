// Both transports over real sockets: half-close, back-pressure, resets and ends, as its contract promises them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { serverLeaf, testRoot } from '../../test/harness/certificates.ts';
import { ManualClock } from './clock.ts';
import type { ProxyError } from './error.ts';
import { HandleTransport } from './handle-transport.ts';
import { keep } from './lent-buffer.ts';
import { WRITE_HIGH_BYTES } from './socket-life.ts';
import { openTransport } from './socket-transport.ts';
import { StreamTransport } from './stream-transport.ts';
import { TimerWheel } from './timers.ts';
import type { Transport, TransportHandler } from './transport.ts';

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

interface Pair {
  readonly transport: Transport;
  readonly peer: Socket;
  [Symbol.dispose](): void;
}

/** One accepted connection: the transport of the server's side, and the raw peer. */
async function pair(open: (socket: Socket) => Transport, secure = false): Promise<Pair> {
  const server = secure ? createTlsServer({ ...identity, allowHalfOpen: true }) : createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, secure ? 'secureConnection' : 'connection') as Promise<[Socket]>;
  const options = { port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true };
  const peer = secure ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options);
  const [socket] = await accepted;
  const close = () => {
    socket.destroy();
    peer.destroy();
    server.close();
  };
  return { transport: open(socket), peer, [Symbol.dispose]: close };
}

async function read(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += (chunk as Buffer).toString('latin1');
  return text;
}

const leaf = serverLeaf(testRoot(), [{ dns: 'localhost' }]);
const identity = { cert: leaf.chain, key: leaf.key };

for (const secure of [false, true]) {
  const over = secure ? ' over TLS' : '';
  testTransport(`handle${over}`, (socket) => openTransport(socket), secure);
  testTransport(`stream${over}`, (socket) => new StreamTransport(socket, 'downstream'), secure);
}

test('a plain socket of this runtime is driven by its handle', async () => {
  using ends = await pair((socket) => openTransport(socket));
  assert.ok(ends.transport instanceof HandleTransport, 'the private handle API has changed: see stream-handle.ts');
});

function testTransport(name: string, open: (socket: Socket) => Transport, secure: boolean): void {
  const check = (title: string, run: () => Promise<void>): void => void test(`${name}: ${title}`, run);

  check('F08 half-close: after the peer’s FIN the answer goes out, then all closes (raw peer)', async () => {
    using ends = await pair(open, secure);
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

  check('S81 writes ask to hold back above the mark, and tell when the peer has read', async () => {
    using ends = await pair(open, secure);
    const recorder = new Recorder();
    ends.transport.attach(recorder);
    ends.peer.pause();
    const chunk = Buffer.alloc(64 * 1024, 120);
    let writes = 0;
    while (ends.transport.write(chunk)) if (++writes > 1000) assert.fail('never held back');
    const { bufferedBytes } = ends.transport;
    assert.ok(bufferedBytes > 0 && bufferedBytes < WRITE_HIGH_BYTES + 2 * chunk.length, `${bufferedBytes} wait`);
    assert.deepEqual(recorder.events, []);
    ends.peer.resume();
    await recorder.until('drain');
    assert.equal(ends.transport.bufferedBytes, 0);
  });

  check('S55 nothing throws after the connection is gone, and onClose is told once', async () => {
    using ends = await pair(open, secure);
    const recorder = new Recorder();
    ends.transport.attach(recorder);
    ends.transport.destroy();
    ends.transport.destroy(true);
    ends.transport.write(Buffer.from('x'));
    ends.transport.writeLatin1('x');
    ends.transport.end();
    ends.transport.writeAround('a', Buffer.from('x'), 'b');
    ends.transport.pause();
    ends.transport.resume();
    await recorder.until('close');
    assert.deepEqual(recorder.events, ['close']);
  });

  // A TLS socket of the runtime cannot send RST.
  if (!secure) check('a reset by the peer arrives as a typed error, not as an exception (raw socket)', async () => {
    using ends = await pair(open, secure);
    const recorder = new Recorder();
    ends.transport.attach(recorder);
    ends.peer.resetAndDestroy();
    await recorder.until('close');
    assert.equal(recorder.error?.kind, 'downstream-reset');
  });

  if (!secure) check('destroy(true) sends RST (raw socket)', async () => {
    using ends = await pair(open, secure);
    ends.transport.attach(new Recorder());
    const failed = once(ends.peer, 'error') as Promise<[NodeJS.ErrnoException]>;
    ends.transport.destroy(true);
    assert.equal((await failed)[0].code, 'ECONNRESET');
  });

  check('a connection is handed over to its next owner without losing bytes', async () => {
    using ends = await pair(open, secure);
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

  check('an owner that comes after the close is told of it', async () => {
    using ends = await pair(open, secure);
    ends.transport.destroy();
    await once(ends.transport.socket, 'close');
    const recorder = new Recorder();
    ends.transport.attach(recorder);
    await recorder.until('close');
  });

  check('S81 a large body around which text is written arrives whole and in order (raw peer)', async () => {
    using ends = await pair(open, secure);
    const recorder = new Recorder();
    ends.transport.attach(recorder);
    ends.peer.pause();
    const sent: string[] = [];
    for (let i = 0; i < 100; i++) {
      const chunk = Buffer.alloc(60_000 + i, 97 + (i % 26));
      const after = i % 2 === 0 ? '' : `after${i}`;
      ends.transport.writeAround(i % 3 === 0 ? '' : `before${i}`, chunk, after);
      ends.transport.writeLatin1(`text${i}`);
      sent.push(`${i % 3 === 0 ? '' : `before${i}`}${chunk.toString('latin1')}${after}text${i}`);
    }
    assert.ok(ends.transport.bufferedBytes >= WRITE_HIGH_BYTES);
    ends.transport.end();
    assert.equal(await read(ends.peer), sent.join(''));
  });

  check('S81 a paused transport leaves bytes in the kernel and gives them when it goes on', async () => {
    using ends = await pair(open, secure);
    let bytes = 0;
    let paused = false;
    const whole = 8 * 1024 * 1024;
    const done = new Promise<void>((resolve) => {
      ends.transport.attach({
        onData: (chunk) => {
          assert.ok(!paused, 'a read was delivered while paused');
          assert.ok(chunk.equals(Buffer.alloc(chunk.length, 120)));
          bytes += chunk.length;
          paused = true;
          ends.transport.pause();
          setImmediate(() => {
            paused = false;
            ends.transport.resume();
          });
        },
        onEnd: resolve, onDrain: () => {}, onClose: () => {},
      });
    });
    ends.peer.end(Buffer.alloc(whole, 120));
    await done;
    assert.equal(bytes, whole);
  });

  check('bytes that pass on are lent, those that wait are kept: none changes (slow raw reader)', async () => {
    using from = await pair(open, secure);
    using to = await pair(open, secure);
    const whole = Buffer.alloc(24 * 1024 * 1024);
    for (let at = 0; at < whole.length; at += 4) whole.writeUInt32LE((at * 2_654_435_761) >>> 0, at);
    const keepers: Buffer[] = [];
    to.transport.attach({
      onData: () => {}, onEnd: () => {}, onDrain: () => from.transport.resume(), onClose: () => {},
    });
    let bytes = 0;
    from.transport.attach({
      borrows: true,
      onData: (chunk) => {
        if (bytes < whole.length / 4) keepers.push(keep(chunk));
        bytes += chunk.length;
        if (!to.transport.write(chunk)) from.transport.pause();
      },
      onEnd: () => to.transport.end(), onDrain: () => {}, onClose: () => {},
    });
    from.peer.end(whole);
    const received: Buffer[] = [];
    for await (const chunk of to.peer) {
      received.push(chunk as Buffer);
      if (received.length % 16 === 0) for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    }
    assert.ok(Buffer.concat(received).equals(whole), 'the bytes have changed');
    const kept = Buffer.concat(keepers);
    assert.ok(kept.equals(whole.subarray(0, kept.length)), 'kept bytes have changed');
  });

  check('what was read stays as it is when more is read', async () => {
    using ends = await pair(open, secure);
    const chunks: Buffer[] = [];
    const recorder = new Recorder();
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk);
      recorder.onData(chunk);
    };
    ends.transport.attach({ onData, onEnd: () => recorder.onEnd(), onDrain: () => {}, onClose: () => {} });
    ends.peer.write('first');
    await recorder.until('data:first');
    ends.peer.end('other');
    await recorder.until('end');
    assert.deepEqual(chunks.map(String), ['first', 'other']);
  });

  check('bytes and the end that came before the transport are its first events', async () => {
    using ends = await pair((socket) => {
      socket.pause();
      return open(socket);
    }, secure);
    const { socket } = ends.transport;
    const ended = new Promise<void>((resolve) => {
      socket.once('data', (chunk) => {
        socket.pause();
        socket.unshift(chunk);
        resolve();
      });
    });
    ends.peer.end('early');
    socket.resume();
    await ended;
    const recorder = new Recorder();
    ends.transport.attach(recorder);
    ends.transport.pause();
    await new Promise(setImmediate);
    ends.transport.resume();
    await recorder.until('end');
    ends.transport.end();
    await recorder.until('close');
    assert.deepEqual(recorder.events, ['data:early', 'end', 'close']);
    assert.equal(recorder.error, undefined);
  });

  check('bytes of a write may change as soon as none are held (slow raw reader)', async () => {
    using ends = await pair(open, secure);
    const { transport, peer } = ends;
    const recorder = new Recorder();
    transport.attach(recorder);
    let own = Buffer.alloc(50_000);
    const expected = createHash('sha256');
    for (let i = 0; i < 200; i++) {
      expected.update(own.fill(i));
      if (transport.write(own) || i % 3 === 0) await new Promise(setImmediate);
      if (transport.holdsBytes) own = Buffer.alloc(50_000);
    }
    transport.end();
    const received = createHash('sha256');
    for await (const chunk of peer) received.update(chunk as Buffer);
    assert.equal(received.digest('hex'), expected.digest('hex'));
    assert.equal(transport.holdsBytes, false);
  });

  check('S80 a peer that takes nothing of what waits is given up, one that reads goes on', async () => {
    const clock = new ManualClock();
    const timers = new TimerWheel(clock);
    for (const reads of [false, true]) {
      using ends = await pair(open, secure);
      const { transport, peer } = ends;
      const recorder = new Recorder();
      let stalls = 0;
      const fill = (): void => void (transport.write(Buffer.alloc(65_536)) && fill());
      const onDrain = (): void => {
        recorder.onDrain();
        if (!reads) fill();
      };
      const onClose = (error: ProxyError | undefined): void => recorder.onClose(error);
      transport.attach({ onData: () => {}, onEnd: () => {}, onDrain, onClose });
      transport.endStalls(timers, 1000, { onWriteStall: () => stalls++ });
      fill();
      if (reads) peer.resume();
      const over = (): boolean => recorder.events.includes(reads ? 'drain' : 'close');
      // What the kernel takes late is progress, and gives more time.
      while (!over()) {
        clock.advance(500);
        if (!reads) timers.advance();
        await new Promise(setImmediate);
      }
      assert.equal(recorder.error?.detail, reads ? undefined : 'write_stall');
      assert.deepEqual([stalls, timers.size], [reads ? 0 : 1, 0]);
    }
  });

  if (!secure) check('writing to a peer that has reset ends the connection with a typed error', async () => {
    using ends = await pair(open, secure);
    const recorder = new Recorder();
    ends.transport.attach(recorder);
    ends.transport.pause();
    ends.peer.resetAndDestroy();
    await once(ends.peer, 'close');
    while (!recorder.events.includes('close')) {
      ends.transport.write(Buffer.alloc(1000));
      await new Promise(setImmediate);
    }
    assert.equal(recorder.error?.kind, 'downstream-reset');
  });
}
