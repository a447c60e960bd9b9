// From a Listener's configuration to its compiled chains; chains that did not change are kept with their connections.
import { ConfigError, messageOf, under } from '../base/error.ts';
import { OriginalSource } from '../base/original-source.ts';
import { SystemSockets } from '../base/system-socket.ts';
import { msOr } from '../config/duration.ts';
import { LIMITS } from '../config/limits.ts';
import { ORIGINAL_DST_TYPE, ORIGINAL_SRC_TYPE, PROXY_PROTOCOL_TYPE } from '../config/type-url.ts';
import type { FilterChain as ChainConfig, Listener as Config, OriginalSrc } from '../config/listener.ts';
import type { ProxyProtocol } from '../config/proxy-protocol.ts';
import type { PreparedFilter } from '../network/network-filter.ts';
import { ListenerStats } from '../telemetry/listener-stats.ts';
import { listenerScope } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Stats } from '../telemetry/stats.ts';
import type { ServerTlsContext } from '../tls/server-context.ts';
import { ChainMatcher, needsInspection } from './filter-chain-match.ts';
import type { CompiledChain, CompiledListener } from './compiled-listener.ts';
import { inspectionRules } from './inspection-rules.ts';
import type { PreparedListener } from './listener-set.ts';
import { servedHosts } from './served-host.ts';
import type { TlsChain } from './served-host.ts';
import { originalDestinations } from './original-destination.ts';
import { ProxyProtocolFilter } from './proxy-protocol.ts';

/**
 * What the composition root gives: how the parts of a chain are made. Errors are ConfigErrors below the chain's path.
 */
export interface ChainFactory {
  readonly stats: Stats;
  readonly workerIndex: number;
  filter(chain: ChainConfig, listener: Config): Promise<PreparedFilter>;
  tls(chain: ChainConfig, scope: string, stats: StatScope): ServerTlsContext | undefined;
}


interface KnownChain {
  readonly chain: CompiledChain;
  readonly filter: PreparedFilter;
}

/** Compiles listeners and remembers each one's chains, so that the same text gives the same chain again. */
export class ListenerCompiler {
  readonly #factory: ChainFactory;
  readonly #known = new Map<string, Map<string, KnownChain>>();
  #sockets: SystemSockets | undefined = undefined;

  constructor(factory: ChainFactory) {
    this.#factory = factory;
  }

  async compile(config: Config, name: string): Promise<PreparedListener> {
    const address = bindAddress(config);
    const scope = listenerScope(config.statPrefix ?? `${address.host}:${address.port}`);
    const before = this.#known.get(name) ?? new Map<string, KnownChain>();
    const after = new Map<string, KnownChain>();
    const matchers: ChainMatcher<CompiledChain>[] = [];
    const secure: TlsChain<CompiledChain>[] = [];
    for (const [i, chain] of (config.filterChains ?? []).entries()) {
      const known = await this.#chain(config, chain, `filterChains[${i}]`, before, after, scope);
      matchers.push(new ChainMatcher(known.chain, chain.filterChainMatch));
      if (known.chain.tls !== undefined) secure.push({ chain: known.chain, match: chain.filterChainMatch });
    }
    const fallback = config.defaultFilterChain === undefined ? undefined
      : await this.#chain(config, config.defaultFilterChain, 'defaultFilterChain', before, after, scope);
    if (fallback?.chain.tls !== undefined) secure.push({ chain: fallback.chain, match: undefined });
    this.#known.set(name, after);
    const compiled = {
      ...this.#listener(config, name, address, scope, matchers, fallback?.chain), served: servedHosts(secure),
    };
    return { compiled, missing: () => missingOf([...after.values()]) };
  }

  forget(name: string): void {
    this.#known.delete(name);
  }

