// Accepts connections on one address, finds each one's filter chain, and hands it, decrypted if
// need be, to a network filter.
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { joinHostPort } from '../base/host-port.ts';
import { PlaceSet } from '../base/place-set.ts';
import { openTransport } from '../base/socket-transport.ts';
import type { TimerWheel } from '../base/timers.ts';
import { LIMITS } from '../config/limits.ts';
import type { NetworkConnection, NetworkFilter } from '../network/network-filter.ts';
import type { ServedHosts, TlsInfo } from '../telemetry/stream-info.ts';
import type { ListenerStats } from '../telemetry/listener-stats.ts';
import type { ServerTlsContext } from '../tls/server-context.ts';
import { acceptTls } from '../tls/accept-tls.ts';
import { CertificateLife } from '../tls/certificate-life.ts';
import { connectionInfo, factsOf } from './connection-facts.ts';
import type { Arrival, ConnectionFacts } from './connection-facts.ts';
import type { ChainMatcher } from './filter-chain-match.ts';
import { matchChain } from './filter-chain-match.ts';
import { FirstBytes } from './first-bytes.ts';
import type { FirstBytesEnd } from './first-bytes.ts';
import type { FindOriginalDestination, OriginalDestination } from './original-destination.ts';
import { ProtocolReader } from './protocol-detect.ts';
import type { Detection, Inspects } from './protocol-detect.ts';
import type { HeaderEnd, ProxyProtocolFilter } from './proxy-protocol.ts';
import type { ClientHello } from './tls-inspector.ts';

/** A filter chain ready for connections. */
export interface CompiledChain {
  readonly name: string;
  readonly network: NetworkFilter;
  readonly tls: ServerTlsContext | undefined;
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
  readonly inspects: Inspects | undefined;
  /** Bound on that look; 0 waits for ever (as Istio asks). */
  readonly inspectTimeoutMs: number;
  readonly continueOnInspectTimeout: boolean;
  /** Downstream connections of this worker on this listener; more are closed at once. */
  readonly connectionsMax: number;
  readonly stats: ListenerStats;
}

/** What listeners share in a worker. */
export interface ListenerHost {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  /** Several threads bind the same port and the kernel spreads connections; false where the system cannot. */
  readonly reusePort: boolean;
  nextConnectionId(): number;
  /** For the log, at debug level: a scanner must not fill it. */
  onHandshakeFailure(listener: string, peerIp: string, reason: string): void;
}

const NO_HELLO: ClientHello = { serverName: undefined, alpn: [] };

/** A connection with the chain that took it; undefined until the chain has. */
interface HeldConnection {
  connection: NetworkConnection | undefined;
  readonly chain: CompiledChain;
  place: number;
}

/** The listener of an address that redirected connections wanted. */
export type FindListener = (wanted: OriginalDestination) => Listener | undefined;

/** One address. `replace` changes what new connections meet; connections that exist keep what they have. */
export class Listener {
  readonly #host: ListenerHost;
  readonly #find: FindListener;
  #compiled: CompiledListener;
  #server: Server | undefined = undefined;
  readonly #connections = new PlaceSet<HeldConnection>();
  /** Connections that are looked into, or shake hands: they count as connections do. */
  #pending = 0;
  #draining = false;
  #onEmpty: (() => void) | undefined = undefined;

  constructor(compiled: CompiledListener, host: ListenerHost, find: FindListener) {
    this.#compiled = compiled;
    this.#host = host;
    this.#find = find;
  }

  get name(): string {
    return this.#compiled.name;
  }

  get inbound(): boolean {
    return this.#compiled.inbound;
  }

  /** Those that are no further than their first bytes, or shake hands, included. */
  get connections(): number {
    return this.#connections.size + this.#pending;
  }

