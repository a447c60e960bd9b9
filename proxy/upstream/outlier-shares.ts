// Which endpoints failed too much in an interval: more than the others did, or more than a share of their requests.
import type { OutlierSettings, Sample } from './outlier-settings.ts';
import type { OutlierState } from './outlier-state.ts';

/** What is looked at: responses, or connecting where that is counted apart. */
type Part = 'responses' | 'local';

interface Rated {
  readonly state: OutlierState;
  /** Percent of its requests that went well. */
  readonly rate: number;
}

/** Those whose success rate is below the mean by more than some standard deviations (success_rate_*). */
export function outliers(
  states: readonly OutlierState[], part: Part, settings: OutlierSettings['successRate'],
): OutlierState[] {
  const rated = ratedStates(states, part, settings);
  if (rated.length === 0) return [];
  const mean = rated.reduce((sum, { rate }) => sum + rate, 0) / rated.length;
  const variance = rated.reduce((sum, { rate }) => sum + (rate - mean) ** 2, 0) / rated.length;
  const threshold = mean - settings.stdevFactor * Math.sqrt(variance);
  return rated.filter(({ rate }) => rate < threshold).map(({ state }) => state);
}

/** Those of whose requests at least a share failed (failure_percentage_*). */
export function failing(
  states: readonly OutlierState[], part: Part, settings: OutlierSettings['failurePercentage'],
): OutlierState[] {
  return ratedStates(states, part, settings)
    .filter(({ rate }) => 100 - rate >= settings.thresholdPercent)
    .map(({ state }) => state);
}

/** Endpoints with requests enough; none at all where such endpoints are too few. */
function ratedStates(states: readonly OutlierState[], part: Part, { endpointsMin, requestsMin }: Sample): Rated[] {
  if (states.length < endpointsMin) return [];
  const rated = states
    .filter((state) => !state.ejected && state[part].total > 0 && state[part].total >= requestsMin)
    .map((state) => ({ state, rate: (100 * state[part].good) / state[part].total }));
  return rated.length < endpointsMin ? [] : rated;
}
