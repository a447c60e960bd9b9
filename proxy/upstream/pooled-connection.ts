// One pooled connection, from connect to close, whatever protocol it speaks: its state, and its figures.
import type { Socket } from 'node:net';
import type { ProxyError } from '../base/error.ts';
import type { NamedCount } from '../base/named-counts.ts';
import { openTransport } from '../base/socket-transport.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget } from '../base/timers.ts';
import type { ClientConnection, ClientConnectionHandler } from '../http/codec.ts';
import type { EndpointStats } from '../telemetry/cluster-stats.ts';
import type { TlsInfo } from '../telemetry/stream-info.ts';
import { CertificateLife } from '../tls/certificate-life.ts';
import type { MortalConnection } from '../tls/certificate-life.ts';
import { Connecting } from './connector.ts';
import type { ConnectHandler, Route } from './connector.ts';
import type { PoolContext, PoolUser, ReadyConnection } from './pool.ts';
import type { TransportSocket } from './transport-sockets.ts';

/** What the pool is told of its connections. */
export interface ConnectionOwner {
  readonly context: PoolContext;
  /** The handshake is done: the pool, now or from now on the owner, that has connections of this ALPN. */
  ownerBy(alpn: string | undefined, connection: PooledConnection): ConnectionOwner;
  onConnected(connection: PooledConnection): void;
  onConnectFailed(connection: PooledConnection, error: ProxyError): void;
  /** An exchange is complete and the connection may take another. */
  onFree(connection: PooledConnection): void;
  /** It is gone, after onConnected. */
  onClosed(connection: PooledConnection): void;
}

/**
 * `connecting` -> `idle` <-> `busy` -> `closed`. `idle` also while the pool decides what is next. `busy`: it takes
 * nothing more for now, as HTTP/1.1 does while it carries an exchange. A connection that is `closing` takes nothing
 * more at all and closes when what it carries is done.
 */
export type ConnectionState = 'connecting' | 'idle' | 'busy' | 'closing' | 'closed';

