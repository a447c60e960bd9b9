// Servers of bytes, with TLS or without, that say their name and then what they are sent; and clients that hear them.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as tlsConnect, createServer as createTlsServer } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import type { TestContext } from 'node:test';
import type { TestCertificate } from './certificates.ts';

/** Its port. Each connection hears `<name>|` before an echo of its first bytes; the server ends with the test. */
export async function startNamed(t: TestContext, name: string, certificate?: TestCertificate): Promise<number> {
  const sockets = new Set<Socket>();
  const serve = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.once('data', () => socket.write(`${name}|`));
    socket.on('data', (chunk: Buffer) => socket.write(chunk));
    socket.on('end', () => socket.end());
  };
  const server = certificate === undefined ? createServer(serve)
    : createTlsServer({ cert: certificate.chain, key: certificate.key }, serve);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** What a connection says to `hello`, in all; `` where it is closed instead. */
export function hear(port: number, tls?: ConnectionOptions): Promise<string> {
  const target = { host: '127.0.0.1', port };
  const socket = tls === undefined ? connect(target) : tlsConnect({ ...target, ...tls });
  let text = '';
  return new Promise((resolve) => {
    socket.setTimeout(5000, () => socket.destroy());
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => socket.write('hello'));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.endsWith('hello')) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}
