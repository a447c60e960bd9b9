// One pooled HTTP/2 connection: it carries as many exchanges as its server allows.
import type { ProxyError } from '../base/error.ts';
import type { EndpointStats } from '../telemetry/cluster-stats.ts';
import type { Route } from './connector.ts';
import type { PoolContext, PoolUser } from './pool.ts';
import { PooledConnection } from './pooled-connection.ts';
import type { ConnectionOwner } from './pooled-connection.ts';

/** `busy` means that max_requests_per_connection is reached. */
export class Http2Connection extends PooledConnection {
  readonly #owner: ConnectionOwner<Http2Connection>;

  constructor(route: Route, context: PoolContext, endpoint: EndpointStats, owner: ConnectionOwner<Http2Connection>) {
    super(route, context, endpoint);
    this.#owner = owner;
  }

  get idle(): boolean {
    return this.state === 'idle' && this.codec.openStreams === 0;
  }

  carry(user: PoolUser): void {
    user.onPoolReady(this);
    if (this.state === 'idle' && !this.mayGoOn()) this.close();
  }

  giveUp(): void {
    // A reset ends a stream, and leaves the connection.
  }

  onStreamDone(): void {
    if (this.state === 'idle') this.#owner.onFree(this);
  }

  protected tellConnected(): void {
    this.#owner.onConnected(this);
  }

  protected tellFailed(error: ProxyError): void {
    this.#owner.onConnectFailed(this, error);
  }

  protected tellClosed(): void {
    this.#owner.onClosed(this);
  }
}
