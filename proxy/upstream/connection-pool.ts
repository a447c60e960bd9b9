// What pools of every protocol share: who waits, which connections there are, and the limits on both.
import { ProxyError } from '../base/error.ts';
import { RingQueue } from '../base/ring-queue.ts';
import type { EndpointStats } from '../telemetry/cluster-stats.ts';
import { connectRefusal } from './connector.ts';
import type { Route } from './connector.ts';
import type { Pool, PoolContext, PoolUser } from './pool.ts';
import type { ConnectionOwner, PooledConnection } from './pooled-connection.ts';

/** Bound of one pool's queue where the cluster has none (Istio sends 2^32 - 1). */
const PENDING_MAX = 16_384;

export abstract class ConnectionPool<C extends PooledConnection> implements Pool, ConnectionOwner<C> {
  protected readonly route: Route;
  protected readonly context: PoolContext;
  protected readonly endpoint: EndpointStats;
  protected readonly connections = new Set<C>();
  protected readonly pending = new RingQueue<PoolUser>(PENDING_MAX);
  protected connecting = 0;
  protected draining = false;

  constructor(route: Route, context: PoolContext, endpoint: EndpointStats) {
    this.route = route;
    this.context = context;
    this.endpoint = endpoint;
  }

  /** A connection that can carry a request now; it is no longer idle to the pool. */
  protected abstract takeUsable(): C | undefined;
  /** A connection that `takeUsable` gave has stayed free after all. */
  protected abstract park(connection: C): void;
  protected abstract newConnection(): C;
  /** As many more connections as those who wait need. */
  protected abstract connectForPending(): void;
  abstract onClosed(connection: C): void;

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

  onConnected(connection: C): void {
    this.connecting--;
    this.serve(connection);
  }

  onFree(connection: C): void {
    this.serve(connection);
  }

  /** All who wait learn of it, as in Envoy: the caller decides whether to try elsewhere. */
  onConnectFailed(connection: C, error: ProxyError): void {
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
  protected serve(connection: C): void {
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
  protected give(connection: C, user: PoolUser): ProxyError | undefined {
    const { breaker, stats } = this.context;
    if (!breaker.tryRequest()) {
      stats.counters.rqPendingOverflow.inc();
      return new ProxyError('overflow', 'upstream', 'overflow', 'safe', 'too_many_requests');
    }
    connection.carry(user);
    return undefined;
  }

  /** False when the cluster's limit of connections is reached; one of its own every pool may have. */
  protected connect(): boolean {
    const { breaker, stats } = this.context;
    if (!breaker.tryConnection()) {
      stats.counters.cxOverflow.inc();
      if (this.connections.size > 0) return false;
      breaker.forceConnection();
    }
    this.connecting++;
    this.connections.add(this.newConnection());
    return true;
  }

  protected close(connection: C): void {
    const wasConnecting = connection.state === 'connecting';
    connection.close();
    if (!wasConnecting) return;
    this.connecting--;
    this.connections.delete(connection);
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