  /** `host:port`, as configured. */
  get address(): string {
    return joinHostPort(this.#compiled.host, this.#compiled.port);
  }

  get ipv6Only(): boolean {
    return this.#compiled.ipv6Only;
  }

  sameAddress(compiled: CompiledListener): boolean {
    const { host, port, binds } = this.#compiled;
    return compiled.host === host && compiled.port === port && compiled.binds === binds;
  }

  /** Binds, if it does; resolves with the port (the system's choice for port 0), rejects with Node's error. */
  async listen(): Promise<number> {
    if (!this.#compiled.binds) return this.#compiled.port;
    const options = { allowHalfOpen: true, noDelay: true, highWaterMark: LIMITS.readBytesMin };
    const server = createServer(options, (socket) => this.#onConnection(socket));
    this.#server = server;
    const { host, port, backlog, ipv6Only } = this.#compiled;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog, ipv6Only, reusePort: this.#host.reusePort }, () => {
        server.removeListener('error', reject);
        // Accept errors (EMFILE) pass: libuv tries again, and the listener stays.
        server.on('error', () => this.#compiled.stats.acceptErrors.inc());
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** New connections meet the new chains; those on a chain that is gone finish their requests and close. */
  replace(compiled: CompiledListener): void {
    const kept = new Set([...compiled.matchers.map(({ chain }) => chain), compiled.defaultChain]);
    this.#compiled = compiled;
    for (const { connection, chain } of this.#connections.all()) if (!kept.has(chain)) connection?.drain();
  }

  /** Every connection is told to finish; new ones are still taken, and told so with their first response. */
  drain(): void {
    this.#draining = true;
    for (const { connection } of this.#connections.all()) connection?.drain();
  }

  undrain(): void {
    this.#draining = false;
  }

  /** Stops accepting. Connections live on. */
  stop(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  /** Stops accepting and lets what is there finish; `onEmpty` is called when the last connection is gone. */
  retire(onEmpty: () => void): void {
    this.#onEmpty = onEmpty;
    this.stop();
    this.drain();
    if (this.#connections.size === 0) onEmpty();
  }

  /** Ends everything at once. */
  destroy(): void {
    this.stop();
    for (const { connection } of this.#connections.all()) connection?.destroy();
  }

  #onConnection(socket: Socket): void {
    const { findOriginal, handsOn } = this.#compiled;
    if (socket.remoteAddress === undefined || socket.localAddress === undefined) {
      this.#count();
      socket.destroy();
      return;
    }
    const original = findOriginal?.(socket);
    const owner = handsOn && original !== undefined ? this.#find(original) : undefined;
    (owner ?? this).#take(socket, original);
  }

  #count(): void {
    const { stats } = this.#compiled;
    stats.connectionsTotal.inc();
    stats.workerConnectionsTotal.inc();
  }

  #take(socket: Socket, original: OriginalDestination | undefined): void {
    const { stats, connectionsMax, proxyProtocol } = this.#compiled;
    this.#count();
    if (this.connections >= connectionsMax) {
      stats.connectionOverflow.inc();
      socket.destroy();
      return;
    }
    if (proxyProtocol !== undefined) this.#readProxyHeader(socket, original, proxyProtocol);
    else this.#look(socket, { original, proxied: undefined });
  }

  #readProxyHeader(socket: Socket, original: OriginalDestination | undefined, filter: ProxyProtocolFilter): void {
    const { proxyHeaderTimeoutMs, continueOnInspectTimeout, stats } = this.#compiled;
    const reader = filter.reader();
    this.#pending++;
    const onEnd = (end: FirstBytesEnd<HeaderEnd>): void => {
      this.#pending--;
      if (end === 'closed') return;
      if (end === 'timeout') stats.inspectTimeout.inc();
      const header = filter.judge(end, reader, continueOnInspectTimeout);
      if (header === 'refused') socket.destroy();
      else if (header === 'none') this.#look(socket, { original, proxied: undefined });
      else {
        const { addresses } = header;
        const [metadata, tlvs] = [filter.metadataOf(header), filter.passedTlvs(header)];
        this.#look(socket, { original, proxied: { addresses, metadata, tlvs } });
      }
    };
    new FirstBytes(socket, this.#host.timers, reader, onEnd).start(proxyHeaderTimeoutMs);
  }

  #look(socket: Socket, arrival: Arrival): void {
    const { inspects, inspectTimeoutMs } = this.#compiled;
    if (inspects === undefined) {
      this.#choose(socket, factsOf(socket, arrival, NO_HELLO, 'raw_buffer'));
      return;
    }
    this.#pending++;
    const onEnd = (result: FirstBytesEnd<Detection>): void => {
      this.#pending--;
      this.#onInspected(socket, arrival, result);
    };
    new FirstBytes(socket, this.#host.timers, new ProtocolReader(inspects), onEnd).start(inspectTimeoutMs);
  }

  #onInspected(socket: Socket, arrival: Arrival, result: FirstBytesEnd<Detection>): void {
    const { stats, continueOnInspectTimeout } = this.#compiled;
    if (result === 'closed') return;
    if (result === 'timeout') stats.inspectTimeout.inc();
    if (result === 'malformed' || (result === 'timeout' && !continueOnInspectTimeout)) socket.destroy();
    else if (typeof result === 'string') this.#choose(socket, factsOf(socket, arrival, NO_HELLO, 'raw_buffer'));
    else if ('alpn' in result) this.#choose(socket, factsOf(socket, arrival, result, 'tls'));
    else this.#choose(socket, factsOf(socket, arrival, { serverName: undefined, alpn: result }, 'raw_buffer'));
  }

  #choose(socket: Socket, facts: ConnectionFacts): void {
    const { matchers, defaultChain, stats } = this.#compiled;
    const chain = matchers.length === 0 ? defaultChain : (matchChain(matchers, facts) ?? defaultChain);
    if (chain === undefined) {
      stats.noFilterChainMatch.inc();
      socket.destroy();
      return;
    }
    if (chain.tls === undefined) this.#accept(socket, chain, facts, undefined);
    else this.#secure(socket, chain, chain.tls, facts);
  }

  #secure(socket: Socket, chain: CompiledChain, context: ServerTlsContext, facts: ConnectionFacts): void {
    let waits = true;
    const settle = (): void => {
      if (waits) this.#pending--;
      waits = false;
    };
    this.#pending++;
    const onSecure = (secure: Socket, tls: TlsInfo): void => {
      settle();
      this.#accept(secure, chain, facts, tls);
    };
    const onFailure = (reason: string): void => {
      settle();
      this.#host.onHandshakeFailure(this.name, facts.sourceIp, reason);
    };
    acceptTls(
      socket, context, onSecure, onFailure, facts.transportProtocol === 'tls' ? { offeredAlpn: facts.alpn } : {},
    );
  }

  #accept(socket: Socket, chain: CompiledChain, facts: ConnectionFacts, tls: TlsInfo | undefined): void {
    const { stats, served, name } = this.#compiled;
    const place = { listener: name, name: chain.name, servedHosts: served.get(chain) };
    const info = connectionInfo(this.#host.nextConnectionId(), place, facts, tls, socket);
    const startMs = this.#host.clock.nowMs();
    stats.connectionsActive.inc();
    stats.workerConnectionsActive.inc();
    const held: HeldConnection = { connection: undefined, chain, place: -1 };
    this.#connections.add(held);
    const life = this.#lifeOf(held, tls);
    held.connection = chain.network.accept(openTransport(socket), info, () => {
      life?.close();
      stats.connectionsActive.dec();
      stats.workerConnectionsActive.dec();
      stats.connectionsClosed.inc();
      stats.connectionLengthMs.record(this.#host.clock.nowMs() - startMs);
      this.#connections.delete(held);
      if (this.#connections.size === 0) this.#onEmpty?.();
    });
    if (this.#draining) held.connection.drain();
  }

  /** Of a connection whose client was verified. */
  #lifeOf(held: HeldConnection, tls: TlsInfo | undefined): CertificateLife | undefined {
    const endMs = tls?.endMs;
    if (endMs === undefined) return undefined;
    const stats = held.chain.tls?.deps.stats;
    const mortal = {
      drain: () => held.connection?.drain(),
      expire: () => {
        stats?.connectionExpired.inc();
        held.connection?.destroy();
      },
    };
    return new CertificateLife(mortal, { ...tls, endMs }, this.#host.timers, this.#host.clock);
  }
}
