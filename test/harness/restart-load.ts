// Clients of every kind that a restart must not hurt: with a connection for each request and with one that is kept,
// HTTP/1.1 and HTTP/2, in clear and over TLS, and plain TCP. Whatever is not a good answer is a failure.
import { Agent, get } from 'node:http';
import { Agent as TlsAgent, get as getTls } from 'node:https';
import { connect as connectHttp2, constants } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { connect } from 'node:net';

type Outcome = number | Error;

export interface LoadPorts {
  readonly http: number;
  readonly https: number;
  readonly tcp: number;
}

/** Streams that one HTTP/2 connection carries at once. */
const STREAMS = 16;
const GET = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';

export class RestartLoad {
  done = 0;
  /** Of each kind, how many. */
  readonly byKind = new Map<string, number>();
  readonly failures: string[] = [];
  readonly #clients: readonly Promise<void>[];
  #stop = false;

  constructor({ http, https, tcp }: LoadPorts) {
    const secure = { rejectUnauthorized: false };
    this.#clients = [
      this.#http1('HTTP/1.1, new connections', get, { port: http, agent: new Agent({ keepAlive: false }) }),
      this.#http1('HTTP/1.1, kept connections', get, {
        port: http, agent: new Agent({ keepAlive: true, maxSockets: 1 }),
      }),
      this.#http1('TLS, new connections', getTls, {
        port: https, agent: new TlsAgent({ keepAlive: false, maxCachedSessions: 0 }), ...secure,
      }),
      this.#http1('TLS, kept connections', getTls, {
        port: https, agent: new TlsAgent({ keepAlive: true, maxSockets: 1 }), ...secure,
      }),
      this.#repeat('TCP', () => overTcp(tcp)),
      this.#http2('h2c', `http://127.0.0.1:${http}`),
      this.#http2('h2 over TLS', `https://127.0.0.1:${https}`),
    ];
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await Promise.all(this.#clients);
  }

  async #repeat(kind: string, ask: () => Promise<Outcome>): Promise<void> {
    while (!this.#stop && this.failures.length < 100) {
      const outcome = await ask();
      if (outcome !== 200) {
        this.failures.push(`${kind}: ${String(outcome)}`);
        continue;
      }
      this.done++;
      this.byKind.set(kind, (this.byKind.get(kind) ?? 0) + 1);
    }
  }

  async #http1(kind: string, ask: typeof get, options: { port: number; agent: Agent }): Promise<void> {
    await this.#repeat(kind, () => new Promise((resolve) => {
      ask({ host: '127.0.0.1', ...options }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0)).on('error', resolve);
      }).on('error', resolve);
    }));
    options.agent.destroy();
  }

  /** A connection that was told to go is left by new requests, as RFC 9113 section 6.8 has it, others stay. */
  async #http2(kind: string, origin: string): Promise<void> {
    let session: ClientHttp2Session | undefined;
    const live = (): ClientHttp2Session => {
      if (session !== undefined && !session.closed && !session.destroyed) return session;
      session = connectHttp2(origin, { rejectUnauthorized: false });
      session.on('error', (error) => this.failures.push(`${kind}: ${error.message}`));
      return session;
    };
    const ask = (): Promise<Outcome> => new Promise((resolve) => {
      let status: Outcome = 0;
      const on = live();
      const stream = on.request({ ':path': '/' }).on('response', (head) => (status = head[':status'] ?? 0))
        .on('error', (error) => (status = error));
      // GOAWAY came before the request left: node:http2 gives it back as refused; it is for the next connection.
      const isUnsent = (): boolean => on.closed && stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
      stream.on('close', () => resolve(isUnsent() ? ask() : status)).resume();
    });
    await Promise.all(Array.from({ length: STREAMS }, () => this.#repeat(kind, ask)));
    session?.close();
  }
}

function overTcp(port: number): Promise<Outcome> {
  return new Promise((resolve) => {
    let said = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(GET));
    socket.setEncoding('latin1').on('data', (chunk: string) => (said += chunk)).on('error', resolve);
    socket.on('close', () => resolve(said.startsWith('HTTP/1.1 200') ? 200 : new Error(`'${said}'`)));
  });
}
