// Traffic shifting: from one version of a service to the next, by shares of the requests.
import { describe, fitsShare, tally } from '../../demo/tally.ts';
import { check } from '../../demo/tour-context.ts';
import { versions } from '../request-routing/task.ts';
import type { Lab, Task } from '../task.ts';
import { reached } from '../task.ts';

const PAGES = 200;

const versionOf = async ({ client }: Lab): Promise<string> => (await client.page()).version ?? 'none';

export const trafficShifting: Task = {
  name: 'traffic-shifting',
  title: 'from v1 of reviews to v3, by shares',
  needs: ['gateway', 'bookinfo'],
  steps: [
    {
      title: 'all to v1',
      file: 'all-v1.yaml',
      run: (lab) => versions(lab, 'v1'),
    },
    {
      title: 'half to v3',
      file: 'half-v3.yaml',
      run: async (lab) => {
        await reached(lab, 'v3 for some', async () => (await versionOf(lab)) === 'v3');
        const counts = tally(await lab.client.many(PAGES, () => versionOf(lab)));
        const [v1 = 0, v3 = 0] = [counts.get('v1'), counts.get('v3')];
        const seen = `${PAGES} pages: ${describe(counts)}`;
        check(v1 + v3 === PAGES && fitsShare(v3, PAGES, 0.5), `${seen}; half should show v1 and half v3`);
        return seen;
      },
    },
    {
      title: 'all to v3',
      file: 'all-v3.yaml',
      run: (lab) => versions(lab, 'v3'),
    },
  ],
};
