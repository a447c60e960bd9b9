// Original destinations of connections that nobody redirected; redirected ones are in test/interop.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { SystemSockets } from '../base/system-socket.ts';
import { originalDestinations, plainIp } from './original-destination.ts';

const linux = { skip: process.platform === 'linux' ? false : 'only Linux has the socket option' };

for (const [listen, to] of [['127.0.0.1', '127.0.0.1'], ['::1', '::1'], ['::', '127.0.0.1']] as const) {
  void test(`a connection from node:net to ${to} at a socket of ${listen} was not redirected`, linux, async () => {
    const sockets = new SystemSockets();
    const find = originalDestinations(sockets, false);
    const findTransparent = originalDestinations(sockets, true);
    const server = createServer();
    server.listen(0, listen);
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, to);
    const [socket] = await once(server, 'connection') as [Socket];
    assert.equal(find(socket), undefined);
    assert.deepEqual(findTransparent(socket), { ip: to, port: socket.localPort });
    client.destroy();
    socket.destroy();
    // Its descriptor may be another connection's by now.
    assert.equal(find(socket), undefined);
    server.close();
  });
}

void test('addresses of IPv4 peers at an IPv6 socket are read as IPv4', () => {
  assert.deepEqual(['::ffff:10.0.0.1', '10.0.0.1', '::1', '::ffff:a00:1'].map(plainIp),
    ['10.0.0.1', '10.0.0.1', '::1', '::ffff:a00:1']);
});
