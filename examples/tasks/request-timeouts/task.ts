// Request timeouts: how long a caller's sidecar waits for an answer, and what it says when there is none.
import type { PageView } from '../../demo/tour-context.ts';
import { check, isWhole } from '../../demo/tour-context.ts';
import type { Lab, Task } from '../task.ts';
import { reached } from '../task.ts';

const TIMEOUT = 504;

/** The first page of jason's of which `holds` is true. */
async function firstPage(lab: Lab, what: string, holds: (view: PageView) => boolean): Promise<PageView> {
  let view: PageView | undefined = undefined;
  await reached(lab, what, async () => {
    view = await lab.client.page('jason');
    return holds(view);
  });
  return view!;
}

export const requestTimeouts: Task = {
  name: 'request-timeouts',
  title: 'reviews that take longer than half a second are 504',
  needs: ['gateway', 'bookinfo'],
  steps: [
    {
      title: 'without a timeout, jason waits 2 s for his ratings, and has them',
      file: 'slow-ratings.yaml',
      run: async (lab) => {
        const view = await firstPage(lab, 'the delay', ({ durationMs }) => durationMs >= 2000);
        check(isWhole(view), `the page should be late and whole: ${JSON.stringify(view)}`);
        return `a whole page after ${(view.durationMs / 1000).toFixed(1)} s`;
      },
    },
    {
      title: 'with a timeout of 0.5 s, reviews are 504 for jason, who would have to wait; others have them',
      file: 'half-a-second.yaml',
      run: async (lab) => {
        const jason = await firstPage(lab, 'the timeout', ({ reviewsStatus }) => reviewsStatus === TIMEOUT);
        // On a machine without a free moment half a second may be short for anybody.
        await reached(lab, "somebody else's whole page", async () => isWhole(await lab.client.page('somebody')));
        return `for jason, reviews were ${jason.reviewsStatus} twice, and his page said `
          + `"${jason.reviewsError}" after ${(jason.durationMs / 1000).toFixed(1)} s; somebody else had a whole page`;
      },
    },
  ],
};
