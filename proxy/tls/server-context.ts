// The server side's TLS: from a DownstreamTlsContext and its secrets to what makes handshakes, replaced when secrets
// change.
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { TLSSocket, TlsOptions } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import { ConfigError } from '../base/error.ts';
import type { TimerWheel } from '../base/timers.ts';
import { msOr } from '../config/duration.ts';
import { LIMITS } from '../config/limits.ts';
import type { DownstreamTlsContext } from '../config/tls.ts';
import type { TlsInfo } from '../telemetry/stream-info.ts';
import type { HandshakeBudget } from './handshake-budget.ts';
import { ChainEnds } from './peer-chain.ts';
import { PeerTrustLedger } from './peer-trust.ts';
import { PeerRefusal, overtaken, verifyPeer } from './peer-verification.ts';
import type { PeerIdentity } from './peer-verification.ts';
import type { SecretStore } from './secret-store.ts';
import { spokenAlpn } from './spoken-alpn.ts';
import { tlsInfoOf } from './tls-info.ts';
import { MaterialSource } from './tls-material.ts';
import type { TlsMaterial } from './tls-material.ts';
import { secureOptions } from './tls-parameters.ts';
import type { TlsStats } from './tls-stats.ts';

/** Whole handshake, from the first byte on (limits.md; S80). */
export const HANDSHAKE_DEADLINE_MS: number = LIMITS.tlsHandshakeTimeoutMs;
/** The runtime's own deadline must not come before a chain's. */
const NO_DEADLINE_MS = 2 ** 31 - 1;

/** One connection on its way through the handshake. */
export interface PendingHandshake {
  /** As handshakeKey tells it. */
  readonly key: string;
  readonly socket: Socket;
  /** OpenSSL is content; the peer is still to be judged. */
  onSecure(secure: TLSSocket): void;
  onError(cause: Error): void;
}

export interface TlsDeps {
  readonly secrets: SecretStore;
  readonly stats: TlsStats;
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly budget: HandshakeBudget;
}

/**
 * One filter chain's TLS. Until all its secrets are there it isn't ready, and a connection is closed rather than
 * served.
 */
export class ServerTlsContext {
  readonly deps: TlsDeps;
  readonly #config: DownstreamTlsContext;
  readonly #scope: string;
  readonly #source: MaterialSource;
  readonly #trust = new PeerTrustLedger();
  #binding: ServerBinding | undefined = undefined;

  /**
   * `scope` names listener and filter chain: sessions are not resumed across scopes, nor across generations of secrets
   * (S53). A ConfigError when the context is malformed.
   */
  constructor(config: DownstreamTlsContext, scope: string, deps: TlsDeps) {
    const common = config.commonTlsContext;
    checkServer(config);
    this.deps = deps;
    this.#config = config;
    this.#scope = scope;
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

  /** What a handshake that starts now uses; undefined while secrets are missing. */
  get binding(): ServerBinding | undefined {
    return this.#binding;
  }

  /** Stops following its secrets; connections live on. */
  close(): void {
    this.#source.close();
  }

  #build(material: TlsMaterial): void {
    this.#trust.trust(material.validation?.trustedCa);
    this.#binding = new ServerBinding(this.#config, this.#scope, material, this.deps, this.#trust);
  }
}

function checkServer(config: DownstreamTlsContext): void {
  const common = config.commonTlsContext;
  const certificates = (common.tlsCertificates?.length ?? 0) + (common.tlsCertificateSdsSecretConfigs?.length ?? 0);
  if (certificates === 0) throw new ConfigError('commonTlsContext', 'a server needs a certificate, inline or by SDS');
  if (config.requireClientCertificate === true && !asksForCertificate(config)) {
    throw new ConfigError('requireClientCertificate', 'needs a validation context: any certificate would be accepted');
  }
}

function asksForCertificate({ commonTlsContext: common }: DownstreamTlsContext): boolean {
  return common.validationContext !== undefined || common.validationContextSdsSecretConfig !== undefined
    || common.combinedValidationContext !== undefined;
}

/** One generation of a context. Handshakes and tickets of one generation never mix with another's. */
export class ServerBinding {
  readonly #deps: TlsDeps;
  readonly #options: TlsOptions;
  readonly #alpn: readonly string[];
  readonly #material: TlsMaterial;
  readonly #requireCertificate: boolean;
  readonly #requireSni: boolean;
  readonly #server: TlsServer;
  /** For clients whose ALPN offer has nothing of ours: Envoy goes on without, OpenSSL through Node would refuse. */
  #serverWithoutAlpn: TlsServer | undefined = undefined;
  readonly #handshakes = new Map<string, PendingHandshake>();
  readonly #resumes: boolean;
  readonly #chainEnds = new ChainEnds();

  readonly #trust: PeerTrustLedger;
  readonly #removals: number;

  constructor(
    config: DownstreamTlsContext, scope: string, material: TlsMaterial, deps: TlsDeps, trust: PeerTrustLedger,
  ) {
    this.#trust = trust;
    this.#removals = trust.removals;
    this.#deps = deps;
    this.#material = material;
    this.#alpn = spokenAlpn(config.commonTlsContext);
    this.#requireCertificate = config.requireClientCertificate === true || asksForNames(material);
    this.#requireSni = config.requireSni ?? false;
    if (this.#requireCertificate && material.validation === undefined) {
      throw new ConfigError('commonTlsContext', 'the validation context has no roots or pins: it lets anybody in');
    }
    this.#resumes = resumes(config, material);
    this.#options = serverOptions(config, scope, material);
    this.#server = this.#listen(this.#alpn);
  }

