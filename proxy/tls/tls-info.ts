// The facts of a finished handshake, read once from the socket.
import type { TLSSocket } from 'node:tls';
import type { PeerTrust, TlsInfo } from '../telemetry/stream-info.ts';
import type { CertificateMaterial } from './certificate-material.ts';
import type { PeerIdentity } from './peer-verification.ts';

/** `peer` is undefined when no certificate was verified: then no name of it is told to anybody. */
export function tlsInfoOf(
  socket: TLSSocket, peer: PeerIdentity | undefined, local: CertificateMaterial | undefined,
  peerTrust: PeerTrust,
): TlsInfo {
  return {
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher()?.name ?? '',
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
    peerUriSan: peer?.uriSan,
    peerDnsSans: peer?.dnsSans ?? [],
    peerSubject: peer?.subject,
    peerCertificateHash: peer?.certificateHash,
    localUriSan: local?.uriSan,
    peerUriSans: peer?.uriSans,
    peerCertificates: peer?.certificates,
    endMs: peer === undefined ? undefined : Math.min(peer.endMs, local?.notAfterMs ?? Infinity),
    peerTrust: peer === undefined ? undefined : peerTrust,
  };
}
