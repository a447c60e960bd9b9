// Made-up addresses: the same wherever and whenever they are made, and none twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atOnce } from '../model/steps.ts';
import { autoAddresses, type Unaddressed } from './auto-address.ts';

const named = (hostname: string, createdMs?: number): { hostname: string; createdMs: number | undefined } => (
  { hostname, createdMs });

function addressesOf(hosts: readonly Unaddressed[], taken: readonly string[]): Map<string, readonly string[]> {
  return atOnce(autoAddresses(hosts, taken));
}

test('an address is the name\'s own, whatever else there is and in whatever order', () => {
  const hosts = Array.from({ length: 3000 }, (_, i) => named(`api-${i}.example.com`));
  const all = addressesOf(hosts, []);
  assert.deepEqual(all, addressesOf(hosts.toReversed(), []));
  assert.equal(new Set([...all.values()].flat()).size, 2 * hosts.length);
  const [v4 = '', v6 = ''] = all.get('api-7.example.com') ?? [];
  assert.match(v4, /^240\.240\.\d+\.\d+$/);
  assert.match(v6, /^2001:2::f0f0:[0-9a-f]{1,4}$/);
  assert.ok([...all.values()].every(([address]) => !/\.(0|255)$/.test(address ?? '')), 'no network, no broadcast');
});

test('of two names for one address the older keeps it, and what somebody wrote is left alone', () => {
  const [first = ''] = addressesOf([named('old.example')], []).get('old.example') ?? [];
  const [moved = ''] = addressesOf([named('old.example')], [first]).get('old.example') ?? [];
  assert.notEqual(moved, first);
  const many = Array.from({ length: 20_000 }, (_, i) => named(`h${i}.example`, 2));
  assert.deepEqual(addressesOf([...many, named('old.example', 1)], []).get('old.example')?.[0], first);
});

test('where there is no room left the last go without', () => {
  const given = addressesOf(Array.from({ length: 66_000 }, (_, i) => named(`h${i}.example`)), []);
  assert.equal(given.size, 65_024);
});
