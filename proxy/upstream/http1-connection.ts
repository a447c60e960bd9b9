// One pooled HTTP/1.1 connection: it carries one exchange at a time.
import type { ProxyError } from '../base/error.ts';
import type { EndpointStats } from '../telemetry/cluster-stats.ts';
import type { Route } from './connector.ts';
import type { PoolContext, PoolUser } from './pool.ts';
import { PooledConnection } from './pooled-connection.ts';
import type { ConnectionOwner } from './pooled-connection.ts';

export class Http1Connection extends PooledConnection {
  readonly #owner: ConnectionOwner<Http1Connection>;
  #user: PoolUser | undefined = undefined;

  constructor(route: Route, context: PoolContext, endpoint: EndpointStats, owner: ConnectionOwner<Http1Connection>) {
    super(route, context, endpoint);
    this.#owner = owner;
  }

  /** Gives itself to a user whose request has been taken from the breaker. */
  carry(user: PoolUser): void {
    this.state = 'busy';
    this.#user = user;
    user.onPoolReady(this);
  }

  /** Its user is about to reset the exchange, by which the connection ends. */
  giveUp(): void {
    if (this.state === 'busy') this.state = 'closing';
  }

  /** The user settles first: the next in the queue may need what it held. */
  onStreamDone(): void {
    const user = this.#user;
    this.#user = undefined;
    user?.onExchangeDone();
    if (this.state === 'closing') this.codec.drain();
    if (this.state !== 'busy') return;
    this.state = 'idle';
    if (this.mayGoOn() && this.codec.canTakeStream) this.#owner.onFree(this);
    else this.close();
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
