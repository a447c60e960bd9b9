// What is known of a connection: before any filter runs, for the choice of its chain, and then for all that follows.
import type { Socket } from 'node:net';
import { joinHostPort } from '../base/host-port.ts';
import type { OriginalSource } from '../base/original-source.ts';
import type { ConnectionInfo, ServedHosts, TlsInfo } from '../telemetry/stream-info.ts';
import { plainIp } from './original-destination.ts';
import type { OriginalDestination } from './original-destination.ts';
import type { ProxiedAddresses, ProxyTlv } from '../base/proxy-protocol.ts';
import type { DynamicMetadata } from '../telemetry/dynamic-metadata.ts';
import type { ClientHello } from './tls-inspector.ts';

/** What a connection says of itself by the PROXY protocol. */
export interface Proxied {
  readonly addresses: ProxiedAddresses | undefined;
  readonly metadata: DynamicMetadata | undefined;
  readonly tlvs: readonly ProxyTlv[];
}

/** What is known of a connection before any filter runs. */
export interface ConnectionFacts {
  readonly destinationIp: string;
  readonly destinationPort: number;
  /** The destination is where it wanted to go before it was redirected here. */
  readonly redirected: boolean;
  readonly sourceIp: string;
  readonly sourcePort: number;
  readonly serverName: string | undefined;
  readonly transportProtocol: 'tls' | 'raw_buffer';
  readonly alpn: readonly string[];
  /** The peer's own address. */
  readonly directIp: string;
  readonly directPort: number;
  readonly proxied: Proxied | undefined;
}

/** What is known of a connection before its first bytes, but for its PROXY header. */
export interface Arrival {
  readonly original: OriginalDestination | undefined;
  readonly proxied: Proxied | undefined;
}

export function factsOf(
  socket: Socket, { original, proxied }: Arrival, hello: ClientHello, transportProtocol: 'tls' | 'raw_buffer',
): ConnectionFacts {
  const said = proxied?.addresses;
  const directIp = plainIp(socket.remoteAddress ?? '');
  const directPort = socket.remotePort ?? 0;
  return {
    destinationIp: plainIp(said?.destinationIp ?? original?.ip ?? socket.localAddress ?? ''),
    destinationPort: said?.destinationPort ?? original?.port ?? socket.localPort ?? 0,
    redirected: said === undefined && original !== undefined,
    sourceIp: plainIp(said?.sourceIp ?? directIp),
    sourcePort: said?.sourcePort ?? directPort,
    directIp, directPort, proxied,
    serverName: hello.serverName,
    transportProtocol,
    alpn: hello.alpn,
  };
}

/** Where a connection belongs. */
export interface ChainPlace {
  readonly listener: string;
  readonly name: string;
  readonly servedHosts: ServedHosts | undefined;
  readonly originalSource: OriginalSource | undefined;
}

/** `socket` is the decrypted one where there is TLS. */
export function connectionInfo(
  id: number, chain: ChainPlace, facts: ConnectionFacts,
  tls: TlsInfo | undefined, socket: Socket,
): ConnectionInfo {
  const serverName = facts.serverName
    ?? ('servername' in socket && typeof socket.servername === 'string' ? socket.servername : undefined);
  return {
    id,
    remoteAddress: joinHostPort(facts.sourceIp, facts.sourcePort),
    remoteIp: facts.sourceIp,
    remotePort: facts.sourcePort,
    localAddress: joinHostPort(facts.destinationIp, facts.destinationPort),
    localIp: facts.destinationIp,
    localPort: facts.destinationPort,
    redirected: facts.redirected,
    ...(facts.proxied !== undefined && {
      directRemote: { ip: facts.directIp, address: joinHostPort(facts.directIp, facts.directPort) },
      metadata: facts.proxied.metadata,
      proxyTlvs: facts.proxied.tlvs,
    }),
    tls,
    serverName,
    servedHosts: chain.servedHosts,
    ...(chain.originalSource !== undefined && { upstreamSource: chain.originalSource.of(facts.sourceIp) }),
    listenerName: chain.listener,
    filterChainName: chain.name,
  };
}
