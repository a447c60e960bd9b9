// A program, not a module: the application of a pod under istiod. `node istio-application.ts NAME`: HTTP/1.x on 8080
// says what reached it, WebSocket's handshake there is accepted and bytes come back; h2c and gRPC on 8081; 9000 greets
// first; 9001 echoes.
import { createServer as createHttp } from 'node:http';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import { createServer as createTcp } from 'node:net';
import { acceptOf } from './websocket-frames.ts';

const [, , name = ''] = process.argv;

function seen(version: string, method = '', url = '', headers: IncomingHttpHeaders = {}): string {
  return JSON.stringify({ server: name, version, method, url, headers });
}

/** `x-status`, `x-delay-ms`, `x-reset` ask for another answer. */
const http = createHttp((incoming, outgoing: ServerResponse) => {
  incoming.resume();
  incoming.on('end', () => {
    const { headers, httpVersion, method, url } = incoming;
    if (headers['x-reset'] !== undefined) return void incoming.socket.resetAndDestroy();
    const body = seen(httpVersion, method, url, headers);
    return void setTimeout(() => {
      outgoing.writeHead(Number(headers['x-status'] ?? 200), { 'content-type': 'application/json', 'x-app': name });
      outgoing.end(body);
    }, Number(headers['x-delay-ms'] ?? 0));
  });
});
http.on('upgrade', ({ headers }, socket) => {
  const key = acceptOf(String(headers['sec-websocket-key']));
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n`
    + `sec-websocket-accept: ${key}\r\n\r\n`);
  socket.pipe(socket);
});
http.listen(8080, '0.0.0.0');

/** A gRPC call is answered with the message that it sent. */
const http2 = createHttp2();
http2.on('stream', (stream: ServerHttp2Stream, headers) => {
  const isGrpc = String(headers['content-type']).startsWith('application/grpc');
  const status = String(headers['x-grpc-status'] ?? 0);
  stream.respond({ ':status': 200, 'content-type': isGrpc ? 'application/grpc' : 'application/json', 'x-app': name },
    { waitForTrailers: isGrpc });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
  stream.on('error', () => undefined);
  if (isGrpc) stream.pipe(stream);
  else stream.end(seen('2', headers[':method'], headers[':path'], headers as IncomingHttpHeaders));
});
http2.on('sessionError', () => undefined);
http2.listen(8081, '0.0.0.0');

createTcp((socket) => {
  socket.on('error', () => undefined);
  socket.end(`hello of ${name}\n`);
}).listen(9000, '0.0.0.0');
createTcp((socket) => {
  socket.on('error', () => undefined);
  socket.pipe(socket);
}).listen(9001, '0.0.0.0');
