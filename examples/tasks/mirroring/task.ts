// Mirroring: a new version sees copies of the real requests before anybody depends on its answers.
import { fitsShare } from '../../demo/tally.ts';
import { check } from '../../demo/tour-context.ts';
import type { Lab, Task } from '../task.ts';
import { reached, settled, still } from '../task.ts';

const REQUESTS = 30;
const MANY = 250;
const QUARTER = 0.25;
const V1_ANSWER = 'hello from web-v1 (v1)';
const V2_MEMBERS = 'cluster.outbound|8000|v2|web.default.svc.cluster.local.membership_total';

/** Sends requests that all have to be answered by v1. */
async function send(lab: Lab, count: number, series: string): Promise<void> {
  await lab.client.many(count, async (i) => {
    const { status, body } = await lab.client.service(`http://web:8000/${series}/${i}`);
    check(status === 200 && body.trim() === V1_ANSWER, `one answer was not of web-v1: ${status} ${body}`);
  });
}

/** Sends them; how many of them web-v2 got as well, by its own log. */
async function copies(lab: Lab, count: number, series: string): Promise<number> {
  await send(lab, count, series);
  return still(lab, 'the log of web-v2', () => copied(lab, series));
}

/** Different requests of a series in the log of web-v2. */
async function copied({ mesh }: Lab, series: string): Promise<number> {
  const lines = (await mesh.log('web-v2')).split('\n').filter((line) => line.includes(`GET /${series}/`));
  const strange = lines.find((line) => !line.endsWith(' for web:8000'));
  check(strange === undefined, `a copy should be for the same host: ${strange}`);
  check(new Set(lines).size === lines.length, `no request should be copied twice: ${lines.join()}`);
  return lines.length;
}

/** Asks until web-v2 gets copies too; only then is the rule in force. */
async function mirrored(lab: Lab, series: string): Promise<void> {
  let sent = 0;
  await reached(lab, 'a copy', async () => {
    await lab.client.service(`http://web:8000/${series}/${sent++}`);
    return (await copied(lab, series)) > 0;
  });
}

export const mirroring: Task = {
  name: 'mirroring',
  title: 'v2 of web gets copies of what v1 answers',
  needs: ['client', 'web'],
  steps: [
    {
      title: 'without a mirror only v1 is asked',
      file: 'no-mirror.yaml',
      run: async (lab) => {
        // Another task may have left web-v2 out, so that web-v1 alone answers without a rule.
        await reached(lab, 'the subset v2', async () => (await lab.client.stat(V2_MEMBERS)) === 1);
        await settled(lab, async () => (await lab.client.service('http://web:8000/')).body.trim(), V1_ANSWER);
        const count = await copies(lab, REQUESTS, 'alone');
        check(count === 0, `web-v2 should have got nothing, not ${count} requests`);
        return `${REQUESTS} requests answered by web-v1, ${count} copies in the log of web-v2`;
      },
    },
    {
      title: 'every request is copied to v2; v1 answers as before',
      file: 'mirror-all.yaml',
      run: async (lab) => {
        await mirrored(lab, 'first');
        await send(lab, REQUESTS, 'copied');
        await reached(lab, `${REQUESTS} copies`, async () => (await copied(lab, 'copied')) === REQUESTS);
        return `${REQUESTS} requests answered by web-v1, ${REQUESTS} copies in the log of web-v2`;
      },
    },
    {
      title: 'a quarter of the requests is copied',
      file: 'mirror-quarter.yaml',
      run: async (lab) => {
        // A request that is not copied shows that the rule before is out of force.
        let sent = 0;
        await reached(lab, 'a request without a copy', async () => (await copies(lab, 4, `try-${sent++}`)) < 4);
        const count = await copies(lab, MANY, 'quarter');
        check(fitsShare(count, MANY, QUARTER), `web-v2 should have got about ${MANY * QUARTER} copies, not ${count}`);
        return `${MANY} requests answered by web-v1, ${count} copies in the log of web-v2`;
      },
    },
  ],
};
