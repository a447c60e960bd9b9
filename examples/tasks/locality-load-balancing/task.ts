// Locality load balancing: the nearest instance answers, the next one when that is gone, or several by shares.
import { describe, fitsShare, tally } from '../../demo/tally.ts';
import { check } from '../../demo/tour-context.ts';
import type { Lab, Task } from '../task.ts';
import { ROW, reached, settled } from '../task.ts';

const REQUESTS = 300;
const SHARES = [['north/a', 0.7], ['north/b', 0.2], ['east/a', 0.1]] as const;

/** Where the instance is that answers; anything but 200 shows as it is. */
async function place({ client }: Lab): Promise<string> {
  const { status, body } = await client.service('http://hello:8000/');
  return status === 200 ? /in (\S+)/.exec(body)?.[1] ?? body : `status ${status}: ${body.trim()}`;
}

/** Kills a pod; where the answers come from then, and how many requests failed until they did. */
async function failsOver(lab: Lab, pod: string, next: string): Promise<string> {
  const seen: string[] = [];
  await lab.mesh.kill(lab.mesh.workload(pod));
  await settled(lab, async () => {
    const from = await place(lab);
    seen.push(from);
    return from;
  }, next);
  const failed = seen.filter((from) => from.startsWith('status'));
  // What cannot connect is tried elsewhere. One request may be sent before the end of its connection is known.
  check(failed.length <= 1, `one request at most should have failed, but: ${failed.join('; ')}`);
  return `${pod} died: ${next} answers, ${failed.length} of ${seen.length} requests failed`;
}

export const localityLoadBalancing: Task = {
  name: 'locality-load-balancing',
  title: 'hello from where the client is, or from the next place',
  needs: ['client', 'hello'],
  steps: [
    {
      title: 'shares by place: 70, 20 and 10 %, and nothing from the west',
      file: 'distribute.yaml',
      run: async (lab) => {
        await reached(lab, 'answers from east, none from west', async () => {
          const counts = tally(await lab.client.many(60, () => place(lab)));
          return counts.has('east/a') && !counts.has('west/a');
        });
        const counts = tally(await lab.client.many(REQUESTS, () => place(lab)));
        const seen = `${REQUESTS} requests: ${describe(counts)}`;
        check(SHARES.every(([where, share]) => fitsShare(counts.get(where) ?? 0, REQUESTS, share)), seen);
        check(counts.size === SHARES.length, `${seen}; nothing else should answer`);
        return seen;
      },
    },
    {
      title: 'the nearest answers',
      file: 'failover.yaml',
      run: async (lab) => {
        await settled(lab, () => place(lab), 'north/a');
        return `${ROW} requests are answered from north/a`;
      },
    },
    {
      title: 'places die one after another: first the same region takes over, then the east, last the west',
      changed: 'hello-north-a, hello-north-b and hello-east-a are killed; the mesh is not told',
      run: async (lab) => {
        const first = await failsOver(lab, 'hello-north-a', 'north/b');
        const second = await failsOver(lab, 'hello-north-b', 'east/a');
        return `${first}; ${second}; ${await failsOver(lab, 'hello-east-a', 'west/a')}`;
      },
    },
    {
      title: 'the nearest is back, and answers again',
      changed: 'hello-north-a is started again',
      run: async (lab) => {
        await lab.mesh.revive(lab.mesh.workload('hello-north-a'));
        await settled(lab, () => place(lab), 'north/a');
        return 'all from north/a again';
      },
    },
  ],
};
