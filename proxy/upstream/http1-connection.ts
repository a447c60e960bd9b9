// One pooled HTTP/1.1 connection, from connect to close: tells its pool what it is ready for, and keeps its own
// figures.
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

/** What the pool is told. */
export interface Http1ConnectionOwner {
  onConnected(connection: Http1Connection): void;
  onConnectFailed(connection: Http1Connection, error: ProxyError): void;
  /** The exchange is complete and the connection may take another. */
  onFree(connection: Http1Connection): void;
  /** It is gone, after onConnected. */
  onClosed(connection: Http1Connection): void;
}

/**
 * `connecting` -> `idle` <-> `busy` -> `closed`. `idle` also while the pool decides what is next. A connection that is
 * `closing` takes nothing more and closes when what it carries is done.
 */
export type ConnectionState = 'connecting' | 'idle' | 'busy' | 'closing' | 'closed';

export class Http1Connection implements ConnectHandler, ClientConnectionHandler, ReadyConnection, TimerTarget {
  readonly #context: PoolContext;
  readonly #endpoint: EndpointStats;
  readonly #owner: Http1ConnectionOwner;
  readonly #startMs: number;
  readonly #connecting: Connecting;
  #age: Timer | undefined = undefined;
  #user: PoolUser | undefined = undefined;
  #codec: ClientConnection | undefined = undefined;
  state: ConnectionState = 'connecting';
  localAddress = '';
  tls: TlsInfo | undefined = undefined;
  /** `clock.nowMs()` when it became idle, and when it has been so too long. */
  idleSinceMs = 0;
  idleUntilMs = 0;

  constructor(route: Route, context: PoolContext, endpoint: EndpointStats, owner: Http1ConnectionOwner) {
    this.#context = context;
    this.#endpoint = endpoint;
    this.#owner = owner;
    this.#startMs = context.clock.nowMs();
    const { counters, gauges } = context.stats;
    counters.cxTotal.inc();
    counters.cxHttp1Total.inc();
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

  /** Gives itself to a user whose request has been taken from the breaker. */
  carry(user: PoolUser): void {
    this.state = 'busy';
    this.#user = user;
    user.onPoolReady(this);
  }

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
    this.#codec!.drain();
  }

  onConnected(socket: Socket, tls: TlsInfo | undefined, localAddress: string): void {
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
    this.#owner.onConnected(this);
  }

  onConnectFailed(error: ProxyError): void {
    const { counters } = this.#context.stats;
    counters.cxConnectFail.inc();
    this.#endpoint.counters.cxConnectFail.inc();
    if (error.kind === 'connect-timeout') counters.cxConnectTimeout.inc();
    this.#end();
    this.#owner.onConnectFailed(this, error);
  }

  /** The user settles first: the next in the queue may need what it held. */
  onStreamDone(): void {
    const user = this.#user;
    this.#user = undefined;
    user?.onExchangeDone();
    if (this.state === 'closing') this.#codec!.drain();
    if (this.state !== 'busy') return;
    this.state = 'idle';
    if (this.#codec!.streamsStarted >= this.#context.settings.maxRequests) {
      this.#context.stats.counters.cxMaxRequests.inc();
      this.close();
    } else if (this.#codec!.canTakeStream) {
      this.#owner.onFree(this);
    } else {
      this.close();
    }
  }

  /** `connection: close`, or an answer before the request's end: the codec ends it. */
  onDraining(): void {
    if (this.state !== 'closed') this.state = 'closing';
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

  #countEnd(error: ProxyError | undefined): void {
    const { counters } = this.#context.stats;
    if (error?.kind === 'upstream-protocol') counters.cxProtocolError.inc();
    counters.cxDestroy.inc();
    const local = this.state === 'closing';
    (local ? counters.cxDestroyLocal : counters.cxDestroyRemote).inc();
    if (this.#codec!.openStreams === 0) return;
    counters.cxDestroyWithActiveRq.inc();
    (local ? counters.cxDestroyLocalWithActiveRq : counters.cxDestroyRemoteWithActiveRq).inc();
  }

  #end(): void {
    this.state = 'closed';
    this.#age?.cancel();
    const { stats, clock, breaker } = this.#context;
    stats.gauges.cxActive.dec();
    stats.connectionMs.record(clock.nowMs() - this.#startMs);
    this.#endpoint.cxActive.dec();
    breaker.connectionDone();
  }
}
