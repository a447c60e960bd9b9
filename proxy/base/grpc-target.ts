// What a gRPC client needs to verify a server that it reaches by IP address: grpc-js sends the host as TLS server name,
// and Node refuses an address there (RFC 6066 section 3), so that every such connection would fail.
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import type { PeerCertificate } from 'node:tls';

/** `channel` goes into the client's options, `verify` into createSsl's verifyOptions. Both are empty for host names. */
export interface GrpcTarget {
  readonly channel: { readonly 'grpc.ssl_target_name_override'?: string };
  readonly verify: { readonly checkServerIdentity?: (host: string, certificate: PeerCertificate) => Error | undefined };
}

/** For HOST:PORT or [IPv6]:PORT. The server is still verified by the address that its certificate must hold. */
export function grpcTarget(address: string): GrpcTarget {
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  if (isIP(host) === 0) return { channel: {}, verify: {} };
  return {
    channel: { 'grpc.ssl_target_name_override': 'localhost' }, // any name does: the server has one certificate
    verify: { checkServerIdentity: (_override, certificate) => checkServerIdentity(host, certificate) },
  };
}
