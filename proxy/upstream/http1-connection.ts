// One pooled HTTP/1.1 connection: it carries one exchange at a time.
import type { PoolUser } from './pool.ts';
import { PooledConnection } from './pooled-connection.ts';

export class Http1Connection extends PooledConnection {
  #user: PoolUser | undefined = undefined;

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
    if (this.mayGoOn() && this.codec.canTakeStream) this.owner.onFree(this);
    else this.close();
  }
}
