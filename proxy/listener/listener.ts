// Accepts connections on one address, finds each one's filter chain, and hands it, decrypted if
// need be, to a network filter.
import type { ListenOptions, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { joinHostPort } from '../base/host-port.ts';
import { PlaceSet } from '../base/place-set.ts';
import { openTransport } from '../base/socket-transport.ts';
import type { BindAddress } from '../base/system-socket.ts';
import type { TimerWheel } from '../base/timers.ts';
import { LIMITS } from '../config/limits.ts';
import type { NetworkConnection } from '../network/network-filter.ts';
import type { ConnectionInfo, TlsInfo } from '../telemetry/stream-info.ts';
import type { ServerTlsContext } from '../tls/server-context.ts';
import { acceptTls } from '../tls/accept-tls.ts';
import { CertificateLife } from '../tls/certificate-life.ts';
import { connectionInfo, factsOf } from './connection-facts.ts';
import type { Arrival, ConnectionFacts } from './connection-facts.ts';
import type { CompiledChain, CompiledListener } from './compiled-listener.ts';
import type { EarlyTransport } from './early-connection.ts';
import { FirstBytes } from './first-bytes.ts';
import type { FirstBytesEnd } from './first-bytes.ts';
import { chainFor, Inspection, NO_HELLO } from './inspection.ts';
import type { EarlyHold, InspectionOwner } from './inspection.ts';
import type { OriginalDestination } from './original-destination.ts';
import type { HeaderEnd, ProxyProtocolFilter } from './proxy-protocol.ts';
import type { ConnectionPlaces } from './connection-places.ts';
import type { ServerFirstMemory } from './server-first.ts';

/** What listeners share in a worker. */
export interface ListenerHost {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly serverFirst: ServerFirstMemory;
  readonly places: ConnectionPlaces;
  /** Several threads bind the same port and the kernel spreads connections; false where the system cannot. */
  readonly reusePort: boolean;
  /** Throws where nobody could listen; undefined where that cannot be asked. */
  readonly tryBind?: ((place: BindAddress) => void) | undefined;
  /** Sockets that another process listened on at `host:port`, once: they are used in place of new ones. */
  inherit?(address: string): readonly number[];
  nextConnectionId(): number;
  /** For the log, at debug level: a scanner must not fill it. */
  onHandshakeFailure(listener: string, peerIp: string, reason: string): void;
}

function chainsOf({ matchers, defaultChain }: CompiledListener): ReadonlySet<CompiledChain> {
  const chains = matchers.map(({ chain }) => chain);
  return new Set(defaultChain === undefined ? chains : [...chains, defaultChain]);
}

/** A connection with the chain that took it; undefined until the chain has. */
interface HeldConnection {
  connection: NetworkConnection | undefined;
  readonly chain: CompiledChain;
  /** -1 while it does not count. */
  place: number;
  close(): void;
}

/** The listener of an address that redirected connections wanted. */
export type FindListener = (wanted: OriginalDestination) => Listener | undefined;

/** One address. `replace` changes what new connections meet; connections that exist keep what they have. */
export class Listener implements InspectionOwner {
  readonly #host: ListenerHost;
  readonly #find: FindListener;
  #compiled: CompiledListener;
  #chains: ReadonlySet<CompiledChain>;
  #servers: Server[] = [];
  readonly #connections = new PlaceSet<HeldConnection>();
  /** Connections that are looked into, or shake hands: they count as connections do. */
  #pending = 0;
  #draining = false;
  #onEmpty: (() => void) | undefined = undefined;

  constructor(compiled: CompiledListener, host: ListenerHost, find: FindListener) {
    this.#compiled = compiled;
    this.#chains = chainsOf(compiled);
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
    const { host, port, binds, transparent } = this.#compiled;
    return compiled.host === host && compiled.port === port && compiled.binds === binds
      && compiled.transparent === transparent;
  }

  /** Binds, if it does; resolves with the port (the system's choice for port 0), rejects with Node's error. */
  async listen(): Promise<number> {
    if (!this.#compiled.binds) return this.#compiled.port;
    const { host, port, backlog, ipv6Only, transparent } = this.#compiled;
    const inherited = this.#host.inherit?.(this.address) ?? [];
    if (inherited.length === 0) {
      const place = { host, port, ipv6Only, reusePort: this.#host.reusePort };
      return this.#open({ ...(transparent ? { fd: transparent.bindTransparent(place) } : place), backlog });
    }
    const ports = await Promise.all(inherited.map((fd) => this.#open({ fd, backlog })));
    return ports[0]!;
  }

  #open(place: ListenOptions & { readonly fd?: number }): Promise<number> {
    const options = { allowHalfOpen: true, noDelay: true, highWaterMark: LIMITS.readBytesMin };
    const server = createServer(options, (socket) => this.#onConnection(socket));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(place, () => {
        server.removeListener('error', reject);
        // Accept errors (EMFILE) pass: libuv tries again, and the listener stays.
        server.on('error', (cause) => {
          this.#compiled.stats.acceptErrors.inc();
          this.#host.places.onAcceptError(this.name, cause);
        });
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  }

  /** New connections meet the new chains; those on a chain that is gone finish their requests and close. */
  replace(compiled: CompiledListener): void {
    this.#compiled = compiled;
    this.#chains = chainsOf(compiled);
    for (const { connection, chain } of this.#connections.all()) if (!this.#chains.has(chain)) connection?.drain();
  }

  /** The system's numbers of the sockets that it listens on, to hand them over. */
  get descriptors(): readonly number[] {
    return this.#servers.flatMap((server) => {
      const { _handle: handle } = server as unknown as { readonly _handle?: { readonly fd?: number } | null };
      return handle?.fd === undefined || handle.fd < 0 ? [] : [handle.fd];
    });
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
    for (const server of this.#servers) server.close();
    this.#servers = [];
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
    if (!this.#host.places.take(socket, this.name)) {
      stats.globalOverflow.inc();
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
    const inspects = this.#compiled.inspectsAt?.(arrival.original?.port ?? socket.localPort ?? 0);
    if (inspects === undefined) {
      this.#choose(socket, factsOf(socket, arrival, NO_HELLO, 'raw_buffer'));
      return;
    }
    this.#pending++;
    new Inspection(socket, arrival, this.#compiled, inspects, this).start(this.#host);
  }

  onInspected(socket: Socket, facts: ConnectionFacts | undefined): void {
    this.#pending--;
    if (facts !== undefined) this.#choose(socket, facts);
  }

  /** A connection that counts from `keep` on; undefined where its filter needs its first bytes. */
  beginEarly(early: EarlyTransport, chain: CompiledChain, facts: ConnectionFacts): EarlyHold | undefined {
    const held = this.#heldOf(chain, undefined);
    const info = this.#infoOf(early.socket, chain, facts, undefined);
    early.connection = chain.network.acceptEarly?.(early, info, () => held.close());
    if (early.connection === undefined) return undefined;
    held.connection = early.connection;
    return { keep: () => {
      this.#pending--;
      this.#keep(held);
      this.#drainLate(held);
    } };
  }

  #choose(socket: Socket, facts: ConnectionFacts): void {
    const chain = chainFor(this.#compiled, facts);
    if (chain === undefined) {
      this.#compiled.stats.noFilterChainMatch.inc();
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
    const onFailure = (reason: string, timedOut: boolean): void => {
      settle();
      if (timedOut) this.#compiled.stats.transportTimeout.inc();
      this.#host.onHandshakeFailure(this.name, facts.sourceIp, reason);
    };
    acceptTls(socket, context, onSecure, onFailure, {
      timeoutMs: chain.handshakeMs, ...(facts.transportProtocol === 'tls' && { offeredAlpn: facts.alpn }),
    });
  }

  #accept(socket: Socket, chain: CompiledChain, facts: ConnectionFacts, tls: TlsInfo | undefined): void {
    const held = this.#heldOf(chain, tls);
    this.#keep(held);
    const info = this.#infoOf(socket, chain, facts, tls);
    held.connection = chain.network.accept(openTransport(socket), info, () => held.close());
    this.#drainLate(held);
  }

  /** What was to end while it shook hands, or was looked into, was not among those that were told. */
  #drainLate({ connection, chain }: HeldConnection): void {
    if (this.#draining || !this.#chains.has(chain)) connection?.drain();
  }

  #infoOf(socket: Socket, chain: CompiledChain, facts: ConnectionFacts, tls: TlsInfo | undefined): ConnectionInfo {
    const { served, name, originalSource } = this.#compiled;
    const place = { listener: name, name: chain.name, servedHosts: served.get(chain), originalSource };
    return connectionInfo(this.#host.nextConnectionId(), place, facts, tls, socket);
  }

  #keep(held: HeldConnection): void {
    const { stats } = this.#compiled;
    stats.connectionsActive.inc();
    stats.workerConnectionsActive.inc();
    this.#connections.add(held);
  }

  /** It counts once it is kept. */
  #heldOf(chain: CompiledChain, tls: TlsInfo | undefined): HeldConnection {
    const { stats } = this.#compiled;
    const { clock } = this.#host;
    const startMs = clock.nowMs();
    const held: HeldConnection = {
      connection: undefined, chain, place: -1,
      close: () => {
        life?.close();
        if (held.place === -1) return;
        stats.connectionsActive.dec();
        stats.workerConnectionsActive.dec();
        stats.connectionsClosed.inc();
        stats.connectionLengthMs.record(clock.nowMs() - startMs);
        this.#connections.delete(held);
        if (this.#connections.size === 0) this.#onEmpty?.();
      },
    };
    const life = this.#lifeOf(held, tls);
    return held;
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
