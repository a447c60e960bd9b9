// What stays in the zone: shares as Envoy reckons them, and what keeps zones from counting.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../upstream.ts';
import type { LocalityEndpoints, PriorityEndpoints } from './locality.ts';
import { zonePlan } from './zone-share.ts';
import { zoneSettings } from './zone-settings.ts';
import type { ZoneSettings } from './zone-settings.ts';

/** Healthy endpoints by zone, `a` first. */
function level(counts: readonly number[], weight = 1, sick = 0): PriorityEndpoints {
  const localities = counts.map((count, i): LocalityEndpoints => {
    const make = (): Endpoint => ({ weight } as Endpoint);
    const healthy = Array.from({ length: count }, make);
    const all = [...healthy, ...Array.from({ length: sick }, make)];
    return { name: 'abc'[i]!, weight: 0, all, healthy, degraded: [] };
  }).filter(({ all }) => all.length > 0);
  const flat = (kind: 'all' | 'healthy'): Endpoint[] => localities.flatMap((locality) => [...locality[kind]]);
  return { all: flat('all'), healthy: flat('healthy'), degraded: [], localities };
}

function planned(
  upstream: PriorityEndpoints, local: PriorityEndpoints, settings: Partial<ZoneSettings> = {}, own = 'a',
): string {
  let why = 'no zones';
  const plan = zonePlan(upstream, local, own, { ...zoneSettings({ minClusterSize: 1 }), ...settings },
    (reason) => (why = reason));
  if (plan === undefined) return why;
  return plan.kind === 'near' ? `near ${plan.own}` : `${plan.nearShare} then ${plan.sums.join(' ')}`;
}

for (const [name, expected, upstream, local, settings, own] of [
  ['a zone that offers its share serves itself', 'near 0', [2, 2], [1, 1]],
  ['a zone that offers less keeps what it can', '5000 then 0 2500', [1, 3], [2, 2]],
  ['Envoy\'s example of 40, 40, 20 against 25, 50, 25', '6250 then 0 1000 1500', [5, 10, 5], [2, 2, 1]],
  ['a zone without an endpoint sends all away', '0 then 4166 4999', [0, 2, 1], [2, 1, 1]],
  ['a zone that few proxies are in is near whatever it lacks', 'near 0', [1, 3], [4, 0], { nearMin: 1 }],
  ['but not with fewer endpoints than are asked for', '2500 then 0 7500', [1, 3], [4, 0], { nearMin: 2 }],
  ['one zone of endpoints', 'no zones', [4], [1, 1]],
  ['one zone of proxies', 'no zones', [2, 2], [3]],
  ['no proxy near', 'no-local-endpoint', [2, 2], [0, 1, 1]],
  ['a small cluster', 'too-small', [2, 2], [1, 1], { minClusterSize: 5 }],
  ['a proxy in the last zone', '5000 then 0 3333 3333', [1, 1, 1], [1, 0, 2], {}, 'c'],
] as readonly (readonly [string, string, number[], number[], Partial<ZoneSettings>?, string?])[]) {
  test(name, () => assert.equal(planned(level(upstream), level(local), settings, own), expected));
}

test('only healthy endpoints are shared, by their weights where asked to', () => {
  const [heavy, light] = [level([1], 3).localities[0]!, level([3], 1, 2).localities[0]!];
  const localities = [heavy, { ...light, name: 'b' }];
  const upstream = { ...level([1, 3]), localities };
  assert.equal(planned(upstream, level([1, 1])), '5000 then 0 2500');
  assert.equal(planned(upstream, level([1, 1]), { byWeight: true }), 'near 0');
});
