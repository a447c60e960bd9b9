// Makes the filters of a filter chain from their configuration, with what they need of the worker.
import { ConfigError, under } from '../base/error.ts';
import type { NamedCounts } from '../base/named-counts.ts';
import type { SharedBuckets } from '../base/shared-buckets.ts';
import { msOr } from '../config/duration.ts';
import { LIMITS } from '../config/limits.ts';
import type { HttpConnectionManager as HttpConfig } from '../config/http-connection-manager.ts';
import type {
  FilterChain as ChainConfig, Listener as ListenerConfig, NetworkFilter as FilterConfig,
} from '../config/listener.ts';
import type { ConnectionLimit as LimitConfig, NetworkRateLimit } from '../config/network-limit.ts';
import type { NetworkRBAC } from '../config/rbac.ts';
import type { TcpProxy as TcpConfig } from '../config/tcp-proxy.ts';
import {
  CONNECTION_LIMIT_TYPE, HTTP_CONNECTION_MANAGER_TYPE, NETWORK_RATE_LIMIT_TYPE, NETWORK_RBAC_TYPE, TCP_PROXY_TYPE,
} from '../config/type-url.ts';
import type { HttpFilter } from '../filter/filter.ts';
import { RouteTableRef } from '../route/route-tables.ts';
import type { RouteTables } from '../route/route-tables.ts';
import type { RouteTable } from '../route/route-table.ts';
import type { RouteConfiguration } from '../config/route.ts';
import type { LogType } from '../telemetry/access-log-filter.ts';
import type { AccessLogs } from '../telemetry/access-log.ts';
import type { AccessDecisions } from '../telemetry/decision-sink.ts';
import { TcpStats, tcpScope } from '../telemetry/tcp-stats.ts';
import type { Tracer } from '../telemetry/tracing.ts';
import type { ClusterSet } from '../upstream/upstream.ts';
import { ConnectionLimit, ConnectionRateLimit } from './connection-limit.ts';
import { ConnectionRbac } from './connection-rbac.ts';
import { GatedFilter } from './gated-filter.ts';
import { HttpConnectionManager } from './http-connection-manager.ts';
import type { HttpManagerDeps } from './http-manager-compile.ts';
import { compileHttpManager } from './http-manager-compile.ts';
import type { PreparedFilter } from './network-filter.ts';
import type { NetworkGate } from './network-gate.ts';
import { TcpProxy } from './tcp-proxy.ts';
import { TcpCarriage } from './tcp-carriage.ts';
import { compileTcpClusters } from './tcp-cluster-pick.ts';

/** Parts that the composition root makes, since they reach across layers or load modules. */
export interface NetworkFilterDeps extends HttpManagerDeps {
  readonly clusters: ClusterSet;
  readonly routes: RouteTables;
  /** `owner` names a chain among all, here and below: state that outlives it is found by that. */
  compileRoutes(config: RouteConfiguration, owner: string): Promise<RouteTable>;
  compileFilters(config: HttpConfig, listener: ListenerConfig, owner: string): Promise<readonly HttpFilter[]>;
  compileAccessLogs(config: HttpConfig['accessLog'], type: LogType): AccessLogs | undefined;
  compileTracer(config: HttpConfig, listener: ListenerConfig): Tracer | undefined;
  readonly buckets: SharedBuckets;
  readonly counts: NamedCounts;
  readonly decisions: AccessDecisions;
}

const NOTHING_MISSING = (): readonly string[] => [];

export class NetworkFilters {
  readonly #deps: NetworkFilterDeps;

  constructor(deps: NetworkFilterDeps) {
    this.#deps = deps;
  }