  async #chain(
    config: Config,
    chain: ChainConfig,
    path: string,
    before: ReadonlyMap<string, KnownChain>,
    after: Map<string, KnownChain>,
    stats: StatScope,
  ): Promise<KnownChain> {
    const key =
      `${config.trafficDirection ?? ''} ${config.perConnectionBufferLimitBytes ?? ''} ${JSON.stringify(chain)}`;
    const known = before.get(key) ?? after.get(key) ?? (await this.#build(config, chain, path, stats));
    after.set(key, known);
    return known;
  }

  async #build(config: Config, chain: ChainConfig, path: string, stats: StatScope): Promise<KnownChain> {
    try {
      const filter = await this.#factory.filter(chain, config);
      const name = chain.name ?? '';
      const tls = this.#factory.tls(chain, `${config.name ?? ''}/${path}/${name}`, stats);
      const handshakeMs = msOr(chain.transportSocketConnectTimeout, 0) || LIMITS.tlsHandshakeTimeoutMs;
      return { filter, chain: { name, network: filter.filter, tls, handshakeMs } };
    } catch (cause) {
      throw under(path, cause);
    }
  }

  /** Made with the first listener that asks. */
  #systemSockets(field: string): SystemSockets {
    try {
      return this.#sockets ??= new SystemSockets();
    } catch (cause) {
      throw new ConfigError(field, messageOf(cause));
    }
  }

  #originalSource(config: Config): OriginalSource | undefined {
    const filter = filterOf(config, ORIGINAL_SRC_TYPE) as OriginalSrc | undefined;
    return filter && new OriginalSource(this.#systemSockets('listenerFilters'), filter.mark ?? 0);
  }

  #listener(
    config: Config,
    name: string,
    address: { readonly host: string; readonly port: number; readonly ipv6Only: boolean },
    scope: StatScope,
    matchers: readonly ChainMatcher<CompiledChain>[],
    defaultChain: CompiledChain | undefined,
  ): Omit<CompiledListener, 'served'> {
    const chainsAsk = (config.filterChains ?? []).some((chain) => needsInspection(chain.filterChainMatch));
    const { useOriginalDst = false, bindToPort = true, transparent = false } = config;
    const header = filterOf(config, PROXY_PROTOCOL_TYPE) as ProxyProtocol | undefined;
    const inspectTimeoutMs = msOr(config.listenerFiltersTimeout, LIMITS.inspectorTimeoutMs);
    const asks = useOriginalDst || hasFilter(config, ORIGINAL_DST_TYPE);
    return {
      name, ...address, binds: bindToPort, handsOn: useOriginalDst,
      findOriginal: asks ? originalDestinations(this.#systemSockets('useOriginalDst'), transparent) : undefined,
      transparent: transparent && bindToPort ? this.#systemSockets('transparent') : undefined,
      originalSource: this.#originalSource(config),
      inbound: config.trafficDirection === 'INBOUND', matchers, defaultChain,
      inspectsAt: inspectionRules(config, chainsAsk),
      backlog: config.tcpBacklogSize ?? 511,
      inspectTimeoutMs,
      proxyProtocol: header && new ProxyProtocolFilter(header, this.#factory.stats),
      proxyHeaderTimeoutMs: Math.min(LIMITS.proxyHeaderTimeoutMs, inspectTimeoutMs || Infinity),
      continueOnInspectTimeout: config.continueOnListenerFiltersTimeout ?? false,
      connectionsMax: LIMITS.listenerConnectionsMax,
      stats: new ListenerStats(this.#factory.stats, scope, this.#factory.workerIndex),
    };
  }
}

function hasFilter(config: Config, type: string): boolean {
  return filterOf(config, type) !== undefined;
}

function filterOf({ listenerFilters = [] }: Config, type: string): unknown {
  return listenerFilters.find(({ typedConfig }) => typedConfig['@type'] === type)?.typedConfig;
}

function missingOf(chains: readonly KnownChain[]): string[] {
  return chains.flatMap(({ chain, filter }) => [
    ...filter.missing(),
    ...(chain.tls === undefined || chain.tls.ready ? [] : chain.tls.missingSecrets()),
  ]);
}

function bindAddress(config: Config): { host: string; port: number; ipv6Only: boolean } {
  const socketAddress = config.address.socketAddress;
  if (socketAddress === undefined) {
    throw new ConfigError('address', 'a listener needs a socket_address; pipes are not supported');
  }
  const ipv6Only = socketAddress.address.includes(':') && socketAddress.ipv4Compat !== true;
  return { host: socketAddress.address, port: socketAddress.portValue ?? 0, ipv6Only };
}
