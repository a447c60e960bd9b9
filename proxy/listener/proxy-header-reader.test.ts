// Headers of the PROXY protocol, cut anywhere; what Envoy and HAProxy make and take of them is in test/interop.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomInt } from 'node:crypto';
import { proxyHeader, V2_SIGNATURE } from '../base/proxy-protocol.ts';
import { LIMITS } from '../config/limits.ts';
import { ProxyHeaderReader } from './proxy-header-reader.ts';
import type { HeaderVerdict } from './proxy-header-reader.ts';

const V4 = { sourceIp: '192.0.2.1', sourcePort: 56_324, destinationIp: '198.51.100.2', destinationPort: 443 };
const V6 = { sourceIp: '2001:db8::1', sourcePort: 1, destinationIp: '::1', destinationPort: 65_535 };
const TLVS = [{ type: 1, value: Buffer.from('h2') }, { type: 4, value: Buffer.alloc(0) }];
const REST = Buffer.from('GET / HTTP/1.1\r\n\r\n');

interface Read {
  readonly verdict: HeaderVerdict;
  readonly consumed: number;
}

function read(...pieces: readonly Buffer[]): Read {
  const reader = new ProxyHeaderReader(['V1', 'V2']);
  let verdict: HeaderVerdict = 'more';
  for (const piece of pieces) if (verdict === 'more') verdict = reader.push(piece);
  return { verdict, consumed: reader.consumed };
}

const line = (text: string): Buffer => Buffer.from(text, 'latin1');

function binary(command: number, family: number, body: Buffer, length = body.length): Buffer {
  const head = Buffer.from([command, family, length >> 8, length & 0xff]);
  return Buffer.concat([V2_SIGNATURE, head, body]);
}

const GOOD: readonly (readonly [string, Buffer, unknown])[] = [
  ['v1 TCP4', proxyHeader('V1', V4), { version: 'V1', addresses: V4, tlvs: [] }],
  ['v1 TCP6', proxyHeader('V1', V6), { version: 'V1', addresses: V6, tlvs: [] }],
  ['v1 UNKNOWN', proxyHeader('V1', undefined), { version: 'V1', addresses: undefined, tlvs: [] }],
  ['v1 UNKNOWN with anything', line('PROXY UNKNOWN ffff:f...f:ffff x y\r\n'),
    { version: 'V1', addresses: undefined, tlvs: [] }],
  ['v2 TCP4', proxyHeader('V2', V4), { version: 'V2', addresses: V4, tlvs: [] }],
  ['v2 TCP6 with TLVs', proxyHeader('V2', V6, TLVS), { version: 'V2', addresses: V6, tlvs: TLVS }],
  ['v2 LOCAL', proxyHeader('V2', undefined), { version: 'V2', addresses: undefined, tlvs: [] }],
  ['v2 LOCAL with what it should not have', binary(0x20, 0x31, Buffer.alloc(216, 1)),
    { version: 'V2', addresses: undefined, tlvs: [] }],
];

/** What no sender of the protocol writes. */
const BAD: readonly (readonly [string, Buffer])[] = [
  ['v1 without CR', line('PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n')],
  ['v1 with CR inside', line('PROXY TCP4 1.1.1.1\r 2.2.2.2 1 2\r\n')],
  ['v1 of 108 bytes', line(`PROXY UNKNOWN ${'x'.repeat(93)}\r\n`)],
  ['v1 without end', line(`PROXY TCP4 ${'1'.repeat(200)}`)],
  ['v1 UDP4', line('PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n')],
  ['v1 of the other family', line('PROXY TCP4 ::1 ::1 1 2\r\n')],
  ['v1 with a zone', line('PROXY TCP6 fe80::1%lo ::1 1 2\r\n')],
  ['v1 with a field too few', line('PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n')],
  ['v1 with a field too many', line('PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n')],
  ['v1 with two spaces', line('PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n')],
  ['v1 with octal', line('PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n')],
  ['v1 with a port too large', line('PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n')],
  ['v1 with a port of zeros', line('PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n')],
  ['v1 with a signed port', line('PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n')],
  ['v2 of version 1', binary(0x11, 0x11, Buffer.alloc(12))],
  ['v2 of an unknown command', binary(0x22, 0x11, Buffer.alloc(12))],
  ['v2 UDP', binary(0x21, 0x12, Buffer.alloc(12))],
  ['v2 of an unknown family', binary(0x21, 0x41, Buffer.alloc(36))],
  ['v2 with addresses cut short', binary(0x21, 0x11, Buffer.alloc(11))],
  ['v2 TCP6 with addresses of TCP4', binary(0x21, 0x21, Buffer.alloc(12))],
  ['v2 with a TLV beyond its end', binary(0x21, 0x11, Buffer.concat([Buffer.alloc(12), Buffer.from([1, 0, 4, 1])]))],
  ['v2 with half a TLV', binary(0x21, 0x11, Buffer.concat([Buffer.alloc(12), Buffer.from([1, 0])]))],
  ['v2 with a TLV of 64 KiB', binary(0x21, 0x11, Buffer.concat([Buffer.alloc(12), Buffer.from([1, 255, 255])]))],
  ['v2 beyond the limit', binary(0x21, 0x11, Buffer.alloc(0), LIMITS.proxyHeaderBytesMax - 15)],
];

