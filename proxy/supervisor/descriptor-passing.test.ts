// Descriptors over a unix socket: what is listened on in one place is accepted in another.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../../test/harness/openssl.ts';
import { DescriptorPassing } from './descriptor-passing.ts';

const skip = process.platform !== 'linux' && 'sockets are handed over on Linux only';

test('F18 a listening socket is handed over, and takes connections after its first owner has closed it (node:net)',
  { skip }, async (t) => {
    const path = join(temporaryFolder(t), 's');
    const meeting = createServer({ pauseOnConnect: true }).listen(path);
    await once(meeting, 'listening');
    const accepted = once(meeting, 'connection') as Promise<[Socket]>;
    const taker = connect(path).pause();
    await once(taker, 'connect');
    const [giver] = await accepted;
    const [from, to] = [new DescriptorPassing(giver), new DescriptorPassing(taker)];
    assert.equal(to.receive(), 'again');

    const first = createServer().listen(0, '127.0.0.1');
    await once(first, 'listening');
    const { port } = first.address() as AddressInfo;
    const { fd } = (first as unknown as { _handle: { fd: number } })._handle;
    assert.equal(from.send(Buffer.from('one'), [fd, fd, fd]), true);
    const received = to.receive();
    assert.ok(typeof received === 'object');
    assert.equal(received.bytes.toString(), 'one');
    assert.equal(received.descriptors.length, 3);
    const [kept = 0, ...others] = received.descriptors;
    for (const other of others) closeSync(other);

    const waiting = connect(port, '127.0.0.1');
    first.close();
    const second = createServer((socket) => socket.end('second')).listen({ fd: kept });
    await once(second, 'listening');
    const [answer] = await once(waiting, 'data') as [Buffer];
    assert.equal(answer.toString(), 'second');

    assert.equal(from.send(Buffer.from('two'), []), true);
    assert.deepEqual(to.receive(), { bytes: Buffer.from('two'), descriptors: [] });
    assert.throws(() => from.send(Buffer.from('x'), [1_000_000]), /cannot be handed over: error 9/);
    giver.destroy();
    await once(giver, 'close');
    assert.equal(to.receive(), 'ended');
    taker.destroy();
    second.close();
    meeting.close();
  });
