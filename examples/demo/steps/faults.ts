// Steps (c), (d): a delay and an abort for one user, while nobody else notices.
import { withSteadyTraffic } from '../steady-traffic.ts';
import type { Step } from '../tour-context.ts';
import { check } from '../tour-context.ts';
import { traceOf } from './traces.ts';

/** The page waits 3 s twice for its reviews; the injected delay is 7 s. */
const PATIENCE_MS = 5900;
const DELAY_US = 6_900_000;

export const delayJason: Step = {
  title: '(c) a 7 s delay between reviews:v2 and ratings, for jason only',
  run: async (tour) => {
    const traceId = 'da1a'.padStart(32, '7');
    await tour.rule('delay-jason', async () => (await tour.page('jason')).reviewsError !== undefined);
    const context = { 'x-b3-traceid': traceId, 'x-b3-spanid': '00000000000000a1', 'x-b3-sampled': '1' };
    const { result: view, report: { sent, slowestMs } } = await withSteadyTraffic(
      tour, 2, () => tour.page('jason', context),
    );
    check(view.reviewsError?.startsWith('Sorry, product reviews are currently unavailable') === true,
      `jason's page should say that reviews are unavailable: ${JSON.stringify(view)}`);
    check(
      view.durationMs > PATIENCE_MS,
      `jason's page should have waited for about 6 s, not ${Math.round(view.durationMs)} ms`,
    );
    check(slowestMs < 3000, `nobody else may be slowed, but one request took ${Math.round(slowestMs)} ms`);
    const trace = await traceOf(
      tour, traceId, (spans) => spans.some((span) => span.duration > DELAY_US && span.name.includes('ratings')),
    );
    const slow = trace.find((span) => span.duration > DELAY_US && span.name.includes('ratings'))!;
    return `jason waited ${(view.durationMs / 1000).toFixed(1)} s and read "${view.reviewsError}"; `
      + `the span "${slow.name}" took ${(slow.duration / 1e6).toFixed(1)} s; `
      + `${sent} requests of others meanwhile, the slowest ${Math.round(slowestMs)} ms`;
  },
};

export const abortJason: Step = {
  title: '(d) abort with 500 for jason only',
  run: async (tour) => {
    await tour.rule('abort-jason', async () => (await tour.page('jason')).ratingsError !== undefined);
    const { result: views, report: { sent } } = await withSteadyTraffic(tour, 2, () => tour.pages(20, 'jason'));
    const wrong = views.filter((view) => view.ratingsError !== 'Ratings service is currently unavailable');
    check(wrong.length === 0, `jason should see no ratings, but: ${JSON.stringify(wrong[0])}`);
    return `jason saw "${views[0]!.ratingsError}" 20 times; ${sent} requests of others meanwhile, none failed`;
  },
};