test('S48 headers are read exactly, at every split point, and not a byte beyond', () => {
  for (const [name, bytes, expected] of GOOD) {
    const whole = Buffer.concat([bytes, REST]);
    for (let at = 0; at <= whole.length; at++) {
      const { verdict, consumed } = read(whole.subarray(0, at), whole.subarray(at));
      assert.deepEqual(verdict, expected, `${name} at ${at}`);
      assert.equal(consumed, bytes.length, `${name} at ${at}`);
    }
    assert.deepEqual(read(...[...whole].map((byte) => Buffer.from([byte]))).verdict, expected, `${name} by bytes`);
    for (let at = 0; at < bytes.length; at++) assert.equal(read(bytes.subarray(0, at)).verdict, 'more', name);
  }
});

test('S48 malformed headers are told so, at every split point, and never throw', () => {
  for (const [name, bytes] of BAD) {
    for (let at = 0; at <= bytes.length; at++) {
      assert.equal(read(bytes.subarray(0, at), bytes.subarray(at)).verdict, 'malformed', `${name} at ${at}`);
    }
  }
});

test('S48 a header up to the limit is read, and one that is longer is refused before its bytes come', () => {
  const value = Buffer.alloc(LIMITS.proxyHeaderBytesMax - 16 - 12 - 3, 7);
  const { verdict } = read(proxyHeader('V2', V4, [{ type: 9, value }]));
  assert.deepEqual(verdict, { version: 'V2', addresses: V4, tlvs: [{ type: 9, value }] });
  const longer = proxyHeader('V2', V4, [{ type: 9, value: Buffer.alloc(value.length + 1) }]);
  assert.equal(read(longer.subarray(0, 16)).verdict, 'malformed');
});

test('what begins otherwise is none, from the first byte that differs', () => {
  for (const text of ['GET / HTTP/1.1', 'POST / HTTP/1.1', 'PRI * HTTP/2.0', '\x16\x03\x01', '\r\n\r\nGET', 'PROXX']) {
    const bytes = line(text);
    assert.equal(read(bytes).verdict, 'none', text);
    for (let at = 0; at <= bytes.length; at++) {
      assert.equal(read(bytes.subarray(0, at), bytes.subarray(at)).verdict, 'none');
    }
  }
  const v2alone = new ProxyHeaderReader(['V2']);
  assert.equal(v2alone.push(proxyHeader('V1', V4)), 'none');
});

test('S48 random damage never throws', () => {
  const seed = randomInt(2 ** 31);
  let state = seed;
  const next = (): number => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31);
  for (let i = 0; i < 20_000; i++) {
    const [, bytes] = GOOD[next() % GOOD.length]!;
    const damaged = Buffer.from(bytes);
    for (let n = next() % 3; n >= 0; n--) damaged[next() % damaged.length] = next() % 256;
    const { consumed } = read(damaged);
    assert.ok(consumed <= damaged.length, `seed ${seed}, case ${i}`);
  }
});

test('a mixed pair is written as IPv6, and TLVs that do not fit are left out', () => {
  const mixed = { ...V4, destinationIp: '2001:db8::2' };
  assert.equal(proxyHeader('V1', mixed).toString(),
    'PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 56324 443\r\n');
  const { verdict } = read(proxyHeader('V2', mixed));
  assert.deepEqual(verdict, { version: 'V2', addresses: { ...mixed, sourceIp: '::ffff:192.0.2.1' }, tlvs: [] });
  const big = { type: 1, value: Buffer.alloc(65_535) };
  assert.equal(proxyHeader('V2', V4, [big]).length, 28);
});
