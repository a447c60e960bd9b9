// HTTP/1.1 connections to one endpoint: one request at a time on each, the last used first, a queue while all are busy.
import { ProxyError } from '../base/error.ts';
import { RingQueue } from '../base/ring-queue.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget } from '../base/timers.ts';
import type { EndpointStats } from '../telemetry/cluster-stats.ts';
import { connectRefusal } from './connector.ts';
import type { Route } from './connector.ts';
import { Http1Connection } from './http1-connection.ts';
import type { Http1ConnectionOwner } from './http1-connection.ts';
import { IdleLimit } from './idle-limit.ts';
import type { Pool, PoolContext, PoolUser } from './pool.ts';

/** Bound of one pool's queue where the cluster has none (Istio sends 2^32 - 1). */
const PENDING_MAX = 16_384;

export class Http1Pool implements Pool, Http1ConnectionOwner, TimerTarget {
  readonly #route: Route;
  readonly #context: PoolContext;
  readonly #endpoint: EndpointStats;
  readonly #connections = new Set<Http1Connection>();
  /** A stack: the connection used last is the warmest, and those at the bottom grow old and are retired. */
  readonly #idle: Http1Connection[] = [];
  readonly #pending = new RingQueue<PoolUser>(PENDING_MAX);
  readonly #idleLimit: IdleLimit;
  readonly #idleTimer: Timer;
  #idleDueMs = 0;
  #connecting = 0;
  #draining = false;

  constructor(route: Route, context: PoolContext, endpoint: EndpointStats) {
    this.#route = route;
    this.#context = context;
    this.#endpoint = endpoint;
    this.#idleLimit = new IdleLimit(context.settings.idleTimeoutMs);
    this.#idleTimer = new Timer(context.timers, this);
  }

  take(user: PoolUser): ProxyError | undefined {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (!connection.usable) continue;
      const refusal = this.#give(connection, user);
      if (refusal !== undefined) this.#park(connection);
      return refusal;
    }
    const refusal = connectRefusal(this.#route) ?? this.#enqueue(user);
    if (refusal === undefined) this.#connectForPending();
    return refusal;
  }

  abandon(user: PoolUser): void {
    if (!this.#pending.delete(user)) return;
    this.#leaveQueue();
    this.#context.stats.counters.rqCancelled.inc();
  }

  drain(): void {
    this.#draining = true;
    this.#idleTimer.cancel();
    this.#idle.length = 0;
    for (const connection of [...this.#connections]) {
      // Those that connect are needed by who waits; without anybody waiting nobody needs them.
      if (connection.state !== 'connecting' || this.#pending.size === 0) this.#close(connection);
    }
  }

  // --- what connections tell

  onConnected(connection: Http1Connection): void {
    this.#connecting--;
    this.#serve(connection);
  }

  /** All who wait learn of it, as in Envoy: the caller decides whether to try elsewhere. */
  onConnectFailed(connection: Http1Connection, error: ProxyError): void {
    this.#connecting--;
    this.#connections.delete(connection);
    for (let left = this.#pending.size; left > 0; left--) {
      const user = this.#nextPending();
      if (user === undefined) break;
      this.#context.stats.counters.rqPendingFailureEject.inc();
      user.onPoolFailure(error);
    }
    this.#connectForPending();
  }

  onFree(connection: Http1Connection): void {
    this.#serve(connection);
  }

  onClosed(connection: Http1Connection): void {
    this.#connections.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at !== -1) {
      this.#idle.splice(at, 1);
      this.#idleLimit.closedByServer(this.#context.clock.nowMs() - connection.idleSinceMs);
    }
    this.#connectForPending();
  }

  /** Closes what has been idle too long; the next look is when the next is due. */
  onTimer(): void {
    const now = this.#context.clock.nowMs();
    let next = Infinity;
    for (const connection of [...this.#idle]) {
      if (connection.idleUntilMs > now) {
        next = Math.min(next, connection.idleUntilMs);
        continue;
      }
      this.#idle.splice(this.#idle.indexOf(connection), 1);
      this.#context.stats.counters.cxIdleTimeout.inc();
      connection.close();
    }
    if (next < Infinity) this.#lookAt(next, next - now);
  }

  // --- inside

  #enqueue(user: PoolUser): ProxyError | undefined {
    const { breaker, stats } = this.#context;
    if (this.#pending.size >= this.#pending.max || !breaker.tryPending()) {
      stats.counters.rqPendingOverflow.inc();
      return new ProxyError('overflow', 'upstream', 'overflow', 'safe', 'too_many_pending_requests');
    }
    this.#pending.push(user);
    stats.counters.rqPendingTotal.inc();
    stats.gauges.rqPendingActive.inc();
    return undefined;
  }

  #leaveQueue(): void {
    this.#context.breaker.pendingDone();
    this.#context.stats.gauges.rqPendingActive.dec();
  }

  #nextPending(): PoolUser | undefined {
    const user = this.#pending.shift();
    if (user !== undefined) this.#leaveQueue();
    return user;
  }

  /** One connection for each that waits, within the limit. */
  #connectForPending(): void {
    while (this.#connecting < this.#pending.size && this.#mayConnect()) this.#connect();
  }

  #mayConnect(): boolean {
    const { breaker, stats } = this.#context;
    if (breaker.tryConnection()) return true;
    stats.counters.cxOverflow.inc();
    if (this.#connections.size > 0) return false;
    breaker.forceConnection();
    return true;
  }

  #connect(): void {
    this.#connecting++;
    this.#connections.add(new Http1Connection(this.#route, this.#context, this.#endpoint, this));
  }

  /** A connection has nothing to do: the longest waiting gets it, or it becomes idle. */
  #serve(connection: Http1Connection): void {
    while (connection.usable) {
      const user = this.#nextPending();
      if (user === undefined) {
        this.#park(connection);
        return;
      }
      const refusal = this.#give(connection, user);
      if (refusal !== undefined) user.onPoolFailure(refusal);
    }
  }

  /** Undefined when the user has the connection; else the connection is still free. */
  #give(connection: Http1Connection, user: PoolUser): ProxyError | undefined {
    const { breaker, stats } = this.#context;
    if (!breaker.tryRequest()) {
      stats.counters.rqPendingOverflow.inc();
      return new ProxyError('overflow', 'upstream', 'overflow', 'safe', 'too_many_requests');
    }
    connection.carry(user);
    return undefined;
  }

  #park(connection: Http1Connection): void {
    if (this.#draining) {
      this.#close(connection);
      return;
    }
    const now = this.#context.clock.nowMs();
    const limit = this.#idleLimit.limitMs(connection.codec.keepAliveMs);
    connection.idleSinceMs = now;
    connection.idleUntilMs = now + limit;
    this.#idle.push(connection);
    if (limit < Infinity) this.#lookAt(now + limit, limit);
  }

  /** The timer isn't moved when a connection is taken: it fires, finds nothing old, and is armed for the next. */
  #lookAt(dueMs: number, delayMs: number): void {
    if (this.#idleTimer.armed && this.#idleDueMs <= dueMs) return;
    this.#idleDueMs = dueMs;
    this.#idleTimer.arm(delayMs);
  }

  #close(connection: Http1Connection): void {
    const wasConnecting = connection.state === 'connecting';
    connection.close();
    if (!wasConnecting) return;
    this.#connecting--;
    this.#connections.delete(connection);
  }
}
