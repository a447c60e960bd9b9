// TCP traffic shifting: connections that carry no HTTP, from one version of a service to the next by shares.
import { describe, fitsShare, tally } from '../../demo/tally.ts';
import { check } from '../../demo/tour-context.ts';
import type { Lab, Task } from '../task.ts';
import { ROW, reached, settled } from '../task.ts';

const CONNECTIONS = 250;
const SHARE_V2 = 0.2;

const versionOf = async ({ client }: Lab): Promise<string> => {
  const answer = await client.line('tcp-echo:9000', 'hello');
  return /^(v\d): hello$/.exec(answer)?.[1] ?? `"${answer}"`;
};

export const tcpTrafficShifting: Task = {
  name: 'tcp-traffic-shifting',
  title: 'connections to tcp-echo, from v1 to v2 by shares',
  needs: ['client', 'tcp-echo'],
  steps: [
    {
      title: 'all connections to v1',
      file: 'all-v1.yaml',
      run: async (lab) => {
        await settled(lab, () => versionOf(lab), 'v1');
        return `${ROW} connections, each with a line sent back by v1`;
      },
    },
    {
      title: 'a fifth of the connections to v2',
      file: 'fifth-v2.yaml',
      run: async (lab) => {
        await reached(lab, 'v2 for some', async () => (await versionOf(lab)) === 'v2');
        const counts = tally(await lab.client.many(CONNECTIONS, () => versionOf(lab)));
        const [v1 = 0, v2 = 0] = [counts.get('v1'), counts.get('v2')];
        const seen = `${CONNECTIONS} connections: ${describe(counts)}`;
        check(v1 + v2 === CONNECTIONS && fitsShare(v2, CONNECTIONS, SHARE_V2), `${seen}; a fifth should be v2`);
        return seen;
      },
    },
  ],
};
