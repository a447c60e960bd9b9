// Request routing: which version of a service answers is said by a rule, for everybody or by who asks.
import { isWhole } from '../../demo/tour-context.ts';
import type { Lab, Task } from '../task.ts';
import { ROW, settled } from '../task.ts';

/** Waits until all pages of a user show one version of the reviews. */
export async function versions(lab: Lab, version: string, user?: string): Promise<string> {
  await settled(lab, async () => {
    const view = await lab.client.page(user);
    return isWhole(view) ? view.version : JSON.stringify(view);
  }, version);
  return `${ROW} pages of ${user ?? 'nobody in particular'} show ${version}`;
}

export const requestRouting: Task = {
  name: 'request-routing',
  title: 'which version of reviews answers whom',
  needs: ['gateway', 'bookinfo'],
  steps: [
    {
      title: 'everybody gets v1',
      file: 'all-v1.yaml',
      run: async (lab) => {
        const seen = await versions(lab, 'v1');
        return `${seen}; ${await versions(lab, 'v1', 'jason')}`;
      },
    },
    {
      title: 'jason gets v2, by the header end-user; others still get v1',
      file: 'by-user.yaml',
      run: async (lab) => {
        const jason = await versions(lab, 'v2', 'jason');
        return `${jason}; ${await versions(lab, 'v1')}; ${await versions(lab, 'v1', 'Jason')}`;
      },
    },
  ],
};
