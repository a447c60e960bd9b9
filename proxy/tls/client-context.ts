// The client side's TLS: from an UpstreamTlsContext and its secrets to what makes handshakes, replaced when secrets
// change.
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { ConnectionOptions, SecureContext, TLSSocket } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import type { UpstreamSource } from '../base/original-source.ts';
import type { UpstreamTlsContext } from '../config/tls.ts';
import type { TlsInfo } from '../telemetry/stream-info.ts';
import { PeerTrustLedger } from './peer-trust.ts';
import { PeerRefusal, isOutsideOf, overtaken, verifyPeer } from './peer-verification.ts';
import type { PeerIdentity } from './peer-verification.ts';
import type { SecretStore } from './secret-store.ts';
import type { SecureContexts } from './secure-contexts.ts';
import { SessionCache } from './session-cache.ts';
import { spokenAlpn } from './spoken-alpn.ts';
import { tlsInfoOf } from './tls-info.ts';
import { MaterialSource } from './tls-material.ts';
import type { TlsMaterial } from './tls-material.ts';
import { secureOptions } from './tls-parameters.ts';
import type { TlsStats } from './tls-stats.ts';

export interface ClientTlsDeps {
  readonly secrets: SecretStore;
  readonly contexts: SecureContexts;
  readonly stats: TlsStats;
  readonly clock: Clock;
}

/** What a connection says and asks of its server's name. */
export interface ServerNames {
  /** SNI; undefined sends none. */
  readonly sni: string | undefined;
  /** A host that the certificate must name, beside what the validation context asks. */
  readonly required: string | undefined;
  /** Bytes that are sent before all else (the PROXY protocol). */
  readonly header?: Buffer;
  /** From where it is connected to, if not from where its cluster says. */
  readonly source?: UpstreamSource;
}

/** One transport socket's TLS. Until all its secrets are there nothing can be connected through it. */
export class ClientTlsContext {
  readonly #config: UpstreamTlsContext;
  readonly #deps: ClientTlsDeps;
  readonly #source: MaterialSource;
  readonly #onReady: () => void;
  /** One object, so that it is recognised without being looked into. */
  readonly #configuredNames: ServerNames;
  readonly #trust = new PeerTrustLedger();
  #binding: ClientBinding | undefined = undefined;

  /** `onReady` is called once, perhaps before this returns. A ConfigError when the context is malformed. */
  constructor(config: UpstreamTlsContext, deps: ClientTlsDeps, onReady: () => void = () => {}) {
    this.#config = config;
    this.#deps = deps;
    this.#onReady = onReady;
    this.#configuredNames = this.#names(config.sni);
    const common = config.commonTlsContext;
    this.#source = new MaterialSource(common, 'commonTlsContext', deps.secrets, (material) => this.#build(material));
    this.#source.start();
  }

  /** Never plaintext. */
  readonly isPlain = false;

  get ready(): boolean {
    return this.#binding !== undefined;
  }

  /** Names of the secrets that it waits for. */
  missingSecrets(): string[] {
    return this.#source.missing();
  }

  /** A connection outlived a certificate, and is ended. */
  countExpired(): void {
    this.#deps.stats.connectionExpired.inc();
  }

  /** What a connection that starts now uses; undefined while secrets are missing. */
  get binding(): ClientBinding | undefined {
    return this.#binding;
  }

  close(): void {
    this.#source.close();
  }

  /**
   * The names for an endpoint. `hostname` is the endpoint's (auto_host_sni), `authority` the request's host where the
   * cluster takes SNI from it (auto_sni). An address is never sent as SNI (RFC 6066 section 3).
   */
  namesFor(hostname: string | undefined, authority: string | undefined): ServerNames {
    if (authority !== undefined) return this.#names(authority);
    return this.#config.autoHostSni === true && hostname !== undefined ? this.#names(hostname) : this.#configuredNames;
  }

  #names(name: string | undefined): ServerNames {
    const sni = name === undefined || name === '' || isIP(name) !== 0 ? undefined : name;
    return { sni, required: this.#config.autoSniSanValidation === true ? sni : undefined };
  }

  #build(material: TlsMaterial): void {
    const first = this.#binding === undefined;
    this.#trust.trust(material.validation?.trustedCa);
    this.#binding = new ClientBinding(this.#config, material, this.#deps, this.#trust);
    if (first) this.#onReady();
  }
}

/** One generation of a context, with the sessions that may be resumed within it. */
export class ClientBinding {
  readonly #deps: ClientTlsDeps;
  readonly #material: TlsMaterial;
  readonly #secureContext: SecureContext;
  readonly #alpn: readonly string[];
  readonly #sessions: SessionCache;
  readonly #trust: PeerTrustLedger;
  readonly #removals: number;
  readonly #isOutside: boolean;

