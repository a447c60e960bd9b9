// Upstreams of a scenario (node:http, node:http2): each does what the script says now, for requests and for checks.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import type { Http2Server } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';

/**
 * What a host does with a request: a status; `hold` until it is released with a status; `reset` the connection. With
 * `degraded` or `immediate` it answers 200 and says so by its header, with `later` 503 and to come again in a second.
 * `refuse` has nobody listen.
 */
export type Behaviour = string;

export const CHECK_PATH = '/health';

const STATUSES: ReadonlyMap<string, number> = new Map([['limited', 429], ['later', 503]]);

interface Held {
  readonly outgoing: ServerResponse;
  readonly url: string;
}

export class ScriptHost {
  readonly name: string;
  readonly #server: Server | Http2Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;
  does: Behaviour = '200';
  /** Requests whose answer waits, oldest first; checks apart. */
  readonly held: Held[] = [];
  readonly checks: Held[] = [];
  /** Answers to checks that nobody holds; undefined holds them. */
  checkDoes: Behaviour | undefined = '200';
  asked = 0;
  connections = 0;

  private constructor(name: string, http2: boolean) {
    this.name = name;
    const serve = (incoming: IncomingMessage, outgoing: ServerResponse): void => this.#serve(incoming, outgoing);
    this.#server = http2 ? createHttp2(serve as never) : createServer({ keepAliveTimeout: 0 }, serve);
    this.#server.on('connection', (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {});
    });
  }

  static async start(name: string, http2 = false): Promise<ScriptHost> {
    const host = new ScriptHost(name, http2);
    await host.#listen();
    return host;
  }

  get port(): number {
    return this.#port;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async set(behaviour: Behaviour): Promise<void> {
    const wasRefusing = this.does === 'refuse';
    this.does = behaviour;
    if (behaviour === 'refuse') await this.stop();
    else if (wasRefusing) await this.#listen();
  }

  /** Answers the oldest request that waits. */
  release(status: string): void {
    const next = this.held.shift();
    if (next !== undefined) this.#answer(next.outgoing, status);
  }

  releaseCheck(status: string): void {
    const next = this.checks.shift();
    if (next !== undefined) this.#answer(next.outgoing, status);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    outgoing.on('error', () => {});
    const url = incoming.url ?? '';
    if (url === CHECK_PATH) {
      if (this.checkDoes === undefined) this.#hold(this.checks, outgoing, url);
      else this.#answer(outgoing, this.checkDoes);
      return;
    }
    this.asked++;
    if (this.does === 'hold') this.#hold(this.held, outgoing, url);
    else this.#answer(outgoing, this.does);
  }

  #hold(list: Held[], outgoing: ServerResponse, url: string): void {
    const held = { outgoing, url };
    list.push(held);
    outgoing.on('close', () => {
      const at = list.indexOf(held);
      if (at !== -1) list.splice(at, 1);
    });
  }

  #answer(outgoing: ServerResponse, what: string): void {
    if (what === 'reset') {
      (outgoing.socket ?? (outgoing as never as { stream: { session: { socket: Socket } } }).stream.session.socket)
        .destroy();
      return;
    }
    const fields: Record<string, string> = { 'x-host': this.name };
    if (what === 'degraded') fields['x-envoy-degraded'] = 'true';
    if (what === 'immediate') fields['x-envoy-immediate-health-check-fail'] = 'true';
    if (what === 'limited') fields['x-envoy-ratelimited'] = 'true';
    if (what === 'later') fields['retry-after'] = '1';
    outgoing.writeHead(STATUSES.get(what) ?? (Number(what) || 200), fields);
    outgoing.end('well');
  }
}
