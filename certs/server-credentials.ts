// TLS of our own gRPC servers: a certificate from our own authority, replaced at half of its life without a restart.
import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import type { Clock } from '../proxy/base/clock.ts';
import { Timer } from '../proxy/base/timers.ts';
import type { TimerTarget, TimerWheel } from '../proxy/base/timers.ts';
import type { CertificateAuthority } from './ca.ts';
import type { SpiffeId } from './spiffe.ts';

export interface ServerCredentialsOptions {
  readonly ca: CertificateAuthority;
  readonly identity: SpiffeId;
  /** DNS names and addresses by which clients reach the server. */
  readonly hosts: readonly string[];
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /**
   * Ask clients for certificates, verified against the authority's roots: `optional` lets in those without one, and a
   * handler must look at the peer's certificate itself. Default none.
   */
  readonly clientCertificates?: 'optional' | 'required';
  /** A renewal failed; the old certificate stays and it is tried again in a minute. */
  readonly onFailure?: (cause: unknown) => void;
}

/** A peer has this long to finish a handshake (S62). */
const HANDSHAKE_MS = 10_000;

/** The wall clock is looked at this often: timers stand still while a machine sleeps, certificates do not. */
const CHECK_MS = 60_000;

/** Credentials for grpc-js's bindAsync. Connections that are open keep the certificate they began with. */
export class RotatingServerCredentials extends ServerCredentials implements TimerTarget {
  readonly #options: ServerCredentialsOptions;
  readonly #timer: Timer;
  #renewAtMs: number;

  constructor(options: ServerCredentialsOptions) {
    const [context, renewAtMs] = issueContext(options);
    const { clientCertificates } = options;
    super({
      requestCert: clientCertificates !== undefined,
      rejectUnauthorized: clientCertificates === 'required',
      handshakeTimeout: HANDSHAKE_MS,
    }, context);
    this.#options = options;
    this.#renewAtMs = renewAtMs;
    this.#timer = new Timer(options.wheel, this);
    this.#timer.arm(CHECK_MS);
    options.ca.subscribe(() => this.renew());
  }

  onTimer(): void {
    this.#timer.arm(CHECK_MS);
    if (this.#options.clock.wallMs() >= this.#renewAtMs) this.renew();
  }

  /** A new certificate by the authority of now, with its roots for clients' certificates. */
  renew(): void {
    try {
      const [context, renewAtMs] = issueContext(this.#options);
      this.updateSecureContextOptions(context);
      this.#renewAtMs = renewAtMs;
    } catch (cause) {
      this.#options.onFailure?.(cause);
    }
  }

  /** Ends the renewals. */
  stop(): void {
    this.#timer.cancel();
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function issueContext({ ca, identity, hosts, clientCertificates }: ServerCredentialsOptions):
readonly [SecureContextOptions, number] {
  const { chain, key, notBeforeMs, notAfterMs } = ca.issueServer(identity, hosts);
  const context = { cert: chain, key, minVersion: 'TLSv1.2' } as const;
  const renewAtMs = (notBeforeMs + notAfterMs) / 2;
  return [clientCertificates === undefined ? context : { ...context, ca: ca.roots }, renewAtMs];
}
