// Figures of zone-aware routing, with Envoy's names; only proxies with a local cluster have them.
import { statName } from '../../telemetry/stat-name.ts';
import type { StatScope } from '../../telemetry/stat-name.ts';
import type { Counter, Stats } from '../../telemetry/stats.ts';

/** cluster.<name>.lb_*. */
export class ZoneStats {
  readonly recalculated: Counter;
  readonly localNotOk: Counter;
  readonly tooSmall: Counter;
  readonly allDirectly: Counter;
  readonly sampled: Counter;
  readonly crossZone: Counter;
  readonly noCapacityLeft: Counter;

  constructor(stats: Stats, scope: StatScope) {
    const counter = (name: string): Counter => stats.counter(statName(scope, `lb_${name}`));
    this.recalculated = counter('recalculate_zone_structures');
    this.localNotOk = counter('local_cluster_not_ok');
    this.tooSmall = counter('zone_cluster_too_small');
    this.allDirectly = counter('zone_routing_all_directly');
    this.sampled = counter('zone_routing_sampled');
    this.crossZone = counter('zone_routing_cross_zone');
    this.noCapacityLeft = counter('zone_no_capacity_left');
  }
}
