// TLS towards a gRPC server off the request path (xDS, SDS): the same contexts and judgement as for
// upstreams, for grpc-js.
import { X509Certificate } from 'node:crypto';
import type { PeerCertificate, SecureContext } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import type { UpstreamTlsContext } from '../config/tls.ts';
import { contextOf } from './client-context.ts';
import { PeerRefusal, isOutsideOf, verifyPeer } from './peer-verification.ts';
import type { SecretStore } from './secret-store.ts';
import { MaterialSource } from './tls-material.ts';
import type { TlsMaterial } from './tls-material.ts';

export interface GrpcClientTls {
  readonly secureContext: SecureContext;
  /** Whether OpenSSL's verdict on the chain counts. */
  readonly verified: boolean;
  /** Why the server's certificate is refused, after its chain was accepted. */
  judge(certificate: PeerCertificate): Error | undefined;
}

/** For one connection that begins now; throws an Error that names the secrets that are not there yet. */
export function grpcClientTls(config: UpstreamTlsContext, secrets: SecretStore, clock: Clock): GrpcClientTls {
  let found: TlsMaterial | undefined;
  const source = new MaterialSource(config.commonTlsContext, 'commonTlsContext', secrets, (material) => {
    found = material;
  });
  source.start();
  const missing = source.missing();
  source.close();
  if (found === undefined) throw new Error(`secrets are not there yet: ${missing.join(', ')}`);
  const { validation } = found;
  const isOutside = isOutsideOf(found.certificates);
  const secureContext = contextOf(config, found, false);
  if (validation === undefined) return { secureContext, verified: false, judge: () => undefined };
  const judge = ({ raw }: PeerCertificate): Error | undefined => {
    const evidence = {
      certificate: new X509Certificate(raw), chainError: undefined, resumed: false, nowMs: clock.wallMs(), isOutside,
    };
    const verdict = verifyPeer(validation, evidence);
    return verdict instanceof PeerRefusal ? new Error(verdict.reason) : undefined;
  };
  return { secureContext, verified: validation.trustedCa !== undefined, judge };
}
