// Makes the terminal filter of a filter chain from its configuration, with what it needs of the worker.
import { ConfigError, under } from '../base/error.ts';
import { msOr } from '../config/duration.ts';
import { LIMITS } from '../config/limits.ts';
import type { HttpConnectionManager as HttpConfig } from '../config/http-connection-manager.ts';
import type { FilterChain as ChainConfig, Listener as ListenerConfig } from '../config/listener.ts';
import type { TcpProxy as TcpConfig } from '../config/tcp-proxy.ts';
import { HTTP_CONNECTION_MANAGER_TYPE, TCP_PROXY_TYPE } from '../config/type-url.ts';
import type { HttpFilter } from '../filter/filter.ts';
import { RouteTableRef } from '../route/route-tables.ts';
import type { RouteTables } from '../route/route-tables.ts';
import type { RouteTable } from '../route/route-table.ts';
import type { RouteConfiguration } from '../config/route.ts';
import type { LogType } from '../telemetry/access-log-filter.ts';
import type { AccessLogs } from '../telemetry/access-log.ts';
import { TcpStats, tcpScope } from '../telemetry/tcp-stats.ts';
import type { Tracer } from '../telemetry/tracing.ts';
import type { ClusterSet } from '../upstream/upstream.ts';
import { HttpConnectionManager } from './http-connection-manager.ts';
import type { HttpManagerDeps } from './http-manager-compile.ts';
import { compileHttpManager } from './http-manager-compile.ts';
import type { PreparedFilter } from './network-filter.ts';
import { TcpProxy } from './tcp-proxy.ts';
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
    if (filters.length > 1) {
      throw new ConfigError('filters[0]', 'network filters before the last one are not supported');
    }
    const path = 'filters[0].typedConfig';
    try {
      const config = last.typedConfig;
      if (config['@type'] === HTTP_CONNECTION_MANAGER_TYPE) {
        return await this.#http(config as HttpConfig, listener, ownerOf(chain, listener));
      }
      if (config['@type'] === TCP_PROXY_TYPE) return this.#tcp(config as TcpConfig);
    } catch (cause) {
      throw under(path, cause);
    }
    throw new ConfigError(path, 'does not end a chain: use http_connection_manager or tcp_proxy');
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
