// HTTP/1.1 connections to one endpoint: one request at a time on each, the last used first, a queue while all are busy.
import { Timer } from '../base/timers.ts';
import type { TimerTarget } from '../base/timers.ts';
import type { EndpointStats } from '../telemetry/cluster-stats.ts';
import { ConnectionPool } from './connection-pool.ts';
import type { PoolChoice } from './connection-pool.ts';
import type { Route } from './connector.ts';
import { IdleLimit } from './idle-limit.ts';
import type { PoolContext } from './pool.ts';
import type { PooledConnection } from './pooled-connection.ts';

export class Http1Pool extends ConnectionPool implements TimerTarget {
  /** A stack: the connection used last is the warmest, and those at the bottom grow old and are retired. */
  readonly #idle: PooledConnection[] = [];
  readonly #idleLimit: IdleLimit;
  readonly #idleTimer: Timer;
  #idleDueMs = 0;

  constructor(route: Route, context: PoolContext, endpoint: EndpointStats, choice?: PoolChoice) {
    super(route, context, endpoint, choice);
    this.#idleLimit = new IdleLimit(context.settings.idleTimeoutMs);
    this.#idleTimer = new Timer(context.timers, this);
  }

  override drain(): void {
    this.#idleTimer.cancel();
    this.#idle.length = 0;
    super.drain();
  }

  onClosed(connection: PooledConnection): void {
    this.connections.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at !== -1) {
      this.#idle.splice(at, 1);
      this.#idleLimit.closedByServer(this.context.clock.nowMs() - connection.idleSinceMs);
    }
    this.connectForPending();
  }

  /** Closes what has been idle too long; the next look is when the next is due. */
  onTimer(): void {
    const now = this.context.clock.nowMs();
    let next = Infinity;
    for (const connection of [...this.#idle]) {
      if (connection.idleUntilMs > now) {
        next = Math.min(next, connection.idleUntilMs);
        continue;
      }
      this.#idle.splice(this.#idle.indexOf(connection), 1);
      this.context.stats.counters.cxIdleTimeout.inc();
      connection.close();
    }
    if (next < Infinity) this.#lookAt(next, next - now);
  }

  protected takeUsable(): PooledConnection | undefined {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.usable) return connection;
    }
    return undefined;
  }

  /** One connection for each that waits, within the limit. */
  protected connectForPending(): void {
    while (this.connecting < this.pending.size && this.connect());
  }

  protected park(connection: PooledConnection): void {
    if (this.draining) {
      this.close(connection);
      return;
    }
    const now = this.context.clock.nowMs();
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
}
