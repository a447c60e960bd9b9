// Figures of outlier detection, with Envoy's names under `cluster.<name>.outlier_detection.`.
import { innerScope } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import { StatShape } from '../telemetry/stats.ts';
import type { Counter, Gauge, StatBlock, Stats } from '../telemetry/stats.ts';
import { EJECTION_KINDS } from './outlier-settings.ts';
import type { EjectionKind } from './outlier-settings.ts';

const SHAPE = new StatShape('outlier-detection', {
  counter: [
    'ejections_overflow', 'ejections_enforced_total',
    ...EJECTION_KINDS.flatMap((kind) => [`ejections_detected_${kind}`, `ejections_enforced_${kind}`]),
  ],
  gauge: ['ejections_active'],
  histogram: [],
});

/** Ejections are rare, and clusters many: what counts is made each time. */
export class OutlierStats {
  readonly #block: StatBlock;

  constructor(stats: Stats, scope: StatScope) {
    this.#block = stats.block(SHAPE, innerScope(scope, 'outlier_detection'));
  }

  get active(): Gauge {
    return this.#block.gauge('ejections_active');
  }

  /** Ejections that max_ejection_percent forbade. */
  get overflow(): Counter {
    return this.#block.counter('ejections_overflow');
  }

  get enforcedTotal(): Counter {
    return this.#block.counter('ejections_enforced_total');
  }

  detected(kind: EjectionKind): Counter {
    return this.#block.counter(`ejections_detected_${kind}`);
  }

  enforced(kind: EjectionKind): Counter {
    return this.#block.counter(`ejections_enforced_${kind}`);
  }
}
