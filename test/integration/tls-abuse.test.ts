// Handshakes that go wrong, by the thousand and in every way, against a running weft: raw sockets and node:tls.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { connect as connectTcp, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import { believesClient, meshValidation, mutualTlsListener, tenantListener } from '../harness/mutual-tls.ts';
import { until } from '../harness/until.ts';
import { TestProxy } from '../harness/weft.ts';

const root = testRoot();
const own = testLeaf(root, { more: [{ dns: 'a.example' }] });
const client = testLeaf(root);
const FDS = '/proc/self/fd';
const HTTP = Buffer.from('GET / HTTP/1.1\r\nhost: a.example\r\n\r\n');

/** A ClientHello of node:tls, as it goes over the wire. */
async function clientHello(servername: string): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const socket = connect({ port: (server.address() as AddressInfo).port, servername }).on('error', () => {});
  const [peer] = await accepted;
  const [hello] = await once(peer, 'data') as [Buffer];
  socket.destroy();
  peer.destroy();
  server.close();
  return hello;
}

/** What a server answers to these bytes until it closes. */
async function answered(port: number, bytes: Buffer, end = false): Promise<Buffer> {
  const socket = connectTcp(port, '127.0.0.1').on('error', () => {});
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  if (end) socket.end(bytes);
  else socket.write(bytes);
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return Buffer.concat(chunks);
}

/** The same handshake message in records of `size` bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

describe('handshakes that go wrong', () => {
  let proxy: TestProxy;
  let hello: Buffer;

  before(async () => {
    const answer = { directResponse: { status: 200, body: { inlineString: 'believed' } } };
    const parts = { own, validation: meshValidation(root) };
    const mutual = mutualTlsListener('mutual', answer, parts);
    proxy = await TestProxy.start({
      staticResources: { listeners: [mutual, tenantListener('inspected', [['a.example', mutual]])], clusters: [] },
    });
    hello = await clientHello('a.example');
  });

  after(async () => proxy[Symbol.asyncDispose]());

  const believes = (name: string): Promise<boolean> => (
    believesClient(proxy.port(name), client, { servername: 'a.example' })
  );

  test('S57 plaintext to STRICT ports, inspected or not, is closed without a word of HTTP', async () => {
    for (const name of ['mutual', 'inspected']) {
      for (const bytes of [HTTP, Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from('\0\0\0\0')]) {
        const answer = await answered(proxy.port(name), bytes, true);
        // At most one alert of TLS.
        const isAlert = answer.length === 7 && answer[0] === 21;
        assert.ok(answer.length === 0 || isAlert, `${name} ${answer.toString('hex')}`);
      }
    }
  });

  test('S57 bytes of HTTP behind the ClientHello are never a request', async () => {
    for (const name of ['mutual', 'inspected']) {
      const before = proxy.stat('http.mutual.downstream_rq_total');
      const answer = await answered(proxy.port(name), Buffer.concat([hello, HTTP]), true);
      assert.ok(!answer.includes('HTTP/1.1'), name);
      assert.equal(proxy.stat('http.mutual.downstream_rq_total'), before);
    }
  });

  test('S54 a ClientHello in records of one byte, and in single bytes, is a ClientHello', async () => {
    for (const bytes of [inRecords(hello, 1), inRecords(hello, 100)]) {
      const socket = connectTcp({ port: proxy.port('inspected'), host: '127.0.0.1', noDelay: true });
      socket.on('error', () => {});
      for (let at = 0; at < bytes.length; at += 61) socket.write(bytes.subarray(at, at + 61));
      const [answer] = await once(socket, 'data') as [Buffer];
      assert.deepEqual([answer[0], answer[5]], [22, 2], 'a ServerHello');
      socket.destroy();
    }
  });

  test('S54 a ClientHello of over 64 KiB is closed, and so is one that never ends', async () => {
    const huge = Buffer.alloc(70_000, 1);
    huge.writeUIntBE(69_990, 1, 3);
    for (const bytes of [inRecords(Buffer.concat([Buffer.alloc(5), huge]), 16_000),
      inRecords(Buffer.concat([Buffer.alloc(5), Buffer.from([1, 0, 0xff, 0]), Buffer.alloc(60_000)]), 1)]) {
      assert.equal((await answered(proxy.port('inspected'), bytes)).length, 0);
    }
    assert.ok(await believes('inspected'));
  });

  test('S55 after 10,000 broken handshakes all descriptors are back, and the proxy lives', {
    skip: existsSync(FDS) ? false : 'needs /proc',
  }, async () => {
    assert.ok(await believes('mutual') && await believes('inspected'));
    const base = readdirSync(FDS).length;
    const broken = [HTTP, hello.subarray(0, 40), hello, Buffer.concat([hello, Buffer.alloc(300, 0xff)]),
      Buffer.from('160301000568656c6c6f', 'hex'), Buffer.from('15030100020228', 'hex'), inRecords(hello, 7),
      Buffer.alloc(0)];
    const one = (i: number): Promise<void> => new Promise((resolve) => {
      const socket = connectTcp(proxy.port(i % 2 === 0 ? 'mutual' : 'inspected'), '127.0.0.1').on('error', () => {});
      socket.once('close', () => resolve()).resume();
      const bytes = broken[i % broken.length]!;
      if (i % 3 === 0) socket.end(bytes);
      else socket.write(bytes, () => (i % 3 === 1 ? socket.resetAndDestroy() : socket.destroy()));
    });
    for (let i = 0; i < 10_000; i += 200) await Promise.all(Array.from({ length: 200 }, (_, j) => one(i + j)));
    await until('descriptors are back', () => readdirSync(FDS).length <= base, 15_000);
    await until('the budget has filled again', () => believes('mutual'));
    assert.ok(await believes('inspected'));
    assert.equal(proxy.stat('server.worker_deaths'), 0);
  });
});
