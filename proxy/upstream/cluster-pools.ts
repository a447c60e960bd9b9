// Makes a cluster's pools, of the protocol that a request needs.
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { WriteBatch } from '../base/write-batch.ts';
import type { Protocol } from '../http/message.ts';
import type { ClusterStats, EndpointStats } from '../telemetry/cluster-stats.ts';
import { http2Stats } from '../telemetry/http2-stats.ts';
import type { Http2Stats } from '../telemetry/http2-stats.ts';
import type { Stats } from '../telemetry/stats.ts';
import type { ClusterBreaker } from './circuit-breaker.ts';
import { http1Opener, http2Opener } from './codec-opener.ts';
import type { ConnectionSettings, HttpProtocol } from './connection-settings.ts';
import type { Route } from './connector.ts';
import type { PoolMaker } from './endpoint.ts';
import { Http1Pool } from './http1-pool.ts';
import { Http2Pool } from './http2-pool.ts';
import type { Pool, PoolContext } from './pool.ts';

export interface PoolDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerWheel;
  readonly writes: WriteBatch;
  readonly stats: Stats;
}

/** The pools of one protocol, with what they share. */
class ProtocolPools implements PoolMaker {
  readonly protocol: HttpProtocol;
  readonly context: PoolContext;

  constructor(context: PoolContext) {
    this.protocol = context.protocol;
    this.context = context;
  }

  make(route: Route, stats: EndpointStats): Pool {
    const Kind = this.protocol === 'http2' ? Http2Pool : Http1Pool;
    return new Kind(route, this.context, stats);
  }
}

/** One object for each version of a cluster's connection settings. */
export class ClusterPools {
  readonly #settings: ConnectionSettings;
  readonly #breaker: ClusterBreaker;
  readonly #stats: ClusterStats;
  readonly #deps: PoolDeps;
  #http1: ProtocolPools | undefined = undefined;
  #http2: ProtocolPools | undefined = undefined;

  constructor(settings: ConnectionSettings, breaker: ClusterBreaker, stats: ClusterStats, deps: PoolDeps) {
    this.#settings = settings;
    this.#breaker = breaker;
    this.#stats = stats;
    this.#deps = deps;
  }

  /** `protocol` is the request's. */
  for(protocol: Protocol): ProtocolPools {
    const { protocol: configured } = this.#settings;
    const http2 = configured === 'http2' || (configured === 'downstream' && protocol === 'HTTP/2');
    return http2 ? (this.#http2 ??= this.#poolsOf('http2')) : (this.#http1 ??= this.#poolsOf('http1'));
  }

  #poolsOf(protocol: HttpProtocol): ProtocolPools {
    const settings = this.#settings;
    const { clock, random, timers, writes } = this.#deps;
    const openCodec = protocol === 'http2'
      ? http2Opener(settings, this.#counters(), { clock, random, timers, writes }) : http1Opener(settings, writes);
    return new ProtocolPools({
      settings, protocol, breaker: this.#breaker, stats: this.#stats, clock, timers, openCodec,
    });
  }

  #counters(): Http2Stats {
    return http2Stats(this.#deps.stats, this.#stats.scope, 'http2.');
  }
}
