// The admission webhooks' HTTPS server: a certificate of the mesh's authority that is renewed, bounded bodies.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { CertificateAuthority } from '../../certs/ca.ts';
import { controlPlaneIdentity } from '../../certs/server.ts';
import type { Clock } from '../../proxy/base/clock.ts';
import { messageOf } from '../../proxy/base/error.ts';
import { joinHostPort, type HostPort } from '../../proxy/base/host-port.ts';
import { Timer, type TimerTarget, type TimerWheel } from '../../proxy/base/timers.ts';
import { listenFault } from '../listen-fault.ts';
import { admitPod, readReview, validateObject } from './admission.ts';
import type { InjectionSettings } from './injection-settings.ts';

/** Not by `import`, which reads every export of it, and so loads the runtime's fetch. */
const { createServer } = process.getBuiltinModule('node:https');

export interface WebhookServerOptions {
  readonly listen: HostPort;
  /** Names by which the API server calls it. */
  readonly hosts: readonly string[];
  readonly ca: CertificateAuthority;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** As they are now. */
  settings(): InjectionSettings;
  /** A pod there gets a sidecar; not for a dry run. */
  onInjected(namespace: string): void;
  warning(line: string): void;
}

/** An object of 1.5 MiB, twice (before and after), and what is around it. */
const BODY_BYTES_MAX = 4_194_304;
const CONNECTIONS_MAX = 256;
const CHECK_MS = 60_000;
const LIMITS = { requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 16_384 } as const;

/** What it was asked, and how it ended. */
export interface WebhookCounters {
  injected: number;
  left: number;
  refused: number;
  validated: number;
  invalid: number;
  malformed: number;
  tooLarge: number;
}

export class WebhookServer implements TimerTarget {
  readonly counters: WebhookCounters = {
    injected: 0, left: 0, refused: 0, validated: 0, invalid: 0, malformed: 0, tooLarge: 0,
  };
  readonly #options: WebhookServerOptions;
  readonly #server: Server;
  readonly #timer: Timer;
  #renewAtMs = 0;

  constructor(options: WebhookServerOptions) {
    this.#options = options;
    this.#server = createServer({ ...LIMITS, ...this.#context(), handshakeTimeout: 10_000 });
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on('request', (request, response) => void this.#answer(request, response));
    this.#server.on('tlsClientError', () => {});
    this.#timer = new Timer(options.wheel, this);
    options.ca.subscribe(() => this.renew());
  }

  /** HOST:PORT as bound. Rejects with a ConfigError when it cannot be. */
  async listen(): Promise<HostPort> {
    const { host, port } = this.#options.listen;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', (cause) => reject(listenFault(cause, joinHostPort(host, port))));
    this.#server.listen(port, host, resolve);
    await promise;
    this.#server.on('error', (cause) => this.#options.warning(`the webhook: ${messageOf(cause)}`));
    this.#timer.arm(CHECK_MS);
    return { host, port: (this.#server.address() as AddressInfo).port };
  }

  onTimer(): void {
    this.#timer.arm(CHECK_MS);
    if (this.#options.clock.wallMs() >= this.#renewAtMs) this.renew();
  }

  /** A new certificate by the authority of now; connections that are open keep theirs. */
  renew(): void {
    try {
      this.#server.setSecureContext(this.#context());
    } catch (cause) {
      this.#options.warning(`the webhook's certificate is not renewed: ${messageOf(cause)}`);
    }
  }

  close(): Promise<void> {
    this.#timer.cancel();
    this.#server.closeAllConnections();
    return new Promise((resolve) => { this.#server.close(() => resolve()); });
  }

  #context(): { cert: string; key: string; minVersion: 'TLSv1.2' } {
    const { ca, hosts } = this.#options;
    const { chain, key, notBeforeMs, notAfterMs } = ca.issueServer(controlPlaneIdentity(ca.trustDomain), hosts);
    this.#renewAtMs = (notBeforeMs + notAfterMs) / 2;
    return { cert: chain, key, minVersion: 'TLSv1.2' };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    try {
      const [status, body] = await this.#route(request);
      send(response, status, body);
    } catch (cause) {
      this.#options.warning(`the webhook failed: ${messageOf(cause)}`);
      send(response, 500, 'the webhook failed; its log says why\n');
    }
  }

  async #route(request: IncomingMessage): Promise<readonly [number, string | object]> {
    const [path = ''] = (request.url ?? '').split('?', 1);
    if (path === '/healthz') return [200, 'ok\n'];
    const question = path === '/inject'
      || path.startsWith('/inject/') ? 'inject' : path === '/validate' ? 'validate' : '';
    if (question === '') return [404, 'try /inject or /validate\n'];
    if (request.method !== 'POST') return [405, 'only POST here\n'];
    if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) return this.#malformed('must be JSON',
      415);
    const body = await readBody(request);
    if (body === undefined) {
      this.counters.tooLarge++;
      return [413, `more than ${BODY_BYTES_MAX} bytes\n`];
    }
    const review = readReview(body);
    if (typeof review === 'string') return this.#malformed(review, 400);
    return [200, question === 'inject' ? this.#inject(review) : this.#validate(review)];
  }

  #malformed(reason: string, status: number): readonly [number, string] {
    this.counters.malformed++;
    return [status, `${reason}\n`];
  }

  #inject(review: Exclude<ReturnType<typeof readReview>, string>): object {
    const answer = admitPod(review, this.#options.settings());
    const { allowed, patch } = answer.response;
    if (patch !== undefined && !review.dryRun) this.#options.onInjected(review.namespace);
    this.counters[allowed ? patch === undefined ? 'left' : 'injected' : 'refused']++;
    return answer;
  }

  #validate(review: Exclude<ReturnType<typeof readReview>, string>): object {
    const answer = validateObject(review);
    this.counters[answer.response.allowed ? 'validated' : 'invalid']++;
    return answer;
  }
}

/** undefined: it is longer than it may be. Rejects where it does not come. */
function readBody(request: IncomingMessage): Promise<string | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) resolve(undefined);
    else chunks.push(chunk);
  });
  request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
  request.on('error', reject);
  return promise;
}

function send(response: ServerResponse, status: number, body: string | object): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const type = typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json';
  // A body that was not read to its end leaves nothing of use on the connection.
  const end = status === 200 ? {} : { connection: 'close' };
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text), ...end });
  response.end(text);
}
