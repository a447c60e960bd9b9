// A proxy out of node:http or node:http2 that connects on to where CONNECT, or a POST's authority, says.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import { connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { TestContext } from 'node:test';

export interface TunnelProxy {
  readonly port: number;
  /** `CONNECT host:port` and `x-tunnel` of the requests that came. */
  readonly requests: readonly string[];
}

/** Answers 403 where the authority is not `target`'s; ends with the test. */
export async function startTunnelProxy(t: TestContext, version: 'h1' | 'h2', target: number): Promise<TunnelProxy> {
  const requests: string[] = [];
  const sockets = new Set<Duplex>();
  const isAllowed = (method: string, authority: string, header: unknown): boolean => {
    requests.push([method, authority, ...(typeof header === 'string' ? [header] : [])].join(' '));
    return authority === `target.test:${target}`;
  };
  const onward = (from: Readable, to: Writable): void => {
    const socket = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
    for (const each of [socket, from, to]) each.on('error', () => socket.destroy());
    from.pipe(socket).pipe(to);
  };
  const server: Server = version === 'h1' ? overHttp1(isAllowed, onward) : overHttp2(isAllowed, onward);
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, requests };
}

type IsAllowed = (method: string, authority: string, header: unknown) => boolean;
type Onward = (from: Readable, to: Writable) => void;

function overHttp1(isAllowed: IsAllowed, onward: Onward): Server {
  const server = createServer((incoming, outgoing) => {
    if (!isAllowed('POST', incoming.headers.host ?? '', incoming.headers['x-tunnel'])) outgoing.writeHead(403).end();
    else {
      outgoing.writeHead(200).flushHeaders();
      onward(incoming, outgoing);
    }
  });
  server.on('connect', (incoming, socket, head) => {
    if (!isAllowed('CONNECT', incoming.url ?? '', incoming.headers['x-tunnel'])) {
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    if (head.length > 0) socket.unshift(head);
    onward(socket, socket);
  });
  return server;
}

function overHttp2(isAllowed: IsAllowed, onward: Onward): Server {
  const server = createHttp2Server();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    if (!isAllowed(headers[':method'] ?? '', headers[':authority'] ?? '', headers['x-tunnel'])) {
      stream.respond({ ':status': 403 }, { endStream: true });
      return;
    }
    stream.respond({ ':status': 200 });
    onward(stream, stream);
  });
  return server;
}
