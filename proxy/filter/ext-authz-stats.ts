// Figures of an ext_authz filter: its own, and beside the cluster that its requests go to.
import { innerScope, statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { Cluster } from '../upstream/upstream.ts';

const NAMES = ['ok', 'denied', 'error', 'failure_mode_allowed', 'invalid'] as const;
export type AuthStat = (typeof NAMES)[number];
type Counters = Readonly<Record<AuthStat, Counter>>;

export class ExtAuthzStats {
  readonly disabled: Counter;
  readonly #stats: Stats;
  readonly #prefix: string;
  readonly #own: Counters;
  readonly #clusters = new WeakMap<Cluster, Counters>();

  /** `http.<stat_prefix>.ext_authz.[<prefix>.]*` */
  constructor(stats: Stats, scope: StatScope, prefix: string) {
    this.#stats = stats;
    this.#prefix = prefix;
    const own = inner(scope, prefix);
    this.#own = countersOf(stats, own);
    this.disabled = stats.counter(statName(own, 'disabled'));
  }

  /** `cluster` is the one that the request goes to: `cluster.<name>.ext_authz.[<prefix>.]*`. */
  count(name: AuthStat, cluster: Cluster | undefined): void {
    this.#own[name].inc();
    if (cluster === undefined) return;
    let counters = this.#clusters.get(cluster);
    if (counters === undefined) {
      counters = countersOf(this.#stats, inner(cluster.statScope, this.#prefix));
      this.#clusters.set(cluster, counters);
    }
    counters[name].inc();
  }
}

function countersOf(stats: Stats, scope: StatScope): Counters {
  return Object.fromEntries(NAMES.map((name) => [name, stats.counter(statName(scope, name))])) as unknown as Counters;
}

/** A prefix is a part of the flat name, and in Prometheus's a label. */
function inner(scope: StatScope, prefix: string): StatScope {
  const { flat, family, labels } = innerScope(scope, 'ext_authz');
  if (prefix === '') return { flat, family, labels };
  return { flat: `${flat}${prefix}.`, family, labels: [['envoy_ext_authz_prefix', prefix], ...labels] };
}
