// The ClientHello reader against hellos that node:tls (OpenSSL) really sends, whole, cut and broken.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { HELLO_BYTES_MAX, HelloReader } from './tls-inspector.ts';
import type { Inspection } from './tls-inspector.ts';

function inspectTls(bytes: Buffer): Inspection {
  return new HelloReader().push(bytes);
}

/** The first bytes that OpenSSL sends for these options. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const received = Promise.withResolvers<Buffer>();
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (bytes: Buffer) => {
      received.resolve(bytes);
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect({ ...options, port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  client.on('error', () => undefined);
  const bytes = await received.promise;
  client.destroy();
  server.close();
  return bytes;
}

/** The same handshake bytes in records of one byte each. */
function inTinyRecords(hello: Buffer): Buffer {
  const body = hello.subarray(5);
  return Buffer.concat([...body].map((byte) => Buffer.from([0x16, 3, 1, 0, 1, byte])));
}

test('S54 SNI and ALPN of a ClientHello from node:tls, at every split point', async () => {
  const hello = await helloOf({ servername: 'Reviews.Example', ALPNProtocols: ['istio', 'http/1.1'] });
  for (let cut = 0; cut < hello.length; cut++) {
    assert.equal(inspectTls(hello.subarray(0, cut)), 'more', `cut at ${cut}`);
  }
  const expected = { serverName: 'reviews.example', alpn: ['istio', 'http/1.1'] };
  assert.deepEqual(inspectTls(hello), expected);
  assert.deepEqual(inspectTls(Buffer.concat([hello, Buffer.from('more')])), expected);
  assert.deepEqual(inspectTls(inTinyRecords(hello)), expected);
});

test('S54 a ClientHello from node:tls reads the same in chunks of any size', async () => {
  const hello = await helloOf({ servername: 'a.example', ALPNProtocols: ['h2'] });
  for (const bytes of [hello, inTinyRecords(hello)]) {
    for (const size of [1, 2, 5, 7, 64]) {
      const reader = new HelloReader();
      let verdict: Inspection = 'more';
      for (let at = 0; at < bytes.length && verdict === 'more'; at += size) {
        verdict = reader.push(bytes.subarray(at, at + size));
      }
      assert.deepEqual(verdict, { serverName: 'a.example', alpn: ['h2'] }, String(size));
    }
  }
});

test('S54 records of one byte cost no more than their bytes, up to the limit', () => {
  const message = Buffer.concat([Buffer.from([1, 0, 0xff, 0]), Buffer.alloc(60_000)]);
  const records = inTinyRecords(Buffer.concat([Buffer.alloc(5), message]));
  const reader = new HelloReader();
  let pushed = 0;
  while (reader.push(records.subarray(pushed, pushed + 1)) === 'more') pushed++;
  assert.equal(pushed, HELLO_BYTES_MAX);
});

test('a ClientHello from node:tls without SNI and ALPN', async () => {
  const hello = await helloOf({ servername: '' });
  assert.deepEqual(inspectTls(hello), { serverName: undefined, alpn: [] });
});

test('plaintext is told from its first byte', () => {
  assert.equal(inspectTls(Buffer.from('G')), 'not-tls');
  assert.equal(inspectTls(Buffer.from('PRI * HTTP/2.0\r\n')), 'not-tls');
  assert.equal(inspectTls(Buffer.from([0x16, 0x41])), 'not-tls');
  assert.equal(inspectTls(Buffer.alloc(0)), 'more');
});

test('S54 a hello that lies about its lengths, or is too large, is malformed', async () => {
  const hello = await helloOf({ servername: 'a.example' });
  const shorter = Buffer.from(hello);
  shorter.writeUIntBE(shorter.readUIntBE(6, 3) - 40, 6, 3);
  assert.equal(inspectTls(shorter), 'malformed');
  assert.equal(inspectTls(Buffer.from([0x16, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff])), 'malformed');
  assert.equal(inspectTls(Buffer.from([0x16, 3, 1, 0, 0])), 'malformed');
  assert.equal(inspectTls(Buffer.from([0x16, 3, 1, 0, 1, 2])), 'malformed', 'not a ClientHello');
  assert.ok(HELLO_BYTES_MAX === 65_536);
});

test('S54 random damage never throws', async () => {
  const hello = await helloOf({ servername: 'a.example', ALPNProtocols: ['h2'] });
  for (let at = 0; at < hello.length; at++) {
    const damaged = Buffer.from(hello);
    damaged[at] = damaged[at]! ^ 0xff;
    inspectTls(damaged);
  }
});
