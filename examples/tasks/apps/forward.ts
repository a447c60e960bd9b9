// In a pod whose connections are redirected: asked as `curl -x` and CONNECT ask, it calls by name, as an application of
// that pod does, on connections of its own. A path without a host is for the application beside it.
import { createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';

const { HOST: host = '127.0.0.1', PORT: port = '3128', APP_PORT: appPort = '8080' } = process.env;
const UNKNOWN_NAME = new Set(['ENOTFOUND', 'EAI_AGAIN']);
/** Between whoever asks and this process alone. */
const OWN_FIELDS = new Set(['proxy-connection', 'proxy-authorization', 'connection', 'keep-alive', 'host']);

function forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { method, url = '/', headers } = incoming;
  const target = url.startsWith('/') ? new URL(url, `http://${host}:${appPort}`) : new URL(url);
  const kept = Object.entries(headers).filter(([name]) => !OWN_FIELDS.has(name));
  const call = request(target, {
    method, agent: false, headers: { ...Object.fromEntries(kept), host: headers.host ?? target.host },
  }, (answer) => {
    outgoing.writeHead(answer.statusCode!, answer.headers);
    answer.pipe(outgoing).on('error', () => call.destroy());
    answer.on('error', () => outgoing.destroy());
  });
  call.on('error', (cause: NodeJS.ErrnoException) => {
    if (!outgoing.headersSent && UNKNOWN_NAME.has(cause.code ?? '')) outgoing.writeHead(502).end(`${cause.message}\n`);
    // What became of the connection beyond is what becomes of this one.
    else outgoing.destroy();
  });
  outgoing.on('close', () => call.destroy());
  incoming.pipe(call);
}

function tunnel({ url = '' }: IncomingMessage, caller: Duplex, head: Buffer): void {
  const { hostname, port: to } = new URL(`tcp://${url}`);
  const callee = connect({ host: hostname, port: Number(to) }, () => {
    caller.write('HTTP/1.1 200 OK\r\n\r\n');
    callee.write(head);
    caller.pipe(callee).pipe(caller);
  });
  callee.on('error', () => {
    if (callee.pending) caller.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    else caller.destroy();
  });
  caller.on('error', () => callee.destroy());
}

const server = createServer(forward).on('connect', tunnel).listen(Number(port), host);
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
