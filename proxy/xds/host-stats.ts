// What became of questions for virtual hosts, as `xds.vhds.*`.
import type { HostAnswer } from '../config/host-demand.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Gauge, Stats } from '../telemetry/stats.ts';

const VHDS: StatScope = { flat: 'xds.vhds.', family: 'envoy_xds_vhds_', labels: [] };

export class HostStats {
  /** Questions to the control plane; requests that ask for the same are one. */
  readonly asked: Counter;
  /** Hosts that made room for others. */
  readonly displaced: Counter;
  /** Hosts that no request was for any more. */
  readonly forgotten: Counter;
  /** Hosts that there are now. */
  readonly held: Gauge;
  readonly #absent: Counter;
  readonly #late: Counter;

  constructor(stats: Stats) {
    const counter = (name: string): Counter => stats.counter(statName(VHDS, name));
    [this.asked, this.displaced, this.forgotten] = [counter('asked'), counter('displaced'), counter('forgotten')];
    [this.#absent, this.#late] = [counter('absent'), counter('late')];
    this.held = stats.gauge(statName(VHDS, 'held'));
  }

  answer(answer: HostAnswer): void {
    if (answer === 'absent') this.#absent.inc();
    else if (answer === 'late') this.#late.inc();
  }
}
