// One pooled HTTP/2 connection: it carries as many exchanges as its server allows.
import type { PoolUser } from './pool.ts';
import { PooledConnection } from './pooled-connection.ts';

export class Http2Connection extends PooledConnection {
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
    if (this.state === 'idle') this.owner.onFree(this);
  }
}
