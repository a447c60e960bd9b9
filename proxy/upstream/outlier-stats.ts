// Figures of outlier detection, with Envoy's names under `cluster.<name>.outlier_detection.`.
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Gauge, Stats } from '../telemetry/stats.ts';
import { EJECTION_KINDS } from './outlier-settings.ts';
import type { EjectionKind } from './outlier-settings.ts';

export class OutlierStats {
  readonly active: Gauge;
  /** Ejections that max_ejection_percent forbade. */
  readonly overflow: Counter;
  readonly enforcedTotal: Counter;
  readonly detected: Readonly<Record<EjectionKind, Counter>>;
  readonly enforced: Readonly<Record<EjectionKind, Counter>>;

  constructor(stats: Stats, scope: StatScope) {
    const counter = (name: string): Counter => stats.counter(statName(scope, `outlier_detection.${name}`));
    const byKind = (verb: string): Record<EjectionKind, Counter> => (
      Object.fromEntries(EJECTION_KINDS.map((kind) => [kind, counter(`${verb}_${kind}`)])) as
        Record<EjectionKind, Counter>
    );
    this.active = stats.gauge(statName(scope, 'outlier_detection.ejections_active'));
    this.overflow = counter('ejections_overflow');
    this.enforcedTotal = counter('ejections_enforced_total');
    this.detected = byKind('ejections_detected');
    this.enforced = byKind('ejections_enforced');
  }
}
