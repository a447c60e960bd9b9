// Steps (i), (j): a broken file changes nothing, and a dead instance costs nobody a request.
import { join } from 'node:path';
import { removeFile, replaceFile } from '../mesh-directory.ts';
import { withSteadyTraffic } from '../steady-traffic.ts';
import type { Step, TourContext } from '../tour-context.ts';
import { check, until } from '../tour-context.ts';

const BROKEN = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews, namespace: default }
spec:
  hosts: [reviews]
  http:
  - rute: [{ destination: { host: reviews, subset: v1 } }]
`;

/** What the control plane says of files that it refused; '' when there are none. */
async function refusals(tour: TourContext): Promise<string> {
  const status = await tour.json('/api/status');
  const { refusedFiles } = status as { refusedFiles: readonly { errors: readonly string[] }[] };
  return refusedFiles.flatMap(({ errors }) => errors).join('; ');
}

export const brokenFile: Step = {
  title: '(i) a broken YAML file is refused and traffic goes on',
  run: async (tour) => {
    const file = join(tour.demo.meshDir, 'broken.yaml');
    const { result: error, report: { sent } } = await withSteadyTraffic(tour, 2, async () => {
      await replaceFile(file, BROKEN);
      await until('the broken file is reported', async () => (await refusals(tour)) !== '');
      const text = await refusals(tour);
      const versions = new Set((await tour.pages(40)).map((view) => view.version));
      check(versions.size === 1 && versions.has('v3'), `the rules before it should hold: ${[...versions].join(', ')}`);
      await removeFile(file);
      await until('the refusal is gone with its file', async () => (await refusals(tour)) === '');
      return text;
    });
    check(error.includes('broken.yaml:7') && error.includes('rute') && error.includes('route'),
      `the refusal should name broken.yaml:7, "rute" and the nearest name "route": ${error}`);
    return `"${error}"; ${sent} requests meanwhile, none failed`;
  },
};

/** Kills processes under traffic and waits until they are back. */
async function killed(tour: TourContext, names: readonly string[]): Promise<string> {
  const { report: { sent } } = await withSteadyTraffic(tour, 4, () => tour.demo.killUntilBack(names));
  return `${names.join(' with ')} killed: ${sent} requests meanwhile, none failed`;
}

export const deadInstances: Step = {
  title: '(j) a dead instance, with its sidecar or behind it, costs no request',
  run: async (tour) => {
    await tour.rule('all-v1', async () => (await tour.page()).version === 'v1');
    const both = await killed(tour, ['app/reviews-v1-a', 'sidecar/reviews-v1-a']);
    const behind = await killed(tour, ['app/reviews-v1-b']);
    return `${both}; ${behind}`;
  },
};
