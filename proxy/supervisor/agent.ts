// The node agent: keeps this proxy's certificate and roots fresh, so that workers can be given them as SDS secrets.
import { bundleNumber, readCertificates, rootOf } from '../../certs/chain.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { Secret } from '../config/tls.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { AgentConfig } from './agent-config.ts';
import { AGENT_SCOPE } from './agent-stats.ts';
import type { AgentLog } from './agent-stats.ts';
import { followBundle } from './bundle-client.ts';
import type { BundleRequest, FollowBundle } from './bundle-client.ts';
import { BundleFollower } from './bundle-follower.ts';
import { requestCertificate } from './ca-client.ts';
import type { RequestCertificate } from './ca-client.ts';
import { ExpiryWatch } from './expiry-watch.ts';
import { TrustAnchors } from './trust-anchors.ts';
import { obtainIdentity, readMaterial } from './workload-identity.ts';
import type { WorkloadIdentity } from './workload-identity.ts';

/**
 * - idle: not started.
 * - asking: a request to the authority is under way.
 * - holding: the certificate is younger than its renewal time.
 * - waiting: the last request failed, and the next follows after a pause; an older certificate stays in use.
 * - stopped: nothing happens any more.
 */
export type AgentState = 'idle' | 'asking' | 'holding' | 'waiting' | 'stopped';

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly stats: Stats;
  readonly log: AgentLog;
  /** Called with ROOTCA when the roots are new, then with `default`; first when the first certificate is there. */
  readonly onSecret: (secret: Secret) => void;
  /** Default: Istio's service over gRPC. */
  readonly request?: RequestCertificate;
  /** Default: Envoy's SDS over gRPC, at the same address. */
  readonly follow?: FollowBundle;
}

/** Names of the secrets, as Istio's configuration asks for them. */
export const IDENTITY_SECRET = 'default';
export const ROOTS_SECRET = 'ROOTCA';

/** The wall clock is looked at this often: timers stand still while a machine sleeps, certificates do not. */
const TICK_MS = 10_000;

/** Renewal between 50 and 60 % of the life (S58), so that a fleet does not ask at once. */
const RENEW_AT = 0.5;
const RENEW_SPREAD = 0.1;

/** Pauses after failures double from the first to the longest; without any certificate the longest is shorter. */
const PAUSE_FIRST_MS = 250;
const PAUSE_MS_MAX = 60_000;
const PAUSE_BARE_MS_MAX = 5000;

/** A pause is never longer than this part of the certificate's life. */
const PAUSE_LIFE_MAX = 1 / 20;

/** A switched root is followed within a minute, or a twentieth of a shorter life: not by the whole fleet at once. */
const SWITCH_MS_MAX = 60_000;

export class NodeAgent implements TimerTarget {
  readonly #options: AgentOptions;
  readonly #timer: Timer;
  readonly #expiry: ExpiryWatch;
  readonly #anchors = new TrustAnchors();
  readonly #follower: BundleFollower;
  readonly #issued: Counter;
  readonly #failed: Counter;
  #state: AgentState = 'idle';
  #identity: WorkloadIdentity | undefined = undefined;
  #renewAtMs = 0;
  /** Monotonic, for the pause in `waiting`. */
  #retryAtMs = 0;
  #failures = 0;
  /** The authority's bundle as it came last over the stream. */
  #bundle: string | undefined = undefined;
  /** A bundle for whose first root a certificate was asked for already. */
  #renewedFor: string | undefined = undefined;
  #abort = new AbortController();

