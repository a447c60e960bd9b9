// TLS to management servers: their cluster's transport socket, with this process's own certificate where it says so.
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { PeerCertificate } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import type { Secret, UpstreamTlsContext } from '../config/tls.ts';
import { PeerRefusal, verifyPeer } from '../tls/peer-verification.ts';
import { SecretStore } from '../tls/secret-store.ts';
import { MaterialSource } from '../tls/tls-material.ts';
import type { TlsMaterial } from '../tls/tls-material.ts';
import { secureOptions } from '../tls/tls-parameters.ts';
import type { ServerTls } from '../xds/management-server.ts';

/** Keeps what the agent brings, and makes TLS of it each time that a connection to a server is opened. */
export class XdsCredentials {
  readonly #clock: Clock;
  readonly #secrets = new SecretStore();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A new certificate or new roots; connections that are open stay as they are. */
  onSecret(secret: Secret): void {
    this.#secrets.apply(secret);
  }

  /** Throws an Error that says what is missing or malformed. */
  get(context: UpstreamTlsContext): ServerTls {
    const { certificates, validation } = this.#material(context);
    const secureContext = createSecureContext({
      ...secureOptions(context.commonTlsContext.tlsParams, false),
      ...(certificates.length > 0 && {
        cert: certificates.map(({ chain }) => chain),
        key: certificates.map(({ key, passphrase }) => ({ pem: key, ...(passphrase !== undefined && { passphrase }) })),
      }),
      // An empty list, not absence: without one the runtime would trust the public authorities.
      ca: [...(validation?.trustedCa ?? [])],
      ...(validation?.crl !== undefined && { crl: validation.crl }),
    });
    return {
      secureContext,
      verified: validation?.trustedCa !== undefined,
      judge: (certificate) => (validation === undefined ? undefined : this.#judge(validation, certificate, context)),
    };
  }

  /** Files are read anew, so that renewed ones are used. */
  #material({ commonTlsContext }: UpstreamTlsContext): TlsMaterial {
    let material: TlsMaterial | undefined;
    const onChange = (made: TlsMaterial): void => {
      material = made;
    };
    const source = new MaterialSource(commonTlsContext, 'commonTlsContext', this.#secrets, onChange);
    source.start();
    const missing = source.missing();
    source.close();
    if (material !== undefined) return material;
    throw new Error(`secret ${missing.map((name) => `'${name}'`).join(', ')} has not come yet`);
  }

  #judge(
    validation: NonNullable<TlsMaterial['validation']>, { raw }: PeerCertificate, context: UpstreamTlsContext,
  ): Error | undefined {
    const requiredName = context.autoSniSanValidation === true ? context.sni : undefined;
    const nowMs = this.#clock.wallMs();
    const certificate = new X509Certificate(raw);
    // grpc-js asks only after OpenSSL has accepted the chain, and resumes no sessions of ours.
    const verdict = verifyPeer(validation, { certificate, chainError: undefined, resumed: false, nowMs, requiredName });
    return verdict instanceof PeerRefusal ? new Error(verdict.reason) : undefined;
  }
}
