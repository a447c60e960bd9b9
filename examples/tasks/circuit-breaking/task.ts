// Circuit breaking: what a caller's sidecar turns away itself, so that a slow or failing service is not overrun.
import { describe, tally } from '../../demo/tally.ts';
import { check } from '../../demo/tour-context.ts';
import type { Answer } from '../client.ts';
import type { Lab, Task } from '../task.ts';
import { reached, settled } from '../task.ts';

const SLOW = 'http://web:8000/delay/2';
const V1_CLUSTER = 'cluster.outbound|8000|v1|web.default.svc.cluster.local';
const CLUSTER = 'cluster.outbound|8000||web.default.svc.cluster.local';
const BEYOND = 8;
const AT_ONCE = 2 + BEYOND;

/** Statuses of slow requests that are made at one time. */
async function volley({ client }: Lab): Promise<string> {
  const answers = await client.many(AT_ONCE, () => client.service('http://web:8000/delay/0.3'), AT_ONCE);
  return describe(tally(answers.map(({ status }) => `status ${status}:`)));
}

/** One request on its way, one that waits for the only connection, and then more. */
async function overflow(lab: Lab): Promise<string> {
  const { client } = lab;
  const stat = (name: string): Promise<number> => client.stat(`${V1_CLUSTER}.${name}`);
  const before = await stat('upstream_rq_pending_overflow');
  // A connection that is still being made would have the first request wait.
  await client.service('http://web:8000/');
  const served = client.service(SLOW);
  await reached(lab, 'a request is on its way', async () => (await stat('upstream_rq_active')) === 1);
  const waiting = client.service(SLOW);
  await reached(lab, 'a request waits', async () => (await stat('upstream_rq_pending_active')) === 1);
  const beyond = await Promise.all(Array.from({ length: BEYOND }, () => client.service(SLOW)));
  const wrong = beyond.find(({ status, headers }) => status !== 503 || headers['x-envoy-overloaded'] !== 'true');
  check(wrong === undefined, `all beyond should be turned away: ${JSON.stringify(wrong)}`);
  const [first, second] = await Promise.all([served, waiting]);
  check(first.status === 200 && second.status === 200, `the first two should pass: ${first.status}, ${second.status}`);
  const counted = await stat('upstream_rq_pending_overflow') - before;
  check(counted === BEYOND, `upstream_rq_pending_overflow should have grown by ${BEYOND}, not by ${counted}`);
  return `the first was served, the second waited and was served, ${BEYOND} were turned away at once with 503 `
    + `(x-envoy-overloaded); upstream_rq_pending_overflow grew by ${counted}`;
}

const answered = async ({ client }: Lab): Promise<string> => {
  const { status, body } = await client.service('http://web:8000/');
  return `${status} ${body.trim()}`;
};

export const circuitBreaking: Task = {
  name: 'circuit-breaking',
  title: 'a limit on what waits for web, and an instance that is left out while it fails',
  needs: ['client', 'web'],
  steps: [
    {
      title: `without limits ${AT_ONCE} slow requests pass at one time`,
      file: 'no-limits.yaml',
      run: async (lab) => {
        await settled(lab, () => answered(lab), '200 hello from web-v1 (v1)');
        const seen = await volley(lab);
        check(seen === `status 200: ${AT_ONCE}`, `all should pass: ${seen}`);
        return `${AT_ONCE} requests: ${seen}`;
      },
    },
    {
      title: 'with one connection and one place to wait, the rest is turned away',
      file: 'limits.yaml',
      run: async (lab) => {
        await reached(lab, 'the limits', async () => (await volley(lab)).includes('status 503:'));
        return overflow(lab);
      },
    },
    {
      title: 'an instance that fails is ejected, and comes back when it is well again',
      file: 'ejection.yaml',
      changed: 'web-v2 is broken for a while: it answers 503 to everything',
      run: ejection,
    },
  ],
};

async function ejection(lab: Lab): Promise<string> {
  const { client, mesh } = lab;
  const url = mesh.applicationUrl(mesh.workload('web-v2'));
  const tell = (what: string): Promise<Answer> => client.ask(url, `/${what}`, { method: 'POST' });
  const ejected = (): Promise<number> => client.stat(`${CLUSTER}.outlier_detection.ejections_active`);
  const [v1, v2] = ['200 hello from web-v1 (v1)', '200 hello from web-v2 (v2)'];
  await reached(lab, 'both versions', async () => (await answered(lab)) === v2);
  await tell('break');
  const failed = '503 web-v2 is broken';
  const until = await askUntil(lab, failed);
  await reached(lab, 'the ejection', async () => {
    const isOut = (await ejected()) === 1;
    // One that was out and is back, because this took so long, has to fail again.
    if (!isOut) await answered(lab);
    return isOut;
  });
  const meanwhile = tally(await client.many(10, () => answered(lab), 1));
  check(meanwhile.get(v1) === 10 || meanwhile.has(failed), `only web-v1 should answer: ${describe(meanwhile)}`);
  await tell('mend');
  await reached(lab, 'the return', async () => (await answered(lab)) === v2);
  return `after ${until} answers one was "${failed}" and web-v2 was out; then ${describe(meanwhile)}; `
    + `mended, it answers again`;
}

/** How many answers came before one was `wanted`. */
async function askUntil(lab: Lab, wanted: string): Promise<number> {
  let count = 0;
  await reached(lab, wanted, async () => {
    count++;
    return (await answered(lab)) === wanted;
  });
  return count - 1;
}
