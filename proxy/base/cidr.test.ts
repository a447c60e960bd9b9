// Addresses and ranges, judged beside node:net.
import assert from 'node:assert/strict';
import { BlockList, isIP } from 'node:net';
import { test } from 'node:test';
import { CidrSet, compileCidr, parseCidr, parseIp } from './cidr.ts';
import { ConfigError } from './error.ts';
import { SeededRandom } from './random.ts';

function contains(prefix: string, prefixLen: number, address: string): boolean {
  return new CidrSet([compileCidr({ addressPrefix: prefix, prefixLen }, 'x')]).contains(address);
}

test('IPv4 ranges', () => {
  assert.equal(contains('10.0.0.0', 8, '10.255.0.1'), true);
  assert.equal(contains('10.0.0.0', 8, '11.0.0.1'), false);
  assert.equal(contains('10.1.2.3', 32, '10.1.2.3'), true);
  assert.equal(contains('10.1.2.3', 32, '10.1.2.2'), false);
  assert.equal(contains('0.0.0.0', 0, '255.255.255.255'), true);
  assert.equal(contains('200.1.0.0', 15, '200.0.9.9'), true, 'bits beyond the length do not count');
});

test('IPv6 ranges, zone ids and IPv4-mapped addresses', () => {
  assert.equal(contains('2001:db8::', 32, '2001:db8:1::5'), true);
  assert.equal(contains('2001:db8::', 33, '2001:db8:8000::5'), false);
  assert.equal(contains('fe80::', 10, 'fe80::1%eth0'), true);
  assert.equal(contains('::1', 128, '::1'), true);
  assert.equal(contains('10.0.0.0', 8, '::ffff:10.9.9.9'), true);
  assert.equal(contains('::ffff:10.0.0.0', 104, '10.9.9.9'), true);
  assert.equal(contains('::', 0, '10.9.9.9'), false, 'families are apart');
  assert.equal(contains('0.0.0.0', 0, '::1'), false);
});

test('malformed addresses match nothing and are refused in configuration', () => {
  const bad = ['', '1', '1.2.3', '1.2.3.4.5', '256.1.1.1', '01.2.3.4', '1..2.3', '1.2.3.', '.1.2.3', ' 1.2.3.4', ':',
    ':::', '1::2::3',
    '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7::8', '12345::', 'g::', '1:2:3:4:5:6:7:', ':1::', '::1.2.3',
      '::1.2.3.4:5', 'localhost'];
  for (const text of bad) {
    assert.equal(parseIp(text), undefined, text);
    assert.equal(contains('0.0.0.0', 0, text), false, text);
    assert.throws(() => compileCidr({ addressPrefix: text }, 'a[0]'),
      (e) => e instanceof ConfigError && e.path === 'a[0].addressPrefix');
  }
  assert.throws(() => compileCidr({ addressPrefix: '1.2.3.4', prefixLen: 33 }, 'a'), /a\.prefixLen/);
  assert.throws(() => compileCidr({ addressPrefix: '::1', prefixLen: 129 }, 'a'), /a\.prefixLen/);
  assert.throws(() => compileCidr({ addressPrefix: '::ffff:1.2.3.4', prefixLen: 8 }, 'a'), /from 96 to 128/);
});

test('random addresses are read and matched as node:net reads and matches them', () => {
  const seed = 20260101;
  const random = new SeededRandom(seed);
  const group = (): string => random.below(random.below(2) === 0 ? 2 : 0x10000).toString(16);
  const v6 = (): string => Array.from({ length: random.below(9) },
    group).join(random.below(5) === 0 ? '::' : ':') + (random.below(3) === 0 ? '::' : '');
  const v4 = (): string => Array.from({ length: 4 }, () => random.below(260)).join('.');
  for (let i = 0; i < 20_000; i++) {
    const text = random.below(2) === 0 ? v4() : v6();
    assert.equal(parseIp(text) !== undefined, isIP(text) !== 0, `seed ${seed}: ${text}`);
  }
  for (let i = 0; i < 2000; i++) {
    const base = Array.from({ length: 8 }, group).join(':');
    const other = random.below(2) === 0 ? base.replace(/[^:]+$/, group()) : Array.from({ length: 8 }, group).join(':');
    const length = random.below(129);
    const list = new BlockList();
    list.addSubnet(base, length, 'ipv6');
    if (parseIp(base)?.family !== 6 || parseIp(other)?.family !== 6) continue;
    assert.equal(contains(base, length, other), list.check(other, 'ipv6'), `seed ${seed}: ${base}/${length} ${other}`);
  }
});

test('a range is written as address/length, and prints itself', () => {
  assert.equal(parseCidr('10.0.0.0/8').contains('10.4.5.6'), true);
  assert.equal(parseCidr('10.0.0.1').contains('10.0.0.2'), false);
  assert.equal(parseCidr('::1').prefixLength, 128);
  for (const bad of ['10.0.0.0/', '10.0.0.0/x', '10.0.0.0/33', '/8', '10.0.0.0/-1', '10.0.0.0/8/8']) {
    assert.throws(() => parseCidr(bad), ConfigError, bad);
  }
  assert.equal(String(compileCidr({ addressPrefix: '10.1.2.3', prefixLen: 8 }, '')), '10.0.0.0/8');
  assert.equal(String(compileCidr({ addressPrefix: '2001:db8::', prefixLen: 32 }, '')), '2001:db8:0:0:0:0:0:0/32');
});
