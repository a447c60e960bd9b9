// The facts of a finished handshake, read once from the socket.
import type { TLSSocket } from 'node:tls';
import type { TlsInfo } from '../telemetry/stream-info.ts';
import type { PeerIdentity } from './peer-verification.ts';

/** `peer` is undefined when no certificate was verified: then no name of it is told to anybody. */
export function tlsInfoOf(socket: TLSSocket, peer: PeerIdentity | undefined, localUriSan: string | undefined): TlsInfo {
  return {
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher()?.name ?? '',
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
    peerUriSan: peer?.uriSan,
    peerDnsSans: peer?.dnsSans ?? [],
    peerSubject: peer?.subject,
    peerCertificateHash: peer?.certificateHash,
    localUriSan,
    peerUriSans: peer?.uriSans,
    peerCertificates: peer?.certificates,
    peerEndMs: peer?.endMs,
  };
}
