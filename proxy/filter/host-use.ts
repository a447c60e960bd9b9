// Which virtual hosts that came on demand requests are for, told to the supervisor now and then, so that it can forget
// the others. A host with a live stream is in use however long that takes.
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';

/** Uses are told of together. */
const TELL_MS = 2000;

/** Names of virtual hosts by the table that has them. */
export type UsedHosts = (table: string, hosts: readonly string[]) => void;

export class HostUses implements TimerTarget {
  readonly #timer: Timer;
  readonly #tell: UsedHosts;
  readonly #tables = new Map<string, Map<string, number>>();

  constructor(timers: TimerWheel, tell: UsedHosts) {
    this.#timer = new Timer(timers, this);
    this.#tell = tell;
  }

  /** A stream has begun. */
  begin(table: string, host: string): void {
    let hosts = this.#tables.get(table);
    if (hosts === undefined) {
      hosts = new Map();
      this.#tables.set(table, hosts);
    }
    hosts.set(host, (hosts.get(host) ?? 0) + 1);
    if (!this.#timer.armed) this.#timer.arm(TELL_MS);
  }

  /** One that had begun is over: that is a use as well. */
  end(table: string, host: string): void {
    const hosts = this.#tables.get(table);
    hosts?.set(host, Math.max(0, (hosts.get(host) ?? 0) - 1));
  }

  onTimer(): void {
    for (const [table, hosts] of this.#tables) {
      this.#tell(table, [...hosts.keys()]);
      for (const [host, streams] of hosts) if (streams === 0) hosts.delete(host);
      if (hosts.size === 0) this.#tables.delete(table);
    }
    if (this.#tables.size > 0) this.#timer.arm(TELL_MS);
  }
}
