// A process that loads one port over TLS 1.3 with a client certificate: keep-alive, or a handshake per request.
import { once } from 'node:events';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { HOST, PATH, percentile } from './load.ts';
import type { LoadResult } from './load.ts';
import { clientContext } from './tls-client-context.ts';
import type { TlsClientJob } from './tls-load.ts';

/** More failures than this end the run: nothing is measured by connecting to a proxy that refuses. */
const ERRORS_MAX = 1000;
const SAMPLES_MAX = 1_000_000;
const REQUEST = `GET ${PATH} HTTP/1.1\r\nHost: ${HOST}\r\nUser-Agent: tls-client\r\n\r\n`;

const job = JSON.parse(process.argv[2] ?? '{}') as TlsClientJob;
const secureContext = clientContext(job.folder);

const latencies = new Float64Array(SAMPLES_MAX);
let requests = 0;
let errors = 0;
let state: 'opening' | 'running' | 'finished' = 'opening';
let session: Buffer | undefined;

/** One connection; `onAnswer` comes after each whole response. */
class Client {
  readonly #socket: TLSSocket;
  readonly #onAnswer: (client: Client) => void;
  #begun = performance.now();
  #text = '';
  #done = false;

  constructor(resume: Buffer | undefined, onAnswer: (client: Client) => void) {
    this.#onAnswer = onAnswer;
    this.#socket = connect({
      host: '127.0.0.1', port: job.port, secureContext, servername: HOST, ALPNProtocols: ['http/1.1'],
      // Workloads are known by their SPIFFE ids, not by DNS names.
      checkServerIdentity: () => undefined,
      ...(resume !== undefined && { session: resume }),
    });
    this.#socket.setNoDelay(true);
    this.#socket.once('secureConnect', () => this.#onSecure(resume !== undefined));
    this.#socket.on('session', (ticket) => (session = ticket));
    this.#socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.on('close', () => this.#onClose());
  }

  ask(): void {
    this.#begun = performance.now();
    this.#socket.write(REQUEST);
  }

  end(): void {
    this.#done = true;
    this.#socket.end();
  }

  #onSecure(resumes: boolean): void {
    if (resumes && !this.#socket.isSessionReused()) errors++;
    this.#socket.write(REQUEST);
  }

  #onData(chunk: Buffer): void {
    this.#text += chunk.toString('latin1');
    const end = this.#text.indexOf('\r\n\r\n');
    if (end === -1) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1];
    if (this.#text.length < end + 4 + Number(length ?? 0)) return;
    if (!this.#text.startsWith('HTTP/1.1 200') || length === undefined) errors++;
    this.#text = '';
    if (state === 'running') latencies[requests++ % SAMPLES_MAX] = performance.now() - this.#begun;
    this.#onAnswer(this);
  }

  /** Without an answer it counts as an error; a connection per request goes on with the next one. */
  #onClose(): void {
    if (this.#done) return;
    this.#done = true;
    errors++;
    if (state === 'opening') throw new Error('a connection was refused or closed before its first answer');
    if (errors > ERRORS_MAX) finish();
    else if (job.mode !== 'keep-alive' && state === 'running') handshakeLoop();
  }
}

/** A connection, a request, a close, and again. */
function handshakeLoop(): void {
  new Client(job.mode === 'resumed' ? session : undefined, (client) => {
    client.end();
    if (state === 'running') handshakeLoop();
  });
}

/** Connections that have had one answer. */
async function opened(count: number): Promise<Client[]> {
  const clients: Client[] = [];
  for (let i = 0; i < count; i++) {
    await new Promise<void>((resolve) => {
      clients.push(new Client(undefined, (client) => {
        if (state === 'running') client.ask();
        resolve();
      }));
    });
  }
  return clients;
}

function finish(): void {
  if (state === 'finished') return;
  state = 'finished';
  const sorted = latencies.subarray(0, Math.min(requests, SAMPLES_MAX)).toSorted();
  const result: LoadResult = {
    requests, bytes: 0, requestsPerSecond: requests / job.seconds, p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99), errors,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

process.stdin.on('end', () => process.exit(0));
const clients = await opened(job.mode === 'keep-alive' ? job.connections : 1);
if (job.mode !== 'keep-alive') clients[0]?.end();
process.stdout.write('ready\n');
await once(process.stdin, 'data');
state = 'running';
setTimeout(finish, job.seconds * 1000);
if (job.mode === 'keep-alive') for (const client of clients) client.ask();
else for (let i = 0; i < job.connections; i++) handshakeLoop();
