// Made-up addresses: the same wherever and whenever they are made, and none twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { autoAddresses } from './auto-address.ts';

const named = (hostname: string, createdMs?: number): { hostname: string; createdMs: number | undefined } => (
  { hostname, createdMs });

test('an address is the name\'s own, whatever else there is and in whatever order', () => {
  const hosts = Array.from({ length: 3000 }, (_, i) => named(`api-${i}.example.com`));
  const all = autoAddresses(hosts, []);
  assert.deepEqual(all, autoAddresses(hosts.toReversed(), []));
  assert.equal(new Set([...all.values()].flat()).size, 2 * hosts.length);
  const [v4 = '', v6 = ''] = all.get('api-7.example.com') ?? [];
  assert.match(v4, /^240\.240\.\d+\.\d+$/);
  assert.match(v6, /^2001:2::f0f0:[0-9a-f]{1,4}$/);
  assert.ok([...all.values()].every(([address]) => !/\.(0|255)$/.test(address ?? '')), 'no network, no broadcast');
});

test('of two names for one address the older keeps it, and what somebody wrote is left alone', () => {
  const [first = ''] = autoAddresses([named('old.example')], []).get('old.example') ?? [];
  const [moved = ''] = autoAddresses([named('old.example')], [first]).get('old.example') ?? [];
  assert.notEqual(moved, first);
  const many = Array.from({ length: 20_000 }, (_, i) => named(`h${i}.example`, 2));
  assert.deepEqual(autoAddresses([...many, named('old.example', 1)], []).get('old.example')?.[0], first);
});

test('where there is no room left the last go without', () => {
  const given = autoAddresses(Array.from({ length: 66_000 }, (_, i) => named(`h${i}.example`)), []);
  assert.equal(given.size, 65_024);
});
