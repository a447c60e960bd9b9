// One pooled connection, from connect to close, whatever protocol it speaks: its state, and its figures.
import type { Socket } from 'node:net';
import type { ProxyError } from '../base/error.ts';
import { openTransport } from '../base/socket-transport.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget } from '../base/timers.ts';
import type { ClientConnection, ClientConnectionHandler } from '../http/codec.ts';
import type { EndpointStats } from '../telemetry/cluster-stats.ts';
import type { TlsInfo } from '../telemetry/stream-info.ts';
import { Connecting } from './connector.ts';
import type { ConnectHandler, Route } from './connector.ts';
import type { PoolContext, PoolUser, ReadyConnection } from './pool.ts';

/** What the pool is told of its connections. */
export interface ConnectionOwner<C = PooledConnection> {
  onConnected(connection: C): void;
  onConnectFailed(connection: C, error: ProxyError): void;
  /** An exchange is complete and the connection may take another. */
  onFree(connection: C): void;
  /** It is gone, after onConnected. */
  onClosed(connection: C): void;
}

/**
 * `connecting` -> `idle` <-> `busy` -> `closed`. `idle` also while the pool decides what is next. `busy`: it takes
 * nothing more for now. A connection that is `closing` takes nothing more at all and closes when what it carries is
 * done.
 */
export type ConnectionState = 'connecting' | 'idle' | 'busy' | 'closing' | 'closed';

export abstract class PooledConnection
implements ConnectHandler, ClientConnectionHandler, ReadyConnection, TimerTarget {
  protected readonly context: PoolContext;
  protected readonly owner: ConnectionOwner;
  readonly #endpoint: EndpointStats;
  readonly #startMs: number;
  readonly #connecting: Connecting;
  #age: Timer | undefined = undefined;
  #codec: ClientConnection | undefined = undefined;
  state: ConnectionState = 'connecting';
  localAddress = '';
  tls: TlsInfo | undefined = undefined;
  /** `clock.nowMs()` when it became idle, and when it has been so too long. */
  idleSinceMs = 0;
  idleUntilMs = 0;

  constructor(route: Route, context: PoolContext, endpoint: EndpointStats, owner: ConnectionOwner) {
    this.context = context;
    this.owner = owner;
    this.#endpoint = endpoint;
    this.#startMs = context.clock.nowMs();
    const { counters, gauges } = context.stats;
    counters.cxTotal.inc();
    (context.protocol === 'http2' ? counters.cxHttp2Total : counters.cxHttp1Total).inc();
    gauges.cxActive.inc();
    endpoint.counters.cxTotal.inc();
    endpoint.cxActive.inc();
    this.#connecting = new Connecting(route, context.settings, context.timers, this);
  }

  abstract carry(user: PoolUser): void;
  abstract giveUp(): void;
  abstract onStreamDone(connection: ClientConnection): void;

  /** Only once connected. */
  get codec(): ClientConnection {
    return this.#codec!;
  }

  /** Whether a request may be started now. */
  get usable(): boolean {
    return this.state === 'idle' && this.#codec!.canTakeStream;
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
    const { settings, stats, timers, clock } = this.context;
    stats.connectMs.record(clock.nowMs() - this.#startMs);
    this.tls = tls;
    this.localAddress = localAddress;
    this.#codec = this.context.openCodec(openTransport(socket, 'upstream'), this);
    this.state = 'idle';
    if (settings.maxDurationMs !== undefined) {
      this.#age = new Timer(timers, this);
      this.#age.arm(settings.maxDurationMs);
    }
    this.owner.onConnected(this);
  }

  onConnectFailed(error: ProxyError): void {
    const { counters } = this.context.stats;
    counters.cxConnectFail.inc();
    this.#endpoint.counters.cxConnectFail.inc();
    if (error.kind === 'connect-timeout') counters.cxConnectTimeout.inc();
    this.#end();
    this.owner.onConnectFailed(this, error);
  }

  /** `connection: close`, GOAWAY, or an answer before the request's end: the codec ends it. */
  onDraining(): void {
    if (this.state !== 'closed') this.state = 'closing';
  }

  onTimer(): void {
    this.context.stats.counters.cxMaxDuration.inc();
    this.close();
  }

  onConnectionClose(_connection: ClientConnection, error: ProxyError | undefined): void {
    if (this.state === 'closed') return;
    this.#countEnd(error);
    this.#end();
    this.owner.onClosed(this);
  }

  /** Its last exchange is over: whether max_requests_per_connection lets it take another. */
  protected mayGoOn(): boolean {
    if (this.codec.streamsStarted < this.context.settings.maxRequests) return true;
    this.context.stats.counters.cxMaxRequests.inc();
    return false;
  }

  #countEnd(error: ProxyError | undefined): void {
    const { counters } = this.context.stats;
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
    const { stats, clock, breaker } = this.context;
    stats.gauges.cxActive.dec();
    stats.connectionMs.record(clock.nowMs() - this.#startMs);
    this.#endpoint.cxActive.dec();
    breaker.connectionDone();
  }
}
