// The node agent: keeps this proxy's certificate and roots fresh, so that workers can be given them as SDS secrets.
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { Secret } from '../config/tls.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Gauge, Stats } from '../telemetry/stats.ts';
import type { AgentConfig } from './agent-config.ts';
import { requestCertificate } from './ca-client.ts';
import type { RequestCertificate } from './ca-client.ts';
import { obtainIdentity } from './workload-identity.ts';
import type { WorkloadIdentity } from './workload-identity.ts';

/**
 * - idle: not started.
 * - asking: a request to the authority is under way.
 * - holding: the certificate is younger than its renewal time.
 * - waiting: the last request failed, and the next follows after a pause; an older certificate stays in use.
 * - stopped: nothing happens any more.
 */
export type AgentState = 'idle' | 'asking' | 'holding' | 'waiting' | 'stopped';

/** What the agent has to say, by urgency. Lines hold no secret. */
export interface AgentLog {
  info(line: string): void;
  warning(line: string): void;
  error(line: string): void;
}

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
}

/** Names of the secrets, as Istio's configuration asks for them. */
export const IDENTITY_SECRET = 'default';
export const ROOTS_SECRET = 'ROOTCA';

/** `agent.certificate_seconds_to_expiry`, `agent.certificate_issued`, `agent.certificate_failed`. */
const scope: StatScope = { flat: 'agent.', family: 'weft_agent_', labels: [] };

/** The wall clock is looked at this often: timers stand still while a machine sleeps, certificates do not. */
const TICK_MS = 10_000;

/** Renewal at half of the life, give or take a tenth of that half, so that a fleet does not ask at once. */
const RENEW_AT = 0.5;
const RENEW_JITTER = 0.05;

/** Pauses after failures double from the first to the longest; without any certificate the longest is shorter. */
const PAUSE_FIRST_MS = 250;
const PAUSE_MS_MAX = 60_000;
const PAUSE_BARE_MS_MAX = 5000;

/** A pause is never longer than this part of the certificate's life. */
const PAUSE_LIFE_MAX = 1 / 20;

/** At these parts of a life without renewal somebody is told (F22). */
const ALARMS: readonly (readonly [part: number, level: 'warning' | 'error', words: string])[] = [
  [2 / 3, 'warning', 'two thirds'],
  [9 / 10, 'error', 'nine tenths'],
  [1, 'error', 'all'],
];

export class NodeAgent implements TimerTarget {
  readonly #options: AgentOptions;
  readonly #timer: Timer;
  readonly #secondsToExpiry: Gauge;
  readonly #issued: Counter;
  readonly #failed: Counter;
  #state: AgentState = 'idle';
  #identity: WorkloadIdentity | undefined = undefined;
  #renewAtMs = 0;
  /** Monotonic, for the pause in `waiting`. */
  #retryAtMs = 0;
  #failures = 0;
  #alarmsGiven = 0;
  #abort = new AbortController();

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#timer = new Timer(options.wheel, this);
    this.#secondsToExpiry = options.stats.gauge(statName(scope, 'certificate_seconds_to_expiry'));
    this.#issued = options.stats.counter(statName(scope, 'certificate_issued'));
    this.#failed = options.stats.counter(statName(scope, 'certificate_failed'));
  }

  get state(): AgentState {
    return this.#state;
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
    this.#abort.abort();
  }

  onTimer(): void {
    this.#watchExpiry();
    const { clock } = this.#options;
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
    obtainIdentity(config, request ?? requestCertificate, clock.wallMs(), this.#abort.signal).then(
      (identity) => this.#accept(identity),
      (cause: unknown) => this.#fail(cause),
    );
  }

  #accept(identity: WorkloadIdentity): void {
    if (this.#state !== 'asking') return;
    const before = this.#identity;
    const { random } = this.#options;
    const life = identity.notAfterMs - identity.notBeforeMs;
    this.#renewAtMs = identity.notBeforeMs + life * (RENEW_AT + (random.float() * 2 - 1) * RENEW_JITTER);
    this.#identity = identity;
    this.#failures = 0;
    this.#alarmsGiven = 0;
    this.#issued.inc();
    this.#enter('holding');
    this.#watchExpiry();
    this.#armTimer();
    const times = `until ${iso(identity.notAfterMs)}, renewal at ${iso(this.#renewAtMs)}`;
    this.#options.log.info(`agent: certificate for ${identity.spiffeId} ${times}`);
    this.#publish(identity, before?.roots !== identity.roots);
  }

  #publish(identity: WorkloadIdentity, newRoots: boolean): void {
    const { log, onSecret } = this.#options;
    try {
      // Peers with certificates of a new root must be verifiable before this side shows one.
      if (newRoots) onSecret(rootsSecret(identity));
      onSecret(identitySecret(identity));
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

  /** Sets the gauge and gives each alarm once in a certificate's life. */
  #watchExpiry(): void {
    const identity = this.#identity;
    if (identity === undefined) return;
    const now = this.#options.clock.wallMs();
    this.#secondsToExpiry.set(Math.floor((identity.notAfterMs - now) / 1000));
    const part = (now - identity.notBeforeMs) / (identity.notAfterMs - identity.notBeforeMs);
    const alarm = ALARMS.findLast(([from], index) => part >= from && index >= this.#alarmsGiven);
    if (alarm === undefined) return;
    this.#alarmsGiven = ALARMS.indexOf(alarm) + 1;
    const [, level, words] = alarm;
    const ends = iso(identity.notAfterMs);
    this.#options.log[level](`agent: ${words} of the certificate's life is over without renewal; it ends ${ends}`);
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
