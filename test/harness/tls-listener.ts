// A TLS listener of our own with test certificates, and a node:tls client for it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { systemClock } from '../../proxy/base/clock.ts';
import type { Clock } from '../../proxy/base/clock.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import type { DownstreamTlsContext, SubjectAltNameMatcher, TlsCertificate } from '../../proxy/config/tls.ts';
import { listenerScope } from '../../proxy/telemetry/stat-name.ts';
import { Stats } from '../../proxy/telemetry/stats.ts';
import type { TlsInfo } from '../../proxy/telemetry/stream-info.ts';
import { acceptTls } from '../../proxy/tls/accept-tls.ts';
import type { AcceptOptions } from '../../proxy/tls/accept-tls.ts';
import { HandshakeBudget } from '../../proxy/tls/handshake-budget.ts';
import { SecretStore } from '../../proxy/tls/secret-store.ts';
import { ServerTlsContext } from '../../proxy/tls/server-context.ts';
import { TlsStats } from '../../proxy/tls/tls-stats.ts';
import { testLeaf, testRoot } from './certificates.ts';
import type { TestCertificate } from './certificates.ts';

export const ROOT = testRoot();
export const SERVER = testLeaf(ROOT, { more: [{ dns: 'localhost' }] });
export const MESH_NAMES: SubjectAltNameMatcher[] = [{ sanType: 'URI', matcher: { prefix: 'spiffe://cluster.local/' } }];

/** A sidecar's inbound context: mTLS with the mesh's names. */
export function downstream(changes: Partial<DownstreamTlsContext> = {}, names = MESH_NAMES): DownstreamTlsContext {
  return {
    commonTlsContext: {
      tlsCertificates: [certificateOf(SERVER)],
      validationContext: { trustedCa: { inlineString: ROOT.cert }, matchTypedSubjectAltNames: names },
      alpnProtocols: ['h2', 'http/1.1'],
    },
    requireClientCertificate: true,
    ...changes,
  };
}

export function certificateOf({ chain, key }: TestCertificate): TlsCertificate {
  return { certificateChain: { inlineString: chain }, privateKey: { inlineString: key } };
}

/** How a handshake ended. */
export interface Outcome {
  info?: TlsInfo;
  failure?: string;
}

/** A TLS listener whose connections are greeted once they are secure. */
export class TlsListener implements AsyncDisposable {
  readonly secrets = new SecretStore();
  readonly stats: TlsStats;
  readonly timers: TimerWheel;
  readonly context: ServerTlsContext;
  readonly accepted = new Set<Socket>();
  readonly outcomes: Outcome[] = [];
  options: AcceptOptions = {};
  greeting = 'hello';
  waitsForData = false;
  readonly #server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  #waiting: (() => void) | undefined = undefined;

  constructor(config: DownstreamTlsContext, clock: Clock = systemClock) {
    this.stats = new TlsStats(new Stats({ chunk: () => {}, register: () => {} }), listenerScope('127.0.0.1:0'));
    this.timers = new TimerWheel(clock);
    const budget = new HandshakeBudget(clock);
    const deps = { secrets: this.secrets, stats: this.stats, clock, timers: this.timers, budget };
    this.context = new ServerTlsContext(config, 'inbound|chain', deps);
    this.#server.on('connection', (socket) => this.#accept(socket));
  }

  static async start(config: DownstreamTlsContext = downstream(), clock?: Clock): Promise<TlsListener> {
    const fixture = new TlsListener(config, clock);
    fixture.#server.listen(0, '127.0.0.1');
    await once(fixture.#server, 'listening');
    return fixture;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async outcome(index = 0): Promise<Outcome> {
    while (this.outcomes.length <= index) await new Promise<void>((resolve) => (this.#waiting = resolve));
    return this.outcomes[index]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.accepted) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    this.accepted.add(socket);
    socket.on('close', () => this.accepted.delete(socket));
    const done = (outcome: Outcome) => {
      this.outcomes.push(outcome);
      this.#waiting?.();
    };
    acceptTls(socket, this.context, (secure, info) => {
      done({ info });
      secure.on('error', () => {});
      if (this.waitsForData) secure.once('data', () => secure.end(this.greeting));
      else secure.end(this.greeting);
      secure.resume();
    }, (failure) => done({ failure }), this.options);
  }
}

/** Unlike events.once, content with an error before. */
export function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** What a node:tls client reads until the end; an error counts as its end. */
export async function fetchHello(
  port: number, options: ConnectionOptions = {},
): Promise<{ text: string; socket: TLSSocket }> {
  const socket = tlsConnect({ port, host: '127.0.0.1', ca: ROOT.cert, servername: 'localhost', ...options });
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await closed(socket);
  return { text, socket };
}

export function credentials({ chain, key }: TestCertificate): ConnectionOptions {
  return { cert: chain, key };
}

/** The reason for which a client with these options is refused. */
export async function refusal(fixture: TlsListener, options: ConnectionOptions): Promise<string> {
  const { text } = await fetchHello(fixture.port, options);
  assert.equal(text, '');
  const { failure } = await fixture.outcome();
  assert.notEqual(failure, undefined);
  assert.equal(fixture.stats.handshake.value, 0);
  return failure!;
}
