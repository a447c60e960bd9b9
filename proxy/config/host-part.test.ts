// What of a route table is sent again when it changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostParts } from './host-part.ts';
import type { Route, RouteConfiguration, VirtualHost } from './route.ts';

const host = (name: string, more: Partial<Route> = {}): VirtualHost => (
  { name, domains: [name], routes: [{ match: { prefix: '/' }, route: { cluster: name }, ...more }] });
const [a, b, c, d] = [host('a'), host('b'), host('c'), host('d')] as const;

function partsOf(
  after: readonly VirtualHost[], before: readonly VirtualHost[] | undefined, more: object = {},
): unknown {
  const table: RouteConfiguration = { name: 'r', virtualHosts: [...after], ...more };
  return hostParts(table, before === undefined ? undefined : { name: 'r', virtualHosts: [...before] });
}

test('virtual hosts that are the same objects are kept, in runs, wherever they stand now', () => {
  assert.deepEqual(partsOf([a, b, c], [a, b, c]), [{ from: 0, count: 3 }]);
  assert.deepEqual(partsOf([a, b, d, c], [a, b, c]), [{ from: 0, count: 2 }, d, { from: 2, count: 1 }]);
  assert.deepEqual(partsOf([c, a], [a, b, c]), [{ from: 2, count: 1 }, { from: 0, count: 1 }]);
  assert.deepEqual(partsOf([a, host('b')], [a, b]), [{ from: 0, count: 1 }, b], 'an equal one is another object');
});

test('all is new where there was none, or where anything else of the table has changed', () => {
  assert.deepEqual(partsOf([a, b], undefined), [a, b]);
  assert.deepEqual(partsOf([a, b], []), [a, b]);
  assert.deepEqual(partsOf([a, b], [a, b], { ignorePortInHostMatching: true }), [a, b]);
});

test('a host with filters\' configuration is kept at its place only: their buckets are known by it', () => {
  const typedPerFilterConfig = { 'envoy.filters.http.buffer': {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute', disabled: true,
  } } as const;
  const weighted = { weightedClusters: { clusters: [{ name: 'w', weight: 1, typedPerFilterConfig }] } };
  const all = [{ ...a, typedPerFilterConfig }, host('r', { typedPerFilterConfig }), host('w', { route: weighted })];
  for (const own of all) {
    assert.deepEqual(partsOf([own, b], [own]), [{ from: 0, count: 1 }, b]);
    assert.deepEqual(partsOf([b, own], [own, b]), [{ from: 1, count: 1 }, own]);
  }
});
