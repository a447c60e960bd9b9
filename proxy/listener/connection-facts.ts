// What is known of a connection: before any filter runs, for the choice of its chain, and then for all that follows.
import type { Socket } from 'node:net';
import { joinHostPort } from '../base/host-port.ts';
import type { ConnectionInfo, ServedHosts, TlsInfo } from '../telemetry/stream-info.ts';
import { plainIp } from './original-destination.ts';
import type { OriginalDestination } from './original-destination.ts';
import type { ClientHello } from './tls-inspector.ts';

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
}

export function factsOf(
  socket: Socket, original: OriginalDestination | undefined, hello: ClientHello,
  transportProtocol: 'tls' | 'raw_buffer',
): ConnectionFacts {
  return {
    destinationIp: original?.ip ?? plainIp(socket.localAddress ?? ''),
    destinationPort: original?.port ?? socket.localPort ?? 0,
    redirected: original !== undefined,
    sourceIp: plainIp(socket.remoteAddress ?? ''),
    sourcePort: socket.remotePort ?? 0,
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
    tls,
    serverName,
    servedHosts: chain.servedHosts,
    listenerName: chain.listener,
    filterChainName: chain.name,
  };
}
