// Which hosts a chain that was chosen by SNI serves: exact names, wildcards, chains without names, and other criteria.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilterChainMatch } from '../config/listener.ts';
import { servedHosts } from './served-host.ts';

/** Whether the chain of that name serves a host. */
function serving(chains: Readonly<Record<string, FilterChainMatch>>): (chain: string, host: string) => boolean {
  const served = servedHosts(Object.entries(chains).map(([chain, match]) => ({ chain, match })));
  return (chain, host) => served.get(chain)?.serves(host) ?? true;
}

test('S54 a host is served where SNI of that name would have led', () => {
  const serves = serving({
    a: { serverNames: ['a.example', 'www.a.example'] }, wild: { serverNames: ['*.example'] }, any: {},
  });
  const rows: readonly (readonly [string, string])[] = [
    ['a', 'a.example'], ['a', 'A.Example:8443'], ['a', 'www.a.example.'], ['wild', 'b.example'],
    ['wild', 'c.b.example'], ['any', 'other.org'], ['any', 'example'], ['any', '[::1]:443'], ['any', '10.0.0.1'],
  ];
  for (const [owner, host] of rows) {
    for (const chain of ['a', 'wild', 'any']) assert.equal(serves(chain, host), chain === owner, `${chain} ${host}`);
  }
});

test('one tenant, or chains that are told apart by other things, serve any host', () => {
  const one = serving({ a: { serverNames: ['a.example'] }, b: { serverNames: ['a.example'], sourcePorts: [1] } });
  assert.deepEqual([one('a', 'b.example'), one('b', 'b.example')], [true, true]);
  const ports = serving({
    a: { serverNames: ['a.example'], destinationPort: 1 }, b: { serverNames: ['b.example'], destinationPort: 2 },
  });
  assert.deepEqual([ports('a', 'b.example'), ports('b', 'a.example')], [true, true]);
  const alpn = serving({
    a: { serverNames: ['a.example'], applicationProtocols: ['h2'] }, b: { serverNames: ['a.example', 'b.example'] },
  });
  assert.deepEqual([alpn('a', 'a.example'), alpn('b', 'a.example'), alpn('a', 'b.example')], [true, true, false]);
});
