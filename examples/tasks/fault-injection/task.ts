// Fault injection: a slow and a failing service for one user, to see what the application makes of it.
import { setTimeout as delay } from 'node:timers/promises';
import type { PageView } from '../../demo/tour-context.ts';
import { check, isWhole } from '../../demo/tour-context.ts';
import type { Lab, Task } from '../task.ts';
import { reached } from '../task.ts';

/** Pages of an ordinary user, all of which must be whole. */
async function others(lab: Lab): Promise<PageView[]> {
  const views = await lab.client.many(20, () => lab.client.page('somebody'), 2);
  const wrong = views.find((view) => !isWhole(view));
  check(wrong === undefined, `nobody else may notice, but somebody's page was ${JSON.stringify(wrong)}`);
  return views;
}

/** Longer than a page takes by itself. */
const NOTICED_MS = 2000;

/** A page of jason's that is being held back; in a list, because a promise of a promise is its value. */
async function held(lab: Lab): Promise<readonly [Promise<PageView>]> {
  let page: Promise<PageView> | undefined = undefined;
  await reached(lab, 'the delay', async () => {
    page = lab.client.page('jason');
    return (await Promise.race([page, delay(NOTICED_MS, 'held')])) === 'held';
  });
  return [page!];
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

export const faultInjection: Task = {
  name: 'fault-injection',
  title: 'ratings are slow, then fail, for jason alone',
  needs: ['gateway', 'bookinfo'],
  steps: [
    {
      title: '7 s of delay before ratings: the page waits 3 s twice for its reviews, and gives up',
      file: 'delay.yaml',
      run: async (lab) => {
        const [jason, views] = await Promise.all([...await held(lab), others(lab)]);
        check(jason.reviewsError !== undefined, `jason's page should lack its reviews: ${JSON.stringify(jason)}`);
        const slowest = Math.max(...views.map(({ durationMs }) => durationMs));
        check(slowest < jason.durationMs, `somebody else waited longer than jason: ${seconds(slowest)}`);
        return `jason read "${jason.reviewsError}" after ${seconds(jason.durationMs)}; `
          + `20 whole pages for somebody else meanwhile, the slowest after ${seconds(slowest)}`;
      },
    },
    {
      title: '500 in place of ratings: the page says so at once, and shows the rest',
      file: 'abort.yaml',
      run: async (lab) => {
        const error = 'Ratings service is currently unavailable';
        await reached(lab, 'the abort', async () => (await lab.client.page('jason')).ratingsError === error);
        const [views] = await Promise.all([lab.client.many(20, () => lab.client.page('jason'), 2), others(lab)]);
        const wrong = views.find((view) => view.ratingsError !== error || view.reviewsStatus !== 200);
        check(wrong === undefined, `jason should see reviews without ratings, but saw ${JSON.stringify(wrong)}`);
        return `jason read "${error}" 20 times; 20 whole pages for somebody else meanwhile`;
      },
    },
  ],
};
