// A process that opens connections, sends one request on each, prints how many stand, and holds them until stdin ends:
// PORT COUNT, and for mutual TLS the folder with the client's certificate.
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { connect } from 'node:tls';
import { HOST, PATH } from './load.ts';
import { clientContext } from './tls-client-context.ts';

/** Opened at a time: a proxy's upstream connections shall not be what is measured. */
const AT_A_TIME = 64;
const REQUEST = `GET ${PATH} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;

const [port, wanted] = process.argv.slice(2).map(Number) as [number, number];
const folder = process.argv[4];
const secureContext = folder === undefined ? undefined : clientContext(folder);
let begun = 0;
let settled = 0;
let standing = 0;

function open(): void {
  begun++;
  const socket = connection(() => socket.write(REQUEST));
  let answered = false;
  socket.on('data', () => {
    if (answered) return;
    answered = true;
    standing++;
    next();
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    if (answered) standing--;
    else next();
  });
}

function connection(onReady: () => void): Socket {
  if (secureContext === undefined) return createConnection(port, '127.0.0.1', onReady);
  const names = { servername: HOST, ALPNProtocols: ['http/1.1'], checkServerIdentity: () => undefined };
  return connect({ host: '127.0.0.1', port, secureContext, ...names }, onReady);
}

/** After each connection that got its answer, or failed. */
function next(): void {
  settled++;
  if (begun < wanted) open();
  else if (settled === wanted) process.stdout.write(`${standing}\n`);
}

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
for (let i = 0; i < Math.min(AT_A_TIME, wanted); i++) open();