  /**
   * Starts a handshake on a connection; the outcome comes to `handshake`. `offeredAlpn`: what the client is known to
   * offer.
   */
  begin(handshake: PendingHandshake, offeredAlpn: readonly string[] | undefined): void {
    this.#handshakes.set(handshake.key, handshake);
    const common = offeredAlpn === undefined || offeredAlpn.length === 0 || this.#alpn.length === 0
      || offeredAlpn.some((protocol) => this.#alpn.includes(protocol));
    const server = common ? this.#server : (this.#serverWithoutAlpn ??= this.#listen([]));
    server.emit('connection', handshake.socket);
  }

  forget(handshake: PendingHandshake): void {
    if (this.#handshakes.get(handshake.key) === handshake) this.#handshakes.delete(handshake.key);
  }

  /** Judges the client after OpenSSL has; counts the outcome. */
  judge(socket: TLSSocket): TlsInfo | PeerRefusal {
    const { stats } = this.#deps;
    const found = this.#identify(socket);
    const identity = overtaken(found, this.#trust, this.#removals);
    if (identity instanceof PeerRefusal) {
      stats.refused(identity.failure);
      return identity;
    }
    stats.handshake.inc();
    if (socket.isSessionReused()) stats.sessionReused.inc();
    if (identity === undefined) stats.noCertificate.inc();
    return tlsInfoOf(socket, identity, this.#material.certificates[0], this.#trust);
  }

  #identify(socket: TLSSocket): PeerIdentity | PeerRefusal | undefined {
    if (this.#requireSni && !socket.servername) return new PeerRefusal('error', 'the client sent no server name (SNI)');
    const { validation } = this.#material;
    if (validation === undefined) return undefined;
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) {
      return this.#requireCertificate ? new PeerRefusal('no_cert', 'the client showed no certificate') : undefined;
    }
    const chainError = socket.authorized ? undefined : String(socket.authorizationError);
    const resumed = socket.isSessionReused();
    const nowMs = this.#deps.clock.wallMs();
    const found = verifyPeer(validation, { certificate, chainError, resumed, nowMs });
    return found instanceof PeerRefusal ? found : this.#withWholeChain(found, resumed, nowMs);
  }

  /** A resumed session is judged by what stood above its leaf, too, when it began. */
  #withWholeChain(found: PeerIdentity, resumed: boolean, nowMs: number): PeerIdentity | PeerRefusal {
    const { certificateHash, endMs: leafEndMs } = found;
    if (!resumed) {
      if (this.#resumes) this.#chainEnds.remember(certificateHash, leafEndMs);
      return found;
    }
    const endMs = this.#chainEnds.earliest(certificateHash, leafEndMs);
    if (nowMs > endMs) return new PeerRefusal('error', 'the chain of the resumed session is out of date');
    return { ...found, endMs };
  }

  /**
   * A server object that never listens: connections are handed to it, so that the handshake's public events are
   * there.
   */
  #listen(alpn: readonly string[]): TlsServer {
    const server = new TlsServer({ ...this.#options, ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }) });
    server.on('secureConnection', (socket) => {
      const handshake = this.#handshakes.get(handshakeKey(socket));
      if (handshake === undefined) socket.destroy();
      else handshake.onSecure(socket);
    });
    server.on('tlsClientError', (cause, socket) => this.#handshakes.get(handshakeKey(socket))?.onError(cause));
    return server;
  }
}

function serverOptions(config: DownstreamTlsContext, scope: string, material: TlsMaterial): TlsOptions {
  const { certificates, validation } = material;
  const { sessionTimeout } = config;
  return {
    ...secureOptions(config.commonTlsContext.tlsParams, resumes(config, material)),
    cert: certificates.map(({ chain }) => chain),
    key: certificates.map(({ key, passphrase }) => ({ pem: key, ...(passphrase !== undefined && { passphrase }) })),
    // An empty list, not absence: without one the runtime would trust the public authorities.
    ca: [...(validation?.trustedCa ?? [])],
    ...(validation?.crl !== undefined && { crl: validation.crl }),
    requestCert: validation !== undefined,
    // The runtime must not refuse by itself: `judge` does, with a reason and a count.
    rejectUnauthorized: false,
    sessionIdContext: createHash('sha256').update(scope).digest('hex').slice(0, 32),
    handshakeTimeout: NO_DEADLINE_MS,
    ...(sessionTimeout !== undefined && { sessionTimeout: Math.ceil(msOr(sessionTimeout, 0) / 1000) }),
  };
}

/** Whoever must have a certain name or key must have a certificate, as in Envoy. */
function asksForNames({ validation }: TlsMaterial): boolean {
  if (validation === undefined) return false;
  const { sanMatchers, spkiPins, certificatePins } = validation;
  return sanMatchers.length > 0 || spkiPins.size > 0 || certificatePins.size > 0;
}

/** A ticket has the leaf alone in it, by which no bundle of a trust domain can judge again. */
function resumes({ disableStatelessSessionResumption }: DownstreamTlsContext, { validation }: TlsMaterial): boolean {
  return disableStatelessSessionResumption !== true && validation?.trustDomains === undefined;
}

/**
 * What tells one live TCP connection from all others. The runtime's TLS socket doesn't say which socket it wraps, but
 * shares its addresses.
 */
export function handshakeKey(socket: {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}): string {
  return `${socket.remoteAddress}|${socket.remotePort}|${socket.localAddress}|${socket.localPort}`;
}
