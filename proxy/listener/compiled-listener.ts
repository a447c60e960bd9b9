// A listener's configuration when it is ready for connections.
import type { OriginalSource } from '../base/original-source.ts';
import type { SystemSockets } from '../base/system-socket.ts';
import type { NetworkFilter } from '../network/network-filter.ts';
import type { ListenerStats } from '../telemetry/listener-stats.ts';
import type { ServedHosts } from '../telemetry/stream-info.ts';
import type { ServerTlsContext } from '../tls/server-context.ts';
import type { ChainMatcher } from './filter-chain-match.ts';
import type { FindOriginalDestination } from './original-destination.ts';
import type { InspectsAt } from './inspection-rules.ts';
import type { ProxyProtocolFilter } from './proxy-protocol.ts';

/** A filter chain ready for connections. */
export interface CompiledChain {
  readonly name: string;
  readonly network: NetworkFilter;
  readonly tls: ServerTlsContext | undefined;
  /** Bound on its handshake. */
  readonly handshakeMs: number;
}

/** A listener's configuration, compiled; replaced as a whole. */
export interface CompiledListener {
  readonly name: string;
  /** traffic_direction INBOUND. */
  readonly inbound: boolean;
  readonly host: string;
  readonly port: number;
  /** False: it gets connections only from a listener that hands them on (bind_to_port). */
  readonly binds: boolean;
  /** How it sees where redirected connections wanted to go; undefined: it does not ask. */
  readonly findOriginal: FindOriginalDestination | undefined;
  /** It takes connections to other hosts' addresses (transparent), by sockets that these make. */
  readonly transparent: SystemSockets | undefined;
  /** Its requests leave from their clients' addresses (the filter original_src). */
  readonly originalSource: OriginalSource | undefined;
  /** Redirected connections go to the listener of the address that they wanted, if there is one (use_original_dst). */
  readonly handsOn: boolean;
  /** An IPv6 address that takes no IPv4 connections (the opposite of ipv4_compat). */
  readonly ipv6Only: boolean;
  readonly matchers: readonly ChainMatcher<CompiledChain>[];
  readonly defaultChain: CompiledChain | undefined;
  /** Hosts of chains that SNI tells apart; those that are not in it serve any. */
  readonly served: ReadonlyMap<CompiledChain, ServedHosts>;
  /** Connections that the kernel holds before they are accepted. */
  readonly backlog: number;
  /** Whose connections begin with a header of the PROXY protocol; undefined: nobody's. */
  readonly proxyProtocol: ProxyProtocolFilter | undefined;
  /** Bound on the wait for that. */
  readonly proxyHeaderTimeoutMs: number;
  /** What is looked for in the first bytes before a chain is chosen; undefined: they are not waited for. */
  readonly inspectsAt: InspectsAt | undefined;
  /** Bound on that look; 0 waits for ever (as Istio asks). */
  readonly inspectTimeoutMs: number;
  readonly continueOnInspectTimeout: boolean;
  /** Downstream connections of this worker on this listener; more are closed at once. */
  readonly connectionsMax: number;
  readonly stats: ListenerStats;
}
