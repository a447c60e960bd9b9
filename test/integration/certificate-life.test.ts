// Connections that outlive the certificates of their peers, through a running weft: node:tls clients and servers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import { meshValidation, mutualTlsBootstrap } from '../harness/mutual-tls.ts';
import { until } from '../harness/until.ts';
import { TestProxy } from '../harness/weft.ts';

const root = testRoot();
const own = testLeaf(root);
/** Certificates are to the second. */
const short = { notAfterMs: 3000 };

test('S58 a client whose certificate ends is cut off, kept alive or in the middle of a request', async () => {
  await using proxy = await TestProxy.start(mutualTlsBootstrap({ own, validation: meshValidation(root), upstream: 1 }));
  const leaf = testLeaf(root, short);
  const open = async (text: string): Promise<TLSSocket> => {
    const socket = connect({ port: proxy.port('mutual'), cert: leaf.chain, key: leaf.key, rejectUnauthorized: false });
    socket.on('error', () => {}).write(text);
    await once(socket, 'secureConnect');
    return socket.resume();
  };
  const idle = await open('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  const busy = await open('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n1');
  await Promise.all([idle, busy].map((socket) => once(socket, 'close')));
  assert.ok(Date.now() >= leaf.x509.validToDate.getTime() - 1000, 'not before its time');
  assert.equal(proxy.stat('listener.mutual.ssl.connection_expired'), 1);
  await until('both are gone', () => proxy.stat('http.mutual.downstream_cx_active') === 0);
});

test('S58 a server whose certificate ends is left, and asked no more', async () => {
  const leaf = testLeaf(root, short);
  const sockets = new Set<TLSSocket>();
  const server = createServer({ cert: leaf.chain, key: leaf.key }, (socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await using proxy = await TestProxy.start(
    mutualTlsBootstrap({ own, validation: meshValidation(root), upstream: port }),
  );
  const response = await fetch(`http://127.0.0.1:${proxy.port('plain')}/`);
  assert.equal(response.status, 200);
  await assert.rejects(response.text());
  await until('the connection is closed', () => sockets.size === 0);
  assert.equal(proxy.stat('cluster.peer.ssl.connection_expired'), 1);
  assert.equal((await fetch(`http://127.0.0.1:${proxy.port('plain')}/`)).status, 503);
  server.close();
});