  constructor(config: UpstreamTlsContext, material: TlsMaterial, deps: ClientTlsDeps, trust: PeerTrustLedger) {
    this.#trust = trust;
    this.#removals = trust.removals;
    this.#deps = deps;
    this.#material = material;
    this.#isOutside = isOutsideOf(material.certificates);
    this.#alpn = spokenAlpn(config.commonTlsContext);
    this.#sessions = new SessionCache(config.maxSessionKeys ?? 1);
    this.#secureContext = deps.contexts.for(config, material, this.#sessions.enabled);
  }

  /**
   * Prepares one connection; `endpoint` is the address under which its sessions are kept. `alpn` is offered where
   * configuration names no protocols, as Envoy does, or where it `overrides` them.
   */
  begin(endpoint: string, names: ServerNames, alpn: readonly string[], overrides = false): ClientHandshake {
    const offered = overrides || this.#alpn.length === 0 ? alpn : this.#alpn;
    return new ClientHandshake(this, names, offered, this.#sessions, `${endpoint}|${names.sni ?? ''}`);
  }

  /**
   * Options for tls.connect. The runtime's own checks of name and chain are off: the handshake's `judge` must be asked
   * before anything is written.
   */
  options({ sni }: ServerNames, alpn: readonly string[], session: Buffer | undefined): ConnectionOptions {
    return {
      secureContext: this.#secureContext,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(sni !== undefined && { servername: sni }),
      ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }),
      ...(session !== undefined && { session }),
    };
  }

  /** Judges the server by the certificate that it showed, now or when the session began; counts the outcome. */
  judge(
    socket: TLSSocket, certificate: X509Certificate | undefined, verifiedMs: number, names: ServerNames,
  ): TlsInfo | PeerRefusal {
    const { stats } = this.#deps;
    const found = this.#identify(socket, certificate, verifiedMs, names.required);
    const identity = overtaken(found, this.#trust, this.#removals);
    if (identity instanceof PeerRefusal) {
      stats.refused(identity.failure);
      return identity;
    }
    stats.handshake.inc();
    if (socket.isSessionReused()) stats.sessionReused.inc();
    return tlsInfoOf(socket, identity, this.#material.certificates[0], this.#trust);
  }

  /** Unix time in milliseconds. */
  get nowMs(): number {
    return this.#deps.clock.wallMs();
  }

  /** A handshake that OpenSSL gave up. */
  countFailure(): void {
    this.#deps.stats.connectionError.inc();
  }

  #identify(
    socket: TLSSocket, certificate: X509Certificate | undefined, verifiedMs: number, requiredName: string | undefined,
  ): PeerIdentity | PeerRefusal | undefined {
    const { validation } = this.#material;
    if (validation === undefined) return undefined;
    if (certificate === undefined) return new PeerRefusal('no_cert', 'the server showed no certificate');
    const chainError = socket.authorized ? undefined : String(socket.authorizationError);
    const resumed = socket.isSessionReused();
    return verifyPeer(validation, {
      certificate, chainError, resumed, nowMs: this.nowMs, verifiedMs, requiredName, isOutside: this.#isOutside,
    });
  }
}

/** One connection's handshake. */
export class ClientHandshake {
  readonly options: ConnectionOptions;
  readonly #binding: ClientBinding;
  readonly #names: ServerNames;
  readonly #sessions: SessionCache;
  readonly #peer: string;
  /** Shown when the offered session began: a resumed handshake shows none. */
  #certificate: X509Certificate | undefined;
  #verifiedMs: number;

  constructor(
    binding: ClientBinding, names: ServerNames, alpn: readonly string[], sessions: SessionCache, peer: string,
  ) {
    this.#binding = binding;
    this.#names = names;
    this.#sessions = sessions;
    this.#peer = peer;
    const offered = sessions.take(peer);
    this.#certificate = offered?.certificate;
    this.#verifiedMs = offered?.verifiedMs ?? 0;
    this.options = binding.options(names, alpn, offered?.session);
  }

  /** Keeps the sessions that a server gives once it has been judged. */
  watch(socket: TLSSocket): void {
    if (!this.#sessions.enabled) return;
    socket.on('session', (session: Buffer) => {
      const [certificate, verifiedMs] = [this.#certificate, this.#verifiedMs];
      if (!socket.destroyed) this.#sessions.put(this.#peer, { session, certificate, verifiedMs });
    });
  }

  /** To be asked once, when the handshake is done. */
  judge(socket: TLSSocket): TlsInfo | PeerRefusal {
    if (!socket.isSessionReused()) {
      this.#certificate = socket.getPeerX509Certificate();
      this.#verifiedMs = this.#binding.nowMs;
    }
    return this.#binding.judge(socket, this.#certificate, this.#verifiedMs, this.#names);
  }

  countFailure(): void {
    this.#binding.countFailure();
  }
}

/** The context of one generation; nothing is trusted that the material does not name. */
export function contextOf(config: UpstreamTlsContext, material: TlsMaterial, tickets: boolean): SecureContext {
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
