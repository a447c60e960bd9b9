// What pools of every protocol share: who waits, which connections there are, and the limits on both.
import { ProxyError } from '../base/error.ts';
import { RingQueue } from '../base/ring-queue.ts';
import type { EndpointStats } from '../telemetry/cluster-stats.ts';
import { connectRefusal } from './connector.ts';
import type { Route } from './connector.ts';
import type { Pool, PoolContext, PoolUser } from './pool.ts';
import { PooledConnection } from './pooled-connection.ts';
import type { ConnectionOwner } from './pooled-connection.ts';

/** Bound of one pool's queue where the cluster has none (Istio sends 2^32 - 1). */
const PENDING_MAX = 16_384;

/** Two pools of an endpoint, of which ALPN says for each connection where it belongs. */
export interface PoolChoice {
  choose(alpn: string | undefined): ConnectionPool;
}

export abstract class ConnectionPool implements Pool, ConnectionOwner {
  protected readonly route: Route;
  readonly context: PoolContext;
  protected readonly endpoint: EndpointStats;
  protected readonly connections = new Set<PooledConnection>();
  protected readonly pending = new RingQueue<PoolUser>(PENDING_MAX);
  protected connecting = 0;
  protected draining = false;
  readonly #choice: PoolChoice | undefined;

  constructor(route: Route, context: PoolContext, endpoint: EndpointStats, choice?: PoolChoice) {
    this.route = route;
    this.context = context;
    this.endpoint = endpoint;
    this.#choice = choice;
  }

  /** A connection that can carry a request now; it is no longer idle to the pool. */
  protected abstract takeUsable(): PooledConnection | undefined;
  /** A connection that `takeUsable` gave has stayed free after all. */
  protected abstract park(connection: PooledConnection): void;
  /** As many more connections as those who wait need. */
  protected abstract connectForPending(): void;
  abstract onClosed(connection: PooledConnection): void;

  take(user: PoolUser): ProxyError | undefined {
    const connection = this.takeUsable();
    if (connection !== undefined) {
      const refusal = this.give(connection, user);
      if (refusal !== undefined) this.park(connection);
      return refusal;
    }
    const refusal = connectRefusal(this.route) ?? this.#enqueue(user);
    if (refusal === undefined) this.connectForPending();
    return refusal;
  }

  abandon(user: PoolUser): void {
    if (!this.pending.delete(user)) return;
    this.#leaveQueue();
    this.context.stats.counters.rqCancelled.inc();
  }

  drain(): void {
    this.draining = true;
    for (const connection of [...this.connections]) {
      // Those that connect are needed by who waits; without anybody waiting nobody needs them.
      if (connection.state !== 'connecting' || this.pending.size === 0) this.close(connection);
    }
  }

  // --- what connections tell

  ownerBy(alpn: string | undefined, connection: PooledConnection): ConnectionOwner {
    if (this.#choice === undefined) return this;
    const pool = this.#choice.choose(alpn);
    pool.#countProtocol();
    if (pool !== this) this.#moveTo(pool, connection);
    return pool;
  }

  onConnected(connection: PooledConnection): void {
    this.connecting--;
    this.serve(connection);
    // Those who still wait were refused a connection, or came with this one from the other pool.
    if (this.pending.size > 0) this.connectForPending();
  }

  onFree(connection: PooledConnection): void {
    this.serve(connection);
    if (this.pending.size > 0) this.connectForPending();
  }

  /** All who wait learn of it, as in Envoy: the caller decides whether to try elsewhere. */
  onConnectFailed(connection: PooledConnection, error: ProxyError): void {
    this.connecting--;
    this.connections.delete(connection);
    for (let left = this.pending.size; left > 0; left--) {
      const user = this.#nextPending();
      if (user === undefined) break;
      this.context.stats.counters.rqPendingFailureEject.inc();
      user.onPoolFailure(error);
    }
    this.connectForPending();
  }

  // --- inside

  /** The longest waiting get what a connection has room for; then it is parked. */
  protected serve(connection: PooledConnection): void {
    while (connection.usable) {
      const user = this.#nextPending();
      if (user === undefined) {
        this.park(connection);
        return;
      }
      const refusal = this.give(connection, user);
      if (refusal !== undefined) user.onPoolFailure(refusal);
    }
  }

  /** Undefined when the user has the connection; else the connection is still free. */
  protected give(connection: PooledConnection, user: PoolUser): ProxyError | undefined {
    const { breaker, stats } = this.context;
    if (!breaker.tryRequest()) {
      stats.counters.rqActiveOverflow.inc();
      return new ProxyError('overflow', 'upstream', 'overflow', 'safe', 'too_many_requests');
    }
    connection.carry(user);
    return undefined;
  }

  /** False when the cluster's limit of connections is reached; one of its own every pool may have. */
  protected connect(): boolean {
    const { breaker, stats } = this.context;
    const { connections } = this.route;
    if (!breaker.tryConnection(connections)) {
      stats.counters.cxOverflow.inc();
      if (this.connections.size > 0) return false;
      breaker.forceConnection(connections);
    }
    this.connecting++;
    if (this.#choice === undefined) this.#countProtocol();
    this.connections.add(new PooledConnection(this.route, this.endpoint, this));
    return true;
  }

  protected close(connection: PooledConnection): void {
    const wasConnecting = connection.state === 'connecting';
    connection.close();
    if (!wasConnecting) return;
    this.connecting--;
    this.connections.delete(connection);
  }

  #countProtocol(): void {
    const { protocol, stats: { counters } } = this.context;
    (protocol === 'http2' ? counters.cxHttp2Total : counters.cxHttp1Total).inc();
  }

  /** Those who wait go with it: the next connections are planned by what this one has shown. */
  #moveTo(pool: ConnectionPool, connection: PooledConnection): void {
    this.connecting--;
    this.connections.delete(connection);
    pool.connecting++;
    pool.connections.add(connection);
    for (let user = this.pending.shift(); user !== undefined; user = this.pending.shift()) pool.pending.push(user);
  }

  #enqueue(user: PoolUser): ProxyError | undefined {
    const { breaker, stats } = this.context;
    if (this.pending.size >= this.pending.max || !breaker.tryPending()) {
      stats.counters.rqPendingOverflow.inc();
      return new ProxyError('overflow', 'upstream', 'overflow', 'safe', 'too_many_pending_requests');
    }
    this.pending.push(user);
    stats.counters.rqPendingTotal.inc();
    stats.gauges.rqPendingActive.inc();
    return undefined;
  }

  #leaveQueue(): void {
    this.context.breaker.pendingDone();
    this.context.stats.gauges.rqPendingActive.dec();
  }

  #nextPending(): PoolUser | undefined {
    const user = this.pending.shift();
    if (user !== undefined) this.#leaveQueue();
    return user;
  }
}
