// Connections to one endpoint whose server chooses the protocol by ALPN: a pool for each, and requests go where the
// last handshake led.
import type { EndpointStats } from '../telemetry/cluster-stats.ts';
import type { ConnectionPool, PoolChoice } from './connection-pool.ts';
import type { HttpProtocol } from './connection-settings.ts';
import type { Route } from './connector.ts';
import { Http1Pool } from './http1-pool.ts';
import { Http2Pool } from './http2-pool.ts';
import type { Pool, PoolContext, PoolUser } from './pool.ts';

/** Names of the protocols in a handshake (RFC 7301, RFC 9113 section 3.2). */
export const ALPN: Readonly<Record<HttpProtocol, string>> = { http1: 'http/1.1', http2: 'h2' };

export class AlpnPool implements Pool, PoolChoice {
  readonly #route: Route;
  readonly #http1: Http1Pool;
  readonly #http2: Http2Pool;
  /** Where nothing is known this plans as for HTTP/2: one connection, and the others when it has shown what it is. */
  #current: ConnectionPool;

  constructor(route: Route, http1: PoolContext, http2: PoolContext, endpoint: EndpointStats) {
    this.#route = route;
    this.#http1 = new Http1Pool(route, http1, endpoint, this);
    this.#http2 = new Http2Pool(route, http2, endpoint, this);
    this.#current = route.memory.protocol === 'http1' ? this.#http1 : this.#http2;
  }

  take(user: PoolUser): ReturnType<Pool['take']> {
    return this.#current.take(user);
  }

  abandon(user: PoolUser): void {
    this.#http1.abandon(user);
    this.#http2.abandon(user);
  }

  drain(): void {
    this.#http1.drain();
    this.#http2.drain();
  }

  /** A server without ALPN speaks HTTP/1.1. */
  choose(alpn: string | undefined): ConnectionPool {
    const protocol = alpn === ALPN.http2 ? 'http2' : 'http1';
    this.#route.memory.protocol = protocol;
    this.#current = protocol === 'http2' ? this.#http2 : this.#http1;
    return this.#current;
  }
}
