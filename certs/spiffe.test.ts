// SPIFFE ids: every form that the standard allows, and every one that it does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatSpiffeId, isTrustDomain, parseSpiffeId, workloadSpiffeId } from './spiffe.ts';

test('an Istio identity is read into namespace and service account', () => {
  assert.deepEqual(parseSpiffeId('spiffe://cluster.local/ns/default/sa/bookinfo-reviews'), {
    trustDomain: 'cluster.local',
    path: '/ns/default/sa/bookinfo-reviews',
    namespace: 'default',
    serviceAccount: 'bookinfo-reviews',
  });
});

test('other paths are identities without namespace', () => {
  for (const path of ['/db', '/ns/a/sa/b/c', '/ns/a/sb/c', '/ns/a', '/A_b-c.d/9', '/...', '/a/..b']) {
    assert.deepEqual(parseSpiffeId(`spiffe://prod.example${path}`), { trustDomain: 'prod.example', path });
  }
});

const REFUSED = [
  '', 'spiffe://', 'spiffe://td', 'spiffe://td/', 'spiffe:///ns/a/sa/b', 'spiffe://td//a', 'spiffe://td/a/',
  'spiffe://td/a//b', 'spiffe://td/.', 'spiffe://td/a/../b', 'spiffe://td/a/.', 'spiffe://TD/a', 'SPIFFE://td/a',
  'Spiffe://td/a', 'spiffe:/td/a', 'https://td/a', 'spiffe://td:443/a', 'spiffe://user@td/a', 'spiffe://td/a?x=1',
  'spiffe://td/a#b', 'spiffe://td/%61', 'spiffe://td/a%2Fb', 'spiffe://t%64/a', 'spiffe://td/a b', ' spiffe://td/a',
  'spiffe://td/a ', 'spiffe://td/a\0', 'spiffe://td/a\0b', 'spiffe://td\0/a', 'spiffe://td/*', 'spiffe://*/a',
  'spiffe://td/é', 'spiffe://tđ/a', 'spiffe://td/a\n', 'spiffe://td\\/a', 'spiffe://[::1]/a',
  `spiffe://td/${'a'.repeat(2048)}`, `spiffe://${'a'.repeat(256)}/a`,
];

test('S50 percent-encoding, upper case, NUL, Unicode, dot segments, no path and over-long ids are refused', () => {
  for (const text of REFUSED) assert.equal(parseSpiffeId(text), undefined, JSON.stringify(text.slice(0, 60)));
});

test('an id of exactly 2048 bytes is the longest', () => {
  const text = `spiffe://td/${'a'.repeat(2048 - 12)}`;
  assert.equal(text.length, 2048);
  assert.notEqual(parseSpiffeId(text), undefined);
  assert.equal(parseSpiffeId(`${text}a`), undefined);
});

test('workloadSpiffeId takes plain names only', () => {
  assert.equal(formatSpiffeId(workloadSpiffeId('td', 'a', 'b')!), 'spiffe://td/ns/a/sa/b');
  for (const bad of ['', 'a/b', '..', 'a%2f', 'a/sa/b']) {
    assert.equal(workloadSpiffeId('td', bad, 'b'), undefined, bad);
    assert.equal(workloadSpiffeId('td', 'a', bad), undefined, bad);
  }
  assert.equal(workloadSpiffeId('Td', 'a', 'b'), undefined);
});

test('trust domains', () => {
  for (const good of ['cluster.local', 'a', '0', 'x_y-z', 'a'.repeat(255)]) assert.ok(isTrustDomain(good));
  for (const bad of ['', 'A', 'a/b', 'a b', 'a:1', '*', 'a'.repeat(256), 'é']) assert.ok(!isTrustDomain(bad), bad);
});

test('whatever is read is written back the same', () => {
  const character = fc.constantFrom('a', 'z', 'A', '0', '.', '-', '_', '/', '%', ':', '?', '@', ' ', '\0', 'é');
  const path = fc.array(character, { maxLength: 24 }).map((parts) => parts.join(''));
  fc.assert(fc.property(path, (text) => {
    const id = parseSpiffeId(`spiffe://td/${text}`);
    assert.ok(id === undefined || formatSpiffeId(id) === `spiffe://td/${text}`);
  }));
});
