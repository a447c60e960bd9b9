// What a pool of connections to one endpoint is, whatever protocol its connections speak.
import type { Clock } from '../base/clock.ts';
import type { ProxyError } from '../base/error.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { ClientConnection } from '../http/codec.ts';
import type { ClusterStats } from '../telemetry/cluster-stats.ts';
import type { TlsInfo } from '../telemetry/stream-info.ts';
import type { ClusterBreaker } from './circuit-breaker.ts';
import type { OpenCodec } from './codec-opener.ts';
import type { ConnectionSettings, HttpProtocol } from './connection-settings.ts';

/** A connection that may carry a request now. */
export interface ReadyConnection {
  readonly codec: ClientConnection;
  readonly localAddress: string;
  readonly tls: TlsInfo | undefined;
  /** The user is about to give its stream up, by which this side ends the connection. */
  giveUp(): void;
}

/** Who asks a pool for a connection. */
export interface PoolUser {
  /** A connection is there, and one of the cluster's max_requests is taken for it. */
  onPoolReady(connection: ReadyConnection): void;
  /**
   * The exchange is complete on both sides and the connection is no longer the user's, who pays back what was taken for
   * it. The response's last event may still follow. Only told where a connection carries one exchange at a time.
   */
  onExchangeDone(): void;
  /** There will be none. Not called from within `take`. */
  onPoolFailure(error: ProxyError): void;
}

export interface Pool {
  /** Gives a connection at once, or later, or a ProxyError now (`overflow`, or TLS that isn't ready). */
  take(user: PoolUser): ProxyError | undefined;
  /** A user that waits gives up; it hears nothing more. */
  abandon(user: PoolUser): void;
  /** Takes nobody new from now on; what is pending or active finishes, what is idle closes. */
  drain(): void;
}

/** What all pools of a cluster and protocol share. A changed cluster makes a new one, and old pools drain. */
export interface PoolContext {
  readonly settings: ConnectionSettings;
  readonly protocol: HttpProtocol;
  readonly breaker: ClusterBreaker;
  readonly stats: ClusterStats;
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly openCodec: OpenCodec;
}
