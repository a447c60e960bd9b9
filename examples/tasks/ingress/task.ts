// Ingress: what the gateway lets in from outside the mesh, by host and path.
import { check } from '../../demo/tour-context.ts';
import type { Lab, Task } from '../task.ts';
import { reached } from '../task.ts';

export const HOST = { host: 'shop.example.com' };

/** What is asked at the gateway, and the status that is due. */
type Question = readonly [path: string, headers: Record<string, string>, status: number];

export async function expectAll({ client }: Lab, questions: readonly Question[]): Promise<string> {
  const seen: string[] = [];
  for (const [path, headers, wanted] of questions) {
    const { status } = await client.gateway(path, headers);
    const what = `${path} of ${headers['host'] ?? 'the address itself'}: ${status}`;
    check(status === wanted, `${what}, not ${wanted}`);
    seen.push(what);
  }
  return seen.join('; ');
}

export const ingress: Task = {
  name: 'ingress',
  title: 'into the mesh by the gateway, for one host only, then for any',
  needs: ['gateway', 'web'],
  steps: [
    {
      title: 'two paths of one host lead to web; other paths and hosts are 404',
      file: 'one-host.yaml',
      run: async (lab) => {
        await reached(lab, 'the way in', async () => (await lab.client.gateway('/status/200', HOST)).status === 200);
        return expectAll(lab, [
          ['/status/200', HOST, 200], ['/status/418', HOST, 418], ['/headers', HOST, 200], ['/delay/0', HOST, 404],
          ['/status/200', { host: 'other.example.com' }, 404], ['/status/200', {}, 404],
        ]);
      },
    },
    {
      title: 'the headers page of any host leads to web',
      file: 'any-host.yaml',
      run: async (lab) => {
        await reached(lab, 'the way in', async () => (await lab.client.gateway('/headers')).status === 200);
        return expectAll(lab, [
          ['/headers', {}, 200], ['/headers', { host: 'other.example.com' }, 200], ['/status/200', HOST, 404],
        ]);
      },
    },
  ],
};
