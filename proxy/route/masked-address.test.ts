// Networks of addresses as text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../base/cidr.ts';
import { maskedAddress } from './masked-address.ts';

const CASES = [
  ['10.9.8.7', 16, '10.9.0.0/16'], ['10.9.8.7', 32, '10.9.8.7/32'], ['10.9.8.7', 0, '0.0.0.0/0'],
  ['255.255.255.255', 9, '255.128.0.0/9'], ['::ffff:10.1.2.3', 24, '10.1.2.0/24'],
  ['2001:db8:1::5', 32, '2001:db8::/32'], ['2001:db8:1::5', 128, '2001:db8:1::5/128'],
  ['1:0:0:2:0:0:0:3', 128, '1:0:0:2::3/128'], ['1:0:2:3:4:5:6:7', 128, '1:0:2:3:4:5:6:7/128'],
  ['fe80::1', 0, '::/0'], ['1:2:3:4:5:6:7:8', 127, '1:2:3:4:5:6:7:8/127'], ['1:2:3:4:5:6:7:8', 70, '1:2:3:4::/70'],
] as const;

test('addresses are cut to their prefix and written as RFC 5952 has it', () => {
  for (const [address, bits, text] of CASES) assert.equal(maskedAddress(parseIp(address)!, bits), text);
});
