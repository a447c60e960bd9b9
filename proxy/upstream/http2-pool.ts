// HTTP/2 connections to one endpoint: requests share one, and another is made only when its server takes no more.
import { Timer } from '../base/timers.ts';
import type { TimerTarget } from '../base/timers.ts';
import { LIMITS } from '../config/limits.ts';
import type { EndpointStats } from '../telemetry/cluster-stats.ts';
import { ConnectionPool } from './connection-pool.ts';
import type { PoolChoice } from './connection-pool.ts';
import type { Route } from './connector.ts';
import type { PoolContext } from './pool.ts';
import type { PooledConnection } from './pooled-connection.ts';

export class Http2Pool extends ConnectionPool implements TimerTarget {
  readonly #idleMs: number;
  readonly #idleTimer: Timer;
  /** The connection that requests go to while it takes them. */
  #current: PooledConnection | undefined = undefined;
  /** What the server allowed on its last connection. */
  #streamsMax: number | undefined = undefined;

  constructor(route: Route, context: PoolContext, endpoint: EndpointStats, choice?: PoolChoice) {
    super(route, context, endpoint, choice);
    this.#idleMs = context.settings.idleTimeoutMs ?? LIMITS.idleTimeoutMs;
    this.#idleTimer = new Timer(context.timers, this);
  }

  override drain(): void {
    this.#idleTimer.cancel();
    this.#current = undefined;
    super.drain();
  }

  override onConnected(connection: PooledConnection): void {
    connection.codec.peerStreamsMax = this.#streamsMax;
    super.onConnected(connection);
  }

  override onFree(connection: PooledConnection): void {
    this.#streamsMax = connection.codec.peerStreamsMax;
    super.onFree(connection);
  }

  onClosed(connection: PooledConnection): void {
    this.connections.delete(connection);
    if (this.#current === connection) this.#current = undefined;
    this.connectForPending();
  }

  /** Closes connections that have carried nothing for idle_timeout. */
  onTimer(): void {
    const now = this.context.clock.nowMs();
    let next = Infinity;
    for (const connection of [...this.connections]) {
      if (!connection.idle) continue;
      const due = connection.idleSinceMs + this.#idleMs;
      if (due > now) {
        next = Math.min(next, due - now);
        continue;
      }
      this.context.stats.counters.cxIdleTimeout.inc();
      connection.close();
    }
    if (next < Infinity) this.#idleTimer.arm(next);
  }

  protected takeUsable(): PooledConnection | undefined {
    if (this.#current?.usable === true) return this.#current;
    for (const connection of this.connections) {
      if (!connection.usable) continue;
      this.#current = connection;
      return connection;
    }
    return undefined;
  }

  /** One at a time: what its server allows is known once it is there. */
  protected connectForPending(): void {
    if (this.pending.size > 0 && this.connecting === 0) this.connect();
  }

  protected override serve(connection: PooledConnection): void {
    super.serve(connection);
    this.connectForPending();
  }

  protected park(connection: PooledConnection): void {
    if (this.draining) {
      this.close(connection);
      return;
    }
    if (!connection.idle) return;
    connection.idleSinceMs = this.context.clock.nowMs();
    if (this.#idleMs < Infinity && !this.#idleTimer.armed) this.#idleTimer.arm(this.#idleMs);
  }
}