  /** Rejects with a ConfigError below the chain's path. */
  async prepare(chain: ChainConfig, listener: ListenerConfig): Promise<PreparedFilter> {
    const filters = chain.filters ?? [];
    const last = filters.at(-1);
    if (last === undefined) {
      throw new ConfigError('filters', 'a chain without filters would close every connection; remove it instead');
    }
    const owner = ownerOf(chain, listener);
    const gates = filters.slice(0, -1).map((filter, at) => this.#gate(filter, owner, `filters[${at}].typedConfig`));
    const prepared = await this.#last(last, listener, owner, `filters[${filters.length - 1}].typedConfig`);
    if (gates.length === 0) return prepared;
    return { ...prepared, filter: new GatedFilter(gates, prepared.filter, this.#deps.timers) };
  }

  async #last(
    { typedConfig: config }: FilterConfig, listener: ListenerConfig, owner: string, path: string,
  ): Promise<PreparedFilter> {
    try {
      if (config['@type'] === HTTP_CONNECTION_MANAGER_TYPE) {
        return await this.#http(config as HttpConfig, listener, owner);
      }
      if (config['@type'] === TCP_PROXY_TYPE) return this.#tcp(config as TcpConfig);
    } catch (cause) {
      throw under(path, cause);
    }
    throw new ConfigError(path, 'does not end a chain: use http_connection_manager or tcp_proxy');
  }

  #gate({ name, typedConfig: config }: FilterConfig, owner: string, path: string): NetworkGate {
    const { stats, buckets, counts } = this.#deps;
    switch (config['@type']) {
      case NETWORK_RBAC_TYPE: return new ConnectionRbac(name, config as NetworkRBAC, this.#deps, path);
      case CONNECTION_LIMIT_TYPE: return new ConnectionLimit(name, config as LimitConfig, counts, stats, owner);
      case NETWORK_RATE_LIMIT_TYPE:
        return new ConnectionRateLimit(name, config as NetworkRateLimit, buckets, stats, owner, path);
      default: throw new ConfigError(path, 'ends a chain, and is not the last of this one');
    }
  }

  async #http(config: HttpConfig, listener: ListenerConfig, owner: string): Promise<PreparedFilter> {
    const deps = this.#deps;
    const routes = await this.#routesOf(config, owner);
    const settings = compileHttpManager(config, {
      routes,
      filters: await deps.compileFilters(config, listener, owner),
      accessLogs: deps.compileAccessLogs(config.accessLog, 'DownstreamEnd'),
      tracer: deps.compileTracer(config, listener),
      outbound: listener.trafficDirection === 'OUTBOUND',
      bufferBytesMax: listener.perConnectionBufferLimitBytes ?? LIMITS.connectionBufferBytes,
    }, deps);
    return {
      filter: new HttpConnectionManager(settings),
      missing: () => (routes.current === undefined ? [`route ${routes.name}`] : []),
    };
  }

  async #routesOf({ routeConfig, rds }: HttpConfig, owner: string): Promise<RouteTableRef> {
    if (routeConfig === undefined) return this.#deps.routes.ref(rds!.routeConfigName);
    if (routeConfig.vhds !== undefined) {
      throw new ConfigError('routeConfig.vhds', 'belongs to tables that come by rds');
    }
    try {
      return new RouteTableRef(routeConfig.name ?? '', await this.#deps.compileRoutes(routeConfig, owner));
    } catch (cause) {
      throw under('routeConfig', cause);
    }
  }

  #tcp(config: TcpConfig): PreparedFilter {
    const deps = this.#deps;
    const accessLogs = deps.compileAccessLogs(config.accessLog, 'TcpConnectionEnd');
    const filter = new TcpProxy({
      name: config.statPrefix, clusters: deps.clusters, clock: deps.clock, random: deps.random, timers: deps.timers,
      stats: new TcpStats(deps.stats, tcpScope(config.statPrefix)),
      pickCluster: compileTcpClusters(config),
      idleTimeoutMs: msOr(config.idleTimeout, LIMITS.idleTimeoutMs),
      maxDurationMs: msOr(config.maxDownstreamConnectionDuration, 0),
      maxConnectAttempts: config.maxConnectAttempts ?? 1,
      carriage: config.tunnelingConfig && new TcpCarriage(config.tunnelingConfig, 'tunnelingConfig'),
      hashesSourceIp: config.hashPolicy?.[0]?.sourceIp !== undefined,
      onConnectionEnd: (info) => accessLogs?.write(info),
    });
    return { filter, missing: NOTHING_MISSING };
  }
}

/** The same in every worker. */
function ownerOf(chain: ChainConfig, { name, address, filterChains = [] }: ListenerConfig): string {
  return `${name ?? JSON.stringify(address)}/${chain.name ?? filterChains.indexOf(chain)}`;
}
