// Steps (a), (b), (e): who sees which version, and how traffic shifts.
import type { Tally } from '../tally.ts';
import { describe, tally } from '../tally.ts';
import type { PageView, Step, TourContext } from '../tour-context.ts';
import { check, isWhole } from '../tour-context.ts';

function countVersions(views: readonly PageView[]): Tally {
  return tally(views.map((view) => (isWhole(view) ? (view.version ?? 'none') : `failed (${JSON.stringify(view)})`)));
}

/** Every one of `views` shows `version`. */
function checkAll(views: readonly PageView[], version: string, who: string): string {
  const counts = countVersions(views);
  check(
    counts.size === 1 && counts.has(version), `${who} should see reviews ${version} only, but saw: ${describe(counts)}`,
  );
  return `${who}: ${describe(counts)}`;
}

const sees = (tour: TourContext, version: string, user?: string) => async (): Promise<boolean> =>
  (await tour.page(user)).version === version;

export const allV1: Step = {
  title: '(a) all users get reviews v1',
  run: async (tour) => {
    await tour.rule('all-v1', sees(tour, 'v1'));
    return checkAll([...(await tour.pages(20)), ...(await tour.pages(20, 'jason'))], 'v1', 'everybody');
  },
};

export const jasonV2: Step = {
  title: '(b) user jason gets v2, others v1',
  run: async (tour) => {
    await tour.rule('jason-v2', sees(tour, 'v2', 'jason'));
    const jason = checkAll(await tour.pages(20, 'jason'), 'v2', 'jason');
    return `${jason}; ${checkAll(await tour.pages(20, 'somebody'), 'v1', 'others')}`;
  },
};

/** At 400 draws of a fair coin, 4.9 standard deviations are 49: further off happens with p < 1e-6. */
const DRAWS = 400;
const DEVIATION_MAX = 49;

export const shiftTraffic: Step = {
  title: '(e) traffic shifted 50/50 to v3, then 100 %',
  run: async (tour) => {
    await tour.rule('shift-50-50', async () => countVersions(await tour.pages(20)).has('v3'));
    const half = countVersions(await tour.pages(DRAWS));
    const v3 = half.get('v3') ?? 0;
    check(v3 + (half.get('v1') ?? 0) === DRAWS, `only v1 and v3 should be seen: ${describe(half)}`);
    check(
      Math.abs(v3 - DRAWS / 2) <= DEVIATION_MAX,
      `v3 should be seen ${DRAWS / 2} ± ${DEVIATION_MAX} times of ${DRAWS}: ${describe(half)}`,
    );
    await tour.rule('shift-100-v3', async () => countVersions(await tour.pages(12)).get('v3') === 12);
    return `at 50 %: ${describe(half)}; at 100 %: ${checkAll(await tour.pages(100), 'v3', 'everybody')}`;
  },
};
