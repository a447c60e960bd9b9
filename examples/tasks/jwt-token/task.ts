// JWT tokens: what a workload takes from whom, by the token that a request carries.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../../proxy/base/error.ts';
import type { Lab, Task } from '../task.ts';
import { reached } from '../task.ts';

export const HOST = { host: 'shop.example.com' };

/** The tokens of the page: whose, or a text that is none. */
export type Bearer = 'amy' | 'tester' | 'none' | 'bad';

export async function headersOf(bearer: Bearer): Promise<Record<string, string>> {
  if (bearer === 'none') return HOST;
  const file = fileURLToPath(new URL(`${bearer}.jwt`, import.meta.url));
  const token = bearer === 'bad' ? 'x.y.z' : (await readFile(file, 'utf8')).trim();
  return { ...HOST, authorization: `Bearer ${token}` };
}

async function statusOf({ client }: Lab, path: string, bearer: Bearer): Promise<number> {
  return (await client.gateway(path, await headersOf(bearer))).status;
}

/** A path, whose token, and the status that is due. */
export type Question = readonly [path: string, bearer: Bearer, status: number];

/** Asked again until all are answered so: rules come in force one after the other. */
export async function expectAll(lab: Lab, questions: readonly Question[]): Promise<string> {
  let seen: string[] = [];
  const wanted = questions.map(([path, whose, status]) => `${path} ${whose}: ${status}`).join(', ');
  await reached(lab, wanted, async () => {
    seen = [];
    for (const [path, whose] of questions) seen.push(`${path} ${whose}: ${await statusOf(lab, path, whose)}`);
    return seen.join(', ') === wanted;
  }).catch((cause: unknown) => {
    throw new Error(`${messageOf(cause)}; last seen: ${seen.join(', ')}`, { cause });
  });
  return wanted;
}

export const jwtToken: Task = {
  name: 'jwt-token',
  title: 'tokens that must be good, then be there, then be of a group',
  needs: ['gateway', 'web'],
  steps: [
    {
      title: 'a bad token is 401; without one a request passes',
      file: 'checked.yaml',
      run: (lab) => expectAll(lab, [['/status/200', 'none', 200], ['/status/200', 'amy', 200], ['/status/200', 'bad',
        401]]),
    },
    {
      title: 'who is not amy is 403',
      file: 'required.yaml',
      run: (lab) => expectAll(lab, [['/status/200', 'amy', 200], ['/status/200', 'bad', 401], ['/status/200', 'none',
        403]]),
    },
    {
      title: 'who is not of the group is 403',
      file: 'by-group.yaml',
      run: (lab) => expectAll(lab, [['/status/200', 'tester', 200], ['/status/200', 'none', 403],
        ['/status/200', 'amy', 403]]),
    },
  ],
};
