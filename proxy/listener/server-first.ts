// Destinations whose servers have been the first to speak: their next connections are made without a wait.
import type { Clock } from '../base/clock.ts';
import { joinHostPort } from '../base/host-port.ts';
import { LIMITS } from '../config/limits.ts';
import { serverScope, statName } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { ConnectionFacts } from './connection-facts.ts';

/** One worker's, over all listeners; bounded in number and time. */
export class ServerFirstMemory {
  readonly #clock: Clock;
  /** Until when (`nowMs`), the oldest first. */
  readonly #known = new Map<string, number>();
  readonly #forgotten: Counter;

  constructor(clock: Clock, stats: Stats) {
    this.#clock = clock;
    this.#forgotten = stats.counter(statName(serverScope, 'server_first_overflow'));
  }

  learn(facts: ConnectionFacts): void {
    const key = keyOf(facts);
    this.#known.delete(key);
    if (this.#known.size >= LIMITS.serverFirstDestinationsMax) {
      this.#forgotten.inc();
      this.#known.delete(this.#known.keys().next().value!);
    }
    this.#known.set(key, this.#clock.nowMs() + LIMITS.serverFirstMemoryMs);
  }

  knows(facts: ConnectionFacts): boolean {
    const key = keyOf(facts);
    const until = this.#known.get(key);
    if (until === undefined) return false;
    if (until > this.#clock.nowMs()) return true;
    this.#known.delete(key);
    return false;
  }
}

function keyOf({ destinationIp, destinationPort }: ConnectionFacts): string {
  return joinHostPort(destinationIp, destinationPort);
}
