// Stats of one test, read back by their flat names.
import { Stats } from '../../proxy/telemetry/stats.ts';
import type { StatKind } from '../../proxy/telemetry/stats.ts';

export class CountedStats {
  readonly stats: Stats;
  readonly #kinds = new Map<string, StatKind>();

  constructor() {
    this.stats = new Stats({
      chunk: () => undefined,
      register: ({ kind, name }) => this.#kinds.set(name.flat, kind),
    });
  }

  /** Names of all that was asked for, histograms too. */
  get names(): ReadonlySet<string> {
    return new Set(this.#kinds.keys());
  }

  /** All counters and gauges that are not 0. */
  get counts(): Record<string, number> {
    const values = [...this.#kinds].map(([flat, kind]): [string, number] => {
      const name = { flat, family: '', labels: [] };
      return [flat, kind === 'gauge' ? this.stats.gauge(name).value : this.stats.counter(name).value];
    });
    return Object.fromEntries(values.filter(([, value]) => value !== 0));
  }
}
