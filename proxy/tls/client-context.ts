// The client side's TLS: from an UpstreamTlsContext and its secrets to what makes handshakes, replaced when secrets
// change.
import { createSecureContext } from 'node:tls';
import type { ConnectionOptions, SecureContext, TLSSocket } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import type { UpstreamTlsContext } from '../config/tls.ts';
import type { TlsInfo } from '../telemetry/stream-info.ts';
import { PeerRefusal, verifyPeer } from './peer-verification.ts';
import type { PeerIdentity } from './peer-verification.ts';
import type { SecretStore } from './secret-store.ts';
import { SessionCache } from './session-cache.ts';
import { tlsInfoOf } from './tls-info.ts';
import { MaterialSource } from './tls-material.ts';
import type { TlsMaterial } from './tls-material.ts';
import { secureOptions } from './tls-parameters.ts';
import type { TlsStats } from './tls-stats.ts';

export interface ClientTlsDeps {
  readonly secrets: SecretStore;
  readonly stats: TlsStats;
  readonly clock: Clock;
}

/** One transport socket's TLS. Until all its secrets are there nothing can be connected through it. */
export class ClientTlsContext {
  readonly #config: UpstreamTlsContext;
  readonly #deps: ClientTlsDeps;
  readonly #source: MaterialSource;
  readonly #onReady: () => void;
  #binding: ClientBinding | undefined = undefined;

  /** `onReady` is called once, perhaps before this returns. A ConfigError when the context is malformed. */
  constructor(config: UpstreamTlsContext, deps: ClientTlsDeps, onReady: () => void = () => {}) {
    this.#config = config;
    this.#deps = deps;
    this.#onReady = onReady;
    const common = config.commonTlsContext;
    this.#source = new MaterialSource(common, 'commonTlsContext', deps.secrets, (material) => this.#build(material));
    this.#source.start();
  }

  get ready(): boolean {
    return this.#binding !== undefined;
  }

  /** Names of the secrets that it waits for. */
  missingSecrets(): string[] {
    return this.#source.missing();
  }

  /** What a connection that starts now uses; undefined while secrets are missing. */
  get binding(): ClientBinding | undefined {
    return this.#binding;
  }

  close(): void {
    this.#source.close();
  }

  #build(material: TlsMaterial): void {
    const first = this.#binding === undefined;
    this.#binding = new ClientBinding(this.#config, material, this.#deps);
    if (first) this.#onReady();
  }
}

/** One generation of a context, with the sessions that may be resumed within it. */
export class ClientBinding {
  readonly #deps: ClientTlsDeps;
  readonly #config: UpstreamTlsContext;
  readonly #material: TlsMaterial;
  readonly #secureContext: SecureContext;
  readonly #sessions: SessionCache;
  readonly #localUriSan: string | undefined;

  constructor(config: UpstreamTlsContext, material: TlsMaterial, deps: ClientTlsDeps) {
    this.#deps = deps;
    this.#config = config;
    this.#material = material;
    this.#localUriSan = material.certificates[0]?.uriSan;
    this.#sessions = new SessionCache(config.maxSessionKeys ?? 1);
    this.#secureContext = contextOf(config, material, this.#sessions.enabled);
  }

  /**
   * Options for tls.connect. The runtime's own checks of name and chain are off: `judge` must be asked before
   * anything is
   * written. `serverName` overrides the configured SNI; an address is never sent as one (RFC 6066 section 3).
   */
  options(endpoint: string, serverName: string | undefined): ConnectionOptions {
    const sni = serverName ?? this.#config.sni;
    const alpn = this.#config.commonTlsContext.alpnProtocols ?? [];
    const session = this.#sessions.take(peerKey(endpoint, sni));
    return {
      secureContext: this.#secureContext,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(sni !== undefined && sni !== '' && { servername: sni }),
      ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }),
      ...(session !== undefined && { session }),
    };
  }

  /** Keeps what the server gives for later resumption. The runtime tells sessions only after the handshake's checks. */
  keepSessions(socket: TLSSocket, endpoint: string, serverName: string | undefined): void {
    if (!this.#sessions.enabled) return;
    const peer = peerKey(endpoint, serverName ?? this.#config.sni);
    socket.on('session', (session: Buffer) => {
      if (!socket.destroyed) this.#sessions.put(peer, session);
    });
  }

  /** Judges the server; counts the outcome. `requiredName`: a DNS name that the certificate must have as well. */
  judge(socket: TLSSocket, requiredName: string | undefined): TlsInfo | PeerRefusal {
    const { stats } = this.#deps;
    const identity = this.#identify(socket, requiredName);
    if (identity instanceof PeerRefusal) {
      stats.refused(identity.failure);
      return identity;
    }
    stats.handshake.inc();
    if (socket.isSessionReused()) stats.sessionReused.inc();
    return tlsInfoOf(socket, identity, this.#localUriSan);
  }

  /** A handshake that OpenSSL gave up. */
  countFailure(): void {
    this.#deps.stats.connectionError.inc();
  }

  #identify(socket: TLSSocket, requiredName: string | undefined): PeerIdentity | PeerRefusal | undefined {
    const { validation } = this.#material;
    if (validation === undefined) return undefined;
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return new PeerRefusal('no_cert', 'the server showed no certificate');
    const chainError = socket.authorized ? undefined : String(socket.authorizationError);
    const resumed = socket.isSessionReused();
    return verifyPeer(validation, { certificate, chainError, resumed, nowMs: this.#deps.clock.wallMs(), requiredName });
  }
}

function contextOf(config: UpstreamTlsContext, material: TlsMaterial, tickets: boolean): SecureContext {
  const { certificates, validation } = material;
  return createSecureContext({
    ...secureOptions(config.commonTlsContext.tlsParams, tickets),
    ...(certificates.length > 0 && {
      cert: certificates.map(({ chain }) => chain),
      key: certificates.map(({ key, passphrase }) => ({ pem: key, ...(passphrase !== undefined && { passphrase }) })),
    }),
    // An empty list, not absence: without one the runtime would trust the public authorities.
    ca: [...(validation?.trustedCa ?? [])],
    ...(validation?.crl !== undefined && { crl: validation.crl }),
  });
}

function peerKey(endpoint: string, sni: string | undefined): string {
  return `${endpoint}|${sni ?? ''}`;
}
