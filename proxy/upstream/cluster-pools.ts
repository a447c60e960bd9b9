// Makes a cluster's pools, of the protocol that a request needs.
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { WriteBatch } from '../base/write-batch.ts';
import type { Protocol, UpstreamAlpn } from '../http/message.ts';
import type { ClusterStats, EndpointStats } from '../telemetry/cluster-stats.ts';
import { http2Stats } from '../telemetry/http2-stats.ts';
import type { Http2Stats } from '../telemetry/http2-stats.ts';
import type { Stats } from '../telemetry/stats.ts';
import type { ClusterBreaker, RequestPriority } from './circuit-breaker.ts';
import { ALPN, AlpnPool } from './alpn-pool.ts';
import { http1Opener, http2Opener } from './codec-opener.ts';
import type { OpenCodec } from './codec-opener.ts';
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

/** Makes pools, and has what they share. */
export interface ClusterPoolMaker extends PoolMaker {
  readonly context: PoolContext;
}

/** The pools of one protocol. */
class ProtocolPools implements ClusterPoolMaker {
  readonly key: string;
  readonly context: PoolContext;

  readonly #alpn: readonly string[];
  readonly #overridesAlpn: boolean;

  constructor(priority: RequestPriority, context: PoolContext, alpn: readonly string[] = []) {
    this.key = `${context.protocol} ${priority} ${alpn.join(',')}`;
    this.context = context;
    this.#overridesAlpn = alpn.length > 0;
    this.#alpn = this.#overridesAlpn ? alpn : [ALPN[context.protocol]];
  }

  make(route: Route, stats: EndpointStats): Pool {
    const { protocol } = this.context;
    const Kind = protocol === 'http2' ? Http2Pool : Http1Pool;
    return new Kind({ ...route, alpn: this.#alpn, overridesAlpn: this.#overridesAlpn }, this.context, stats);
  }
}

/** The pools of both, for servers that choose. */
class AlpnPools implements ClusterPoolMaker {
  readonly key: string;
  readonly context: PoolContext;
  readonly #http1: PoolContext;

  constructor(priority: RequestPriority, http1: PoolContext, http2: PoolContext) {
    this.key = `alpn ${priority}`;
    this.context = http2;
    this.#http1 = http1;
  }

  make(route: Route, stats: EndpointStats): Pool {
    return new AlpnPool({ ...route, alpn: [ALPN.http2, ALPN.http1] }, this.#http1, this.context, stats);
  }
}

/** One object for each priority, with a breaker of its own, and each version of a cluster's connection settings. */
export class ClusterPools {
  readonly priority: RequestPriority;
  readonly breaker: ClusterBreaker;
  readonly #settings: ConnectionSettings;
  readonly #stats: ClusterStats;
  readonly #deps: PoolDeps;
  #http1: ProtocolPools | undefined = undefined;
  #http2: ProtocolPools | undefined = undefined;
  #alpn: AlpnPools | undefined = undefined;
  /** By key of their ALPN and protocol. */
  #overriding: Map<string, ProtocolPools> | undefined = undefined;

  constructor(
    settings: ConnectionSettings, priority: RequestPriority, breaker: ClusterBreaker, stats: ClusterStats,
    deps: PoolDeps,
  ) {
    this.priority = priority;
    this.breaker = breaker;
    this.#settings = settings;
    this.#stats = stats;
    this.#deps = deps;
  }

  /** `protocol` and `alpn` are the request's. */
  for(protocol: Protocol, alpn?: UpstreamAlpn): ClusterPoolMaker {
    const { protocol: configured, keepsAlpn } = this.#settings;
    if (configured === 'alpn') {
      return (this.#alpn ??= new AlpnPools(this.priority, this.#contextOf('http1'), this.#contextOf('http2')));
    }
    const http2 = configured === 'http2' || (configured === 'downstream' && protocol === 'HTTP/2');
    if (alpn !== undefined && !keepsAlpn) return this.#withAlpn(http2 ? 'http2' : 'http1', alpn);
    return http2 ? (this.#http2 ??= new ProtocolPools(this.priority, this.#contextOf('http2')))
      : (this.#http1 ??= new ProtocolPools(this.priority, this.#contextOf('http1')));
  }

  #withAlpn(protocol: HttpProtocol, alpn: UpstreamAlpn): ProtocolPools {
    const pools = this.#overriding ??= new Map<string, ProtocolPools>();
    const key = protocol === 'http2' ? `2 ${alpn.key}` : alpn.key;
    let found = pools.get(key);
    if (found === undefined) {
      found = new ProtocolPools(this.priority, this.#contextOf(protocol), alpn[protocol]);
      pools.set(key, found);
    }
    return found;
  }

  /** For connections beside the pools. */
  openCodec(protocol: HttpProtocol): OpenCodec {
    return this.#contextOf(protocol).openCodec;
  }

  #contextOf(protocol: HttpProtocol): PoolContext {
    const settings = this.#settings;
    const { clock, random, timers, writes } = this.#deps;
    const openCodec = protocol === 'http2'
      ? http2Opener(settings, this.#counters(), { clock, random, timers, writes }) : http1Opener(settings, writes);
    return { settings, protocol, breaker: this.breaker, stats: this.#stats, clock, timers, openCodec };
  }

  #counters(): Http2Stats {
    return http2Stats(this.#deps.stats, this.#stats.scope, 'http2.');
  }
}
