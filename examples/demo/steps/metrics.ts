// Step (f): the sidecars' request counts equal the requests that were sent, label by label.
import { setTimeout as delay } from 'node:timers/promises';
import type { Step, TourContext } from '../tour-context.ts';
import { check, isWhole } from '../tour-context.ts';

/** Counts of istio_requests_total by `reporter destination_service_name destination_version response_code`. */
type Counts = Map<string, number>;

const REQUESTS = 60;
/** Longer than the injected delay and the application's own patience. */
const STILL_ROUNDS = 16;
const ROUND_MS = 500;

/**
 * What REQUESTS pages of an ordinary user cause while everybody sees v3:
 * each hop counted at its client and at its server.
 */
const EXPECTED: readonly (readonly [service: string, version: string])[] = [
  ['productpage', 'v1'], ['details', 'v1'], ['reviews', 'v3'], ['ratings', 'v1'],
];

export const exactMetrics: Step = {
  title: '(f) istio_requests_total on the sidecars equals the requests sent',
  run: async (tour) => {
    const before = await settledScrape(tour);
    const views = await tour.pages(REQUESTS, 'counted');
    check(
      views.every((view) => isWhole(view) && view.version === 'v3'),
      'every page should show v3 while the counts are taken',
    );
    const after = await scrape(tour);
    const wrong: string[] = [];
    const seen = new Set<string>();
    for (const [service, version] of EXPECTED) {
      for (const reporter of ['source', 'destination']) {
        const key = `${reporter} ${service} ${version} 200`;
        seen.add(key);
        const grown = (after.get(key) ?? 0) - (before.get(key) ?? 0);
        if (grown !== REQUESTS) wrong.push(`${key}: ${grown}`);
      }
    }
    for (const [key, value] of after) {
      if (!seen.has(key) && value !== (before.get(key) ?? 0)) wrong.push(`${key}: ${value - (before.get(key) ?? 0)}`);
    }
    check(wrong.length === 0, `after ${REQUESTS} pages these grew otherwise: ${wrong.join('; ')}`);
    return `${REQUESTS} pages: ${EXPECTED.length} services counted ${REQUESTS} each by reporter source `
      + `and by reporter destination, nothing else grew`;
  },
};

/** Delayed requests of earlier steps end late: the counts are taken once they have stood still for a while. */
async function settledScrape(tour: TourContext): Promise<Counts> {
  let counts = await scrape(tour);
  for (let still = 0; still < STILL_ROUNDS;) {
    await delay(ROUND_MS);
    const next = await scrape(tour);
    still = JSON.stringify([...next]) === JSON.stringify([...counts]) ? still + 1 : 0;
    counts = next;
  }
  return counts;
}

/** Sums over all sidecars. A scrape follows the last answer, so all counts are in. */
async function scrape(tour: TourContext): Promise<Counts> {
  const counts: Counts = new Map();
  for (const workload of tour.demo.workloads) {
    const text = await tour.text(tour.demo.metricsUrl(workload));
    for (const line of text.split('\n')) {
      if (!line.startsWith('istio_requests_total{')) continue;
      const label = (name: string): string => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1] ?? '';
      const key = ['reporter', 'destination_service_name', 'destination_version', 'response_code'].map(label).join(' ');
      counts.set(key, (counts.get(key) ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1)));
    }
  }
  return counts;
}