export class PooledConnection
implements ConnectHandler, ClientConnectionHandler, ReadyConnection, TimerTarget, MortalConnection {
  readonly #endpoint: EndpointStats;
  readonly #startMs: number;
  readonly #host: NamedCount | undefined;
  readonly #connecting: Connecting;
  readonly #security: TransportSocket;
  #life: CertificateLife | undefined = undefined;
  #owner: ConnectionOwner;
  #context: PoolContext;
  /** Whose exchange it carries, where it carries one at a time. */
  #user: PoolUser | undefined = undefined;
  #age: Timer | undefined = undefined;
  #codec: ClientConnection | undefined = undefined;
  state: ConnectionState = 'connecting';
  localAddress = '';
  tls: TlsInfo | undefined = undefined;
  /** `clock.nowMs()` when it became idle, and when it has been so too long. */
  idleSinceMs = 0;
  idleUntilMs = 0;

  constructor(route: Route, endpoint: EndpointStats, owner: ConnectionOwner) {
    const { context } = owner;
    this.#owner = owner;
    this.#context = context;
    this.#endpoint = endpoint;
    this.#host = route.connections;
    this.#security = route.transport;
    this.#startMs = context.clock.nowMs();
    const { counters, gauges } = context.stats;
    counters.cxTotal.inc();
    gauges.cxActive.inc();
    endpoint.counters.cxTotal.inc();
    endpoint.cxActive.inc();
    this.#connecting = new Connecting(route, context.settings, context.timers, this);
  }

  /** Only once connected. */
  get codec(): ClientConnection {
    return this.#codec!;
  }

  /** Whether a request may be started now. */
  get usable(): boolean {
    return this.state === 'idle' && this.#codec!.canTakeStream;
  }

  /** Nothing is on it. */
  get idle(): boolean {
    return this.state === 'idle' && this.codec.openStreams === 0;
  }

  /** Gives itself to a user whose request has been taken from the breaker. */
  carry(user: PoolUser): void {
    if (this.#context.protocol === 'http1') {
      this.state = 'busy';
      this.#user = user;
      user.onPoolReady(this);
      return;
    }
    user.onPoolReady(this);
    if (this.state === 'idle' && !this.#mayGoOn()) this.close();
  }

  /** Its user is about to reset the exchange, by which HTTP/1.1's connection ends; HTTP/2's stays. */
  giveUp(): void {
    if (this.state === 'busy') this.state = 'closing';
  }

  /** Takes nothing more; closes now when it carries nothing. */
  close(): void {
    if (this.state === 'closed' || this.state === 'closing') return;
    if (this.state === 'connecting') {
      this.#connecting.cancel();
      this.#end();
      return;
    }
    this.state = 'closing';
    this.codec.drain();
  }

  onConnected(socket: Socket, tls: TlsInfo | undefined, localAddress: string): void {
    this.#owner = this.#owner.ownerBy(tls?.alpn, this);
    this.#context = this.#owner.context;
    const { settings, stats, timers, clock } = this.#context;
    stats.connectMs.record(clock.nowMs() - this.#startMs);
    this.tls = tls;
    this.localAddress = localAddress;
    this.#codec = this.#context.openCodec(openTransport(socket, 'upstream'), this);
    this.state = 'idle';
    if (settings.maxDurationMs !== undefined) {
      this.#age = new Timer(timers, this);
      this.#age.arm(settings.maxDurationMs);
    }
    const endMs = tls?.endMs;
    if (endMs !== undefined) this.#life = new CertificateLife(this, { ...tls, endMs }, timers, clock);
    this.#owner.onConnected(this);
  }

  onConnectFailed(error: ProxyError): void {
    const { counters } = this.#context.stats;
    counters.cxConnectFail.inc();
    this.#endpoint.counters.cxConnectFail.inc();
    if (error.kind === 'connect-timeout') counters.cxConnectTimeout.inc();
    if (error.kind === 'local-connect-failure') counters.cxLocalConnectFail.inc();
    this.#end();
    this.#owner.onConnectFailed(this, error);
  }

  /** The user settles first: the next in the queue may need what it held. */
  onStreamDone(): void {
    if (this.#context.protocol === 'http1') this.#exchangeDone();
    else if (this.state === 'idle') this.#owner.onFree(this);
  }

  /** `connection: close`, GOAWAY, or an answer before the request's end: the codec ends it. */
  onDraining(): void {
    if (this.state !== 'closed') this.state = 'closing';
  }

  drain(): void {
    this.close();
  }

  expire(): void {
    this.#security?.countExpired();
    this.codec.destroy();
  }

  onTimer(): void {
    this.#context.stats.counters.cxMaxDuration.inc();
    this.close();
  }

  onConnectionClose(_connection: ClientConnection, error: ProxyError | undefined): void {
    if (this.state === 'closed') return;
    this.#countEnd(error);
    this.#end();
    this.#owner.onClosed(this);
  }

  #exchangeDone(): void {
    const user = this.#user;
    this.#user = undefined;
    user?.onExchangeDone();
    if (this.state === 'closing') this.codec.drain();
    if (this.state !== 'busy') return;
    this.state = 'idle';
    if (this.#mayGoOn() && this.codec.canTakeStream) this.#owner.onFree(this);
    else this.close();
  }

  /** Whether max_requests_per_connection lets it take another. */
  #mayGoOn(): boolean {
    if (this.codec.streamsStarted < this.#context.settings.maxRequests) return true;
    this.#context.stats.counters.cxMaxRequests.inc();
    return false;
  }

  #countEnd(error: ProxyError | undefined): void {
    const { counters } = this.#context.stats;
    const broken = error?.kind === 'upstream-protocol';
    if (broken) counters.cxProtocolError.inc();
    counters.cxDestroy.inc();
    const local = broken || this.state === 'closing';
    (local ? counters.cxDestroyLocal : counters.cxDestroyRemote).inc();
    if (this.codec.openStreams === 0) return;
    counters.cxDestroyWithActiveRq.inc();
    (local ? counters.cxDestroyLocalWithActiveRq : counters.cxDestroyRemoteWithActiveRq).inc();
  }

  #end(): void {
    this.state = 'closed';
    this.#age?.cancel();
    this.#life?.close();
    const { stats, clock, breaker } = this.#context;
    stats.gauges.cxActive.dec();
    stats.connectionMs.record(clock.nowMs() - this.#startMs);
    this.#endpoint.cxActive.dec();
    breaker.connectionDone(this.#host);
  }
}
