// The server beyond the mesh: says how it was reached, over plain HTTP, TLS, or TLS with clients' certificates.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { TLSSocket } from 'node:tls';

const { HOST: host = '127.0.0.1', PORT = '8080', TLS_PORT = '8443', MUTUAL_PORT = '9443' } = process.env;
const TLS = { cert: readFileSync('tls/outside.crt'), key: readFileSync('tls/outside.key') };

function describe({ socket, headers }: IncomingMessage, isMutual: boolean): string {
  const { servername } = socket as TLSSocket & { servername?: string };
  const [, client = 'nobody'] = isMutual
    ? /DNS:([^,]+)/.exec((socket as TLSSocket).getPeerCertificate().subjectaltname ?? '') ?? [] : [];
  const way = 'getProtocol' in socket ? `TLS for ${String(servername)}` : 'plain HTTP';
  const { authorization } = headers;
  return `${headers.host} over ${way}, by ${client}${authorization === undefined ? '' : `, as ${authorization}`}\n`;
}

const serve = (isMutual: boolean) => (incoming: IncomingMessage, outgoing: ServerResponse): void => {
  outgoing.end(describe(incoming, isMutual));
};

const servers = [
  createServer(serve(false)).listen(Number(PORT), host),
  createTlsServer(TLS, serve(false)).listen(Number(TLS_PORT), host),
  createTlsServer({ ...TLS, ca: readFileSync('tls/root.crt'), requestCert: true }, serve(true))
    .listen(Number(MUTUAL_PORT), host),
];
process.once('SIGTERM', () => {
  for (const server of servers) {
    server.close();
    server.closeIdleConnections();
  }
});
