// Sockets that the system's own calls make; what TPROXY leads to them is in test/interop.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { nodeErrorCode } from './node-error.ts';
import { SystemSockets } from './system-socket.ts';

const ANY = { host: '127.0.0.1', port: 0, ipv6Only: false, reusePort: true };

function reasonToSkip(): string | false {
  if (process.platform !== 'linux') return 'only Linux has transparent sockets';
  try {
    closeSync(new SystemSockets().bindTransparent(ANY));
    return false;
  } catch (cause) {
    if (nodeErrorCode(cause) === 'EPERM') return 'needs CAP_NET_ADMIN';
    throw cause;
  }
}

const skip = reasonToSkip();

for (const [host, to, from] of [['127.0.0.1', '127.0.0.1', '127.0.0.9'], ['::', '127.0.0.1', '127.0.0.8'],
  ['::1', '::1', '::1']] as const) {
  void test(`a transparent socket of ${host} takes connections of node:net, and of a source (${from})`, { skip },
    async () => {
      const sockets = new SystemSockets();
      const server = createServer((socket) => socket.end(String(socket.remoteAddress)));
      const fd = sockets.bindTransparent({ ...ANY, host });
      server.listen({ fd });
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const plain = connect(port, to);
      const own = sockets.socketFrom(from, 0, {}).connect({ port, host: to });
      const heard = async (socket: Socket): Promise<string> => {
        let said = '';
        for await (const chunk of socket) said += String(chunk);
        return said.replace('::ffff:', '');
      };
      assert.deepEqual(await Promise.all([plain, own].map(heard)), [to, from]);
      server.close();
    });
}

void test('what cannot be bound is told by an event, as refused connections are', { skip }, async () => {
  const sockets = new SystemSockets();
  const [error] = await once(sockets.socketFrom('no address', 0, {}), 'error') as [Error];
  assert.match(String(error), /"no address" is no address/);
});

const unfit = skip === 'needs CAP_NET_ADMIN' ? false : 'has CAP_NET_ADMIN';
void test('without the right there is an error of the system', { skip: unfit },
  () => {
    assert.throws(() => new SystemSockets().bindTransparent(ANY), { code: 'EPERM', syscall: 'setsockopt' });
  });

void test('a worker that tries an address says nothing of descriptors (node:worker_threads)', {
  skip: process.platform !== 'linux' && 'only Linux has these calls',
}, async (t) => {
  const module = new URL('./system-socket.ts', import.meta.url).href;
  const code = `const { SystemSockets } = await import(${JSON.stringify(module)});
    const sockets = new SystemSockets();
    sockets.tryBind(${JSON.stringify(ANY)});
    try { sockets.tryBind({ ...${JSON.stringify(ANY)}, host: '192.0.2.1' }); } catch ({ code }) { console.log(code); }`;
  const entry = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  const worker = new Worker(entry, { stdout: true, stderr: true });
  t.after(() => worker.terminate());
  const [said, complained] = [worker.stdout.setEncoding('utf8').toArray(), worker.stderr.setEncoding('utf8').toArray()];
  await once(worker, 'exit');
  assert.deepEqual([(await said).join(''), (await complained).join('')], ['EADDRNOTAVAIL\n', '']);
});
