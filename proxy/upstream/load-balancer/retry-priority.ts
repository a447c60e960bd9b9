// Which priorities a retry goes to (Envoy's previous_priorities): after so many tries, those that were not tried yet.
import { distribute, totalOf } from './priority-load.ts';
import type { Availability, PriorityLoad } from './priority-load.ts';

/** What a request knows of its tries' priorities; asked at every pick, so that a pick made again sees it changed. */
export class PreviousPriorities {
  readonly #frequency: number;
  readonly #excluded = new Set<number>();
  #attempted: number[] = [];
  #loads: readonly PriorityLoad[] | undefined = undefined;

  /** Every `frequency` tries the priorities of all tries so far are left out. */
  constructor(frequency: number) {
    this.#frequency = frequency;
  }

  onAttempt(priority: number): void {
    this.#attempted.push(priority);
  }

  /** `own` are the cluster's; they hold where there is nothing to change. */
  loadsOf(offered: Availability, own: readonly PriorityLoad[]): readonly PriorityLoad[] {
    const tries = this.#attempted.length;
    if (tries < this.#frequency) return own;
    if (tries % this.#frequency !== 0 && this.#loads?.length === own.length) return this.#loads;
    for (const priority of this.#attempted) this.#excluded.add(priority);
    let rest = this.#without(offered);
    if (totalOf(rest) === 0) {
      // All were tried: it begins anew.
      this.#excluded.clear();
      this.#attempted = [];
      rest = offered;
    }
    if (totalOf(rest) === 0) return own;
    this.#loads = distribute(rest, own.map(({ panic }) => panic));
    return this.#loads;
  }

  #without({ healthy, degraded }: Availability): Availability {
    const rest = (percents: readonly number[]): number[] =>
      percents.map((percent, priority) => (this.#excluded.has(priority) ? 0 : percent));
    return { healthy: rest(healthy), degraded: rest(degraded) };
  }
}