  constructor(options: AgentOptions) {
    this.#options = options;
    const { stats, wheel, random, log, follow = followBundle } = options;
    this.#timer = new Timer(wheel, this);
    this.#expiry = new ExpiryWatch(stats, log);
    this.#follower = new BundleFollower({
      follow, wheel, random, log, request: () => this.#bundleRequest(), onBundle: (pem) => this.#takeBundle(pem),
    });
    this.#issued = stats.counter(statName(AGENT_SCOPE, 'certificate_issued'));
    this.#failed = stats.counter(statName(AGENT_SCOPE, 'certificate_failed'));
  }

  get state(): AgentState {
    return this.#state;
  }

  /** The SPIFFE id of the certificate; undefined before the first. */
  get spiffeId(): string | undefined {
    return this.#identity?.spiffeId;
  }

  /** True when there is a certificate that has not expired: a proxy is not ready before. */
  get ready(): boolean {
    return this.#identity !== undefined && this.#options.clock.wallMs() < this.#identity.notAfterMs;
  }

  start(): void {
    if (this.#state === 'idle') this.#ask();
  }

  /** Ends everything, a request under way too. What was handed out stays with who has it. */
  stop(): void {
    this.#enter('stopped');
    this.#timer.cancel();
    this.#follower.stop();
    this.#abort.abort();
  }

  onTimer(): void {
    this.#watchExpiry();
    const { clock } = this.#options;
    // The wall clock decides about certificates, so a jump of it is acted on at the next tick, once.
    const due = (this.#state === 'holding' && clock.wallMs() >= this.#renewAtMs)
      || (this.#state === 'waiting' && clock.nowMs() >= this.#retryAtMs);
    if (due) this.#ask();
    else this.#armTimer();
  }

  #ask(): void {
    this.#enter('asking');
    this.#abort = new AbortController();
    this.#armTimer();
    const { config, request, clock } = this.#options;
    obtainIdentity(config, this.#anchors, request ?? requestCertificate, clock.wallMs(), this.#abort.signal).then(
      (identity) => this.#accept(identity),
      (cause: unknown) => this.#fail(cause),
    );
  }

  #accept(fresh: WorkloadIdentity): void {
    if (this.#state !== 'asking') return;
    const before = this.#identity;
    const { random, clock } = this.#options;
    // What the stream says is newer than an answer that was under way meanwhile.
    const identity = this.#bundle === undefined ? fresh : { ...fresh, roots: this.#bundle };
    const life = identity.notAfterMs - identity.notBeforeMs;
    const renewAtMs = identity.notBeforeMs + life * (RENEW_AT + random.float() * RENEW_SPREAD);
    // An answer that is half over already must not be asked for in a circle.
    this.#renewAtMs = Math.max(renewAtMs, clock.wallMs() + Math.min(life * PAUSE_LIFE_MAX, PAUSE_MS_MAX));
    this.#identity = identity;
    this.#failures = 0;
    this.#expiry.renewed();
    this.#issued.inc();
    this.#enter('holding');
    this.#followRoots(identity);
    this.#watchExpiry();
    this.#armTimer();
    const times = `until ${iso(identity.notAfterMs)}, renewal at ${iso(this.#renewAtMs)}`;
    this.#options.log.info(`agent: certificate for ${identity.spiffeId} ${times}`);
    this.#publish(identity, before?.roots !== identity.roots);
    this.#follower.start();
  }

  async #bundleRequest(): Promise<BundleRequest> {
    const { config } = this.#options;
    const { token, trusted } = await readMaterial(config, this.#anchors);
    return { address: config.address, roots: trusted.map(String).join(''), token };
  }

  /** A rotation of the root, step by step: peers of the new one are trusted at once, those of a removed one no more. */
  #takeBundle(pem: string): void {
    const before = this.#identity;
    if (this.#state === 'stopped' || before === undefined || pem === this.#bundle) return;
    const { log } = this.#options;
    const bundle = readCertificates(pem) ?? [];
    if (bundle.length === 0) {
      log.warning('agent: the authority sent a bundle that holds no root; the one before stays');
      return;
    }
    this.#bundle = pem;
    const identity = { ...before, roots: pem };
    this.#identity = identity;
    this.#followRoots(identity);
    if (before.roots === pem) return;
    log.info(`agent: the authority trusts other roots: bundle ${bundleNumber(bundle)} of ${bundle.length}`);
    this.#publish(identity, true, false);
    if (this.#state === 'holding') this.#armTimer();
  }

  /** The first root of a bundle signs now: a certificate of another one is renewed soon, once for each bundle. */
  #followRoots({ roots, chain, notBeforeMs, notAfterMs }: WorkloadIdentity): void {
    const bundle = readCertificates(roots) ?? [];
    this.#anchors.take(bundle);
    const isByFirst = rootOf(chain, bundle) === bundle[0];
    if (isByFirst || this.#bundle === undefined || this.#renewedFor === this.#bundle) return;
    this.#renewedFor = this.#bundle;
    const { clock, random } = this.#options;
    const spreadMs = Math.min(SWITCH_MS_MAX, (notAfterMs - notBeforeMs) * PAUSE_LIFE_MAX);
    this.#renewAtMs = Math.min(this.#renewAtMs, clock.wallMs() + random.float() * spreadMs);
  }

  #publish(identity: WorkloadIdentity, newRoots: boolean, newCertificate = true): void {
    const { log, onSecret } = this.#options;
    try {
      // Peers with certificates of a new root must be verifiable before this side shows one.
      if (newRoots) onSecret(rootsSecret(identity));
      if (newCertificate) onSecret(identitySecret(identity));
    } catch (cause) {
      log.error(`agent: the certificate could not be handed out: ${messageOf(cause)}`);
    }
  }

  #fail(cause: unknown): void {
    if (this.#state !== 'asking') return;
    this.#failed.inc();
    const pauseMs = this.#pauseMs();
    this.#failures++;
    this.#retryAtMs = this.#options.clock.nowMs() + pauseMs;
    this.#enter('waiting');
    this.#armTimer();
    const until = this.#identity?.notAfterMs;
    const kept = until === undefined ? 'there is none yet' : `the one until ${iso(until)} stays`;
    const next = `next attempt in ${(pauseMs / 1000).toFixed(1)} s`;
    this.#options.log.warning(`agent: no new certificate: ${messageOf(cause)}; ${kept}, ${next}`);
  }

  /** Doubles with each failure, and is cut by up to a half at random. */
  #pauseMs(): number {
    const identity = this.#identity;
    const longest = identity === undefined
      ? PAUSE_BARE_MS_MAX
      : Math.min(PAUSE_MS_MAX, (identity.notAfterMs - identity.notBeforeMs) * PAUSE_LIFE_MAX);
    const pause = Math.min(longest, PAUSE_FIRST_MS * 2 ** Math.min(this.#failures, 20));
    return pause * (0.5 + this.#options.random.float() / 2);
  }

  #watchExpiry(): void {
    if (this.#identity !== undefined) this.#expiry.look(this.#identity, this.#options.clock.wallMs());
  }

  #armTimer(): void {
    const { clock } = this.#options;
    let ms = TICK_MS;
    if (this.#state === 'holding') ms = Math.min(ms, this.#renewAtMs - clock.wallMs());
    if (this.#state === 'waiting') ms = Math.min(ms, this.#retryAtMs - clock.nowMs());
    this.#timer.arm(ms);
  }

  /** Every change of state goes through here; from `stopped` there is no way back. */
  #enter(state: AgentState): void {
    if (this.#state !== 'stopped') this.#state = state;
  }
}

function identitySecret({ certificateChain, privateKey }: WorkloadIdentity): Secret {
  return {
    name: IDENTITY_SECRET,
    tlsCertificate: { certificateChain: { inlineString: certificateChain }, privateKey: { inlineString: privateKey } },
  };
}

function rootsSecret({ roots }: WorkloadIdentity): Secret {
  return { name: ROOTS_SECRET, validationContext: { trustedCa: { inlineString: roots } } };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
