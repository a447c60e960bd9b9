// How much of the certificate's life is left: a gauge, and alarms in log and counters when nobody renews it (F22).
import { statName } from '../telemetry/stat-name.ts';
import type { Counter, Gauge, Stats } from '../telemetry/stats.ts';
import { AGENT_SCOPE } from './agent-stats.ts';
import type { AgentLog } from './agent-stats.ts';

/** Unix times in milliseconds. */
export interface Lifetime {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** At these parts of a life without renewal somebody is told. */
const ALARMS = [
  { part: 2 / 3, level: 'warning', words: 'two thirds', counter: 'certificate_alarm_two_thirds' },
  { part: 9 / 10, level: 'error', words: 'nine tenths', counter: 'certificate_alarm_nine_tenths' },
  { part: 1, level: 'error', words: 'all', counter: 'certificate_alarm_expired' },
] as const;

/** `agent.certificate_seconds_to_expiry` and a counter for each alarm. */
export class ExpiryWatch {
  readonly #log: AgentLog;
  readonly #secondsToExpiry: Gauge;
  readonly #counters: readonly Counter[];
  #alarmsGiven = 0;

  constructor(stats: Stats, log: AgentLog) {
    this.#log = log;
    this.#secondsToExpiry = stats.gauge(statName(AGENT_SCOPE, 'certificate_seconds_to_expiry'));
    this.#counters = ALARMS.map(({ counter }) => stats.counter(statName(AGENT_SCOPE, counter)));
  }

  /** A new certificate: each alarm may be given again. */
  renewed(): void {
    this.#alarmsGiven = 0;
  }

  /** Sets the gauge and gives each alarm once in a certificate's life; the latest alone where several are due. */
  look({ notBeforeMs, notAfterMs }: Lifetime, nowMs: number): void {
    this.#secondsToExpiry.set(Math.floor((notAfterMs - nowMs) / 1000));
    const part = (nowMs - notBeforeMs) / (notAfterMs - notBeforeMs);
    const index = ALARMS.findLastIndex((alarm, at) => part >= alarm.part && at >= this.#alarmsGiven);
    const alarm = ALARMS[index];
    if (alarm === undefined) return;
    this.#alarmsGiven = index + 1;
    this.#counters[index]!.inc();
    const ends = new Date(notAfterMs).toISOString();
    this.#log[alarm.level](`agent: ${alarm.words} of the certificate's life is over without renewal; it ends ${ends}`);
  }
}
