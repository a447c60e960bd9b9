// `weft demo --check`: the guided tour, step by step, each printed with what was observed.
import { abortJason, delayJason } from './steps/faults.ts';
import { exactMetrics } from './steps/metrics.ts';
import { strangers } from './steps/refusals.ts';
import { allV1, jasonV2, shiftTraffic } from './steps/routing.ts';
import { brokenFile, deadInstances } from './steps/survival.ts';
import { oneTrace } from './steps/traces.ts';
import type { Step, TouredMesh } from './tour-context.ts';
import { TourContext } from './tour-context.ts';

/** In the order of the rules that they put in force. */
const STEPS: readonly Step[] = [
  allV1, jasonV2, oneTrace, delayJason, abortJason, shiftTraffic, exactMetrics, strangers, brokenFile, deadInstances,
];

/** 0 when every step holds, else 1. A failed step does not keep the others from being tried. */
export async function runTour(demo: TouredMesh, say: (line: string) => void): Promise<number> {
  const tour = new TourContext(demo);
  let failed = 0;
  for (const step of STEPS) {
    const startMs = performance.now();
    try {
      const observed = await step.run(tour);
      say(`ok    ${step.title}\n      ${observed} [${((performance.now() - startMs) / 1000).toFixed(1)} s]`);
    } catch (cause) {
      failed++;
      say(`FAIL  ${step.title}\n      ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }
  say(failed === 0 ? `\nall ${STEPS.length} steps hold` : `\n${failed} of ${STEPS.length} steps failed`);
  return failed === 0 ? 0 : 1;
}
