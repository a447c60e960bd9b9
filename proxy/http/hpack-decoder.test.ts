// The decoder against RFC 7541's own examples, and everything that it must refuse.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HpackDecoder } from './hpack-decoder.ts';
import { encodeHuffman, huffmanBytes } from './hpack-huffman.ts';
import { FieldKind } from './http2-field.ts';

interface Field {
  readonly name: string;
  readonly value: string;
  readonly kind: number;
  readonly size: number;
}

function decode(decoder: HpackDecoder, block: string | Buffer): Field[] | undefined {
  const bytes = typeof block === 'string' ? Buffer.from(block.replaceAll(' ', ''), 'hex') : block;
  // In the middle of something else, which nobody may read.
  const around = Buffer.concat([Buffer.from('ffff', 'hex'), bytes, Buffer.from('82', 'hex')]);
  const fields: Field[] = [];
  const sink = { onField: (name: string, value: string, kind: number, size: number) =>
    void fields.push({ name, value, kind, size }) };
  return decoder.decode(around, 2, 2 + bytes.length, sink) ? fields : undefined;
}

function lines(decoder: HpackDecoder, block: string | Buffer): string[] | undefined {
  return decode(decoder, block)?.map(({ name, value }) => `${name}: ${value}`);
}

function refused(block: string | Buffer, tableSizeMax = 4096): void {
  assert.equal(decode(new HpackDecoder(tableSizeMax), block), undefined, block.toString('hex'));
}

/** A string literal, Huffman-coded or not. */
function string(text: string, huffman = false): Buffer {
  const bytes = Buffer.alloc(huffman ? huffmanBytes(text) : text.length);
  if (huffman) encodeHuffman(text, bytes, 0);
  else bytes.write(text, 'latin1');
  const length = integer(huffman ? 0x80 : 0, 0x7f, bytes.length);
  return Buffer.concat([length, bytes]);
}

function integer(pattern: number, prefix: number, value: number): Buffer {
  if (value < prefix) return Buffer.from([pattern | value]);
  const bytes = [pattern | prefix];
  let rest = value - prefix;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push(128 + rest % 128);
  return Buffer.from([...bytes, rest]);
}

function literal(name: string, value: string, pattern = 0x40, huffman = false): Buffer {
  return Buffer.concat([Buffer.from([pattern]), string(name, huffman), string(value, huffman)]);
}

/** [block, fields, bytes of the table afterwards]. */
const REQUESTS = [
  ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
    [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'], 57],
  ['8286 84be 5808 6e6f 2d63 6163 6865', '8286 84be 5886 a8eb 1064 9cbf',
    [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'], 110],
  ['8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com',
      'custom-key: custom-value'], 164],
] as const;

const COOKIE = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const RESPONSES = [
  [`4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
    546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
  `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b
    97c8 e9ae 82ae 43d3`,
  [':status: 302', 'cache-control: private', 'date: Mon, 21 Oct 2013 20:13:21 GMT',
    'location: https://www.example.com'], 222],
  ['4803 3330 37c1 c0bf', '4883 640e ffc1 c0bf',
    [':status: 307', 'cache-control: private', 'date: Mon, 21 Oct 2013 20:13:21 GMT',
      'location: https://www.example.com'], 222],
  [`88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d
    4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572
    7369 6f6e 3d31`,
  `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf
    cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
  [':status: 200', 'cache-control: private', 'date: Mon, 21 Oct 2013 20:13:22 GMT',
    'location: https://www.example.com', 'content-encoding: gzip', `set-cookie: ${COOKIE}`], 215],
] as const;

test('RFC 7541 appendix C.2: the four representations', () => {
  const decoder = new HpackDecoder();
  const sizes = [['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', 'custom-key: custom-header', 55],
    ['040c 2f73 616d 706c 652f 7061 7468', ':path: /sample/path', 55],
    ['1008 7061 7373 776f 7264 0673 6563 7265 74', 'password: secret', 55], ['82', ':method: GET', 55]] as const;
  for (const [block, line, bytes] of sizes) {
    assert.deepEqual(lines(decoder, block), [line]);
    assert.equal(decoder.tableBytes, bytes);
  }
});

test('RFC 7541 appendices C.3 to C.6: requests and responses, with and without Huffman, with evictions', () => {
  for (const huffman of [0, 1] as const) {
    const [requests, responses] = [new HpackDecoder(), new HpackDecoder(256)];
    for (const each of REQUESTS) {
      assert.deepEqual(lines(requests, each[huffman]), each[2]);
      assert.equal(requests.tableBytes, each[3]);
    }
    assert.deepEqual(lines(responses, integer(0x20, 0x1f, 256)), []);
    for (const each of RESPONSES) {
      assert.deepEqual(lines(responses, each[huffman].replaceAll(/\s/g, '')), each[2]);
      assert.equal(responses.tableBytes, each[3]);
    }
  }
});

test('S26 a size update stands at the beginning, at most twice, and within our setting', () => {
  refused('82 20');
  // Where one of another kind, with a name and a value, would be complete.
  refused('82 20 01 61 01 62');
  refused('20 20 20 82');
  refused(integer(0x20, 0x1f, 4097));
  refused(integer(0x20, 0x1f, 257), 256);
  refused('3f');
  refused('3f e1');
  assert.deepEqual(lines(new HpackDecoder(), Buffer.concat([Buffer.from([0x20]), integer(0x20, 0x1f, 4096),
    Buffer.from([0x82])])), [':method: GET']);
  assert.deepEqual(lines(new HpackDecoder(65_536), integer(0x20, 0x1f, 65_536)), []);
  assert.deepEqual(lines(new HpackDecoder(), ''), []);
});

test('S26 a peer that knows our smaller table must cut it at once; one that does not may use the default', () => {
  const decoder = new HpackDecoder(64);
  const block = Buffer.concat([literal('a', 'x'.repeat(100)), literal('b', 'y'.repeat(100))]);
  assert.equal(decode(decoder, block)?.length, 2);
  assert.deepEqual(lines(decoder, 'bf'), [`a: ${'x'.repeat(100)}`]);
  decoder.settingsAcknowledged();
  assert.equal(decode(decoder, 'bf'), undefined);
  const cut = new HpackDecoder(64);
  cut.settingsAcknowledged();
  assert.deepEqual(lines(cut, Buffer.concat([integer(0x20, 0x1f, 64), block])), lines(new HpackDecoder(), block));
  assert.equal(cut.tableBytes, 0);
  cut.settingsAcknowledged();
  assert.deepEqual(lines(cut, '82'), [':method: GET']);
});

test('S26 an index is 1 to the last entry', () => {
  refused('80');
  refused('be');
  refused('7e 00');
  refused('0f 2f 00');
  refused(integer(0x80, 0x7f, 4_000_000));
  const decoder = new HpackDecoder();
  assert.equal(decode(decoder, literal('a', 'b'))?.length, 1);
  assert.deepEqual(lines(decoder, 'be'), ['a: b']);
  assert.equal(decode(decoder, 'bf'), undefined);
  // However many there are: the ring may be full, or not.
  const full = new HpackDecoder();
  for (let entries = 1; entries <= 120; entries++) {
    assert.equal(decode(full, literal(`${entries % 9}`, ''))?.length, 1);
    assert.deepEqual(lines(full, integer(0x80, 0x7f, 61 + entries)), ['1: ']);
    assert.equal(decode(full, integer(0x80, 0x7f, 62 + entries)), undefined);
  }
});

test('S26 integers are bounded, in value and in bytes', () => {
  refused('ff ff ff ff ff ff 0f');
  refused('ff 80 80 80 80 00');
  refused(Buffer.concat([Buffer.from([0xff]), Buffer.alloc(60_000, 0x80)]));
  refused('ff');
  refused('ff 80');
  refused('00 7f ff ff ff 7f');
  refused(Buffer.concat([Buffer.from('007f8080808000', 'hex'), Buffer.from('n'.repeat(127)), string('v')]));
  // Of four bytes, the last ones of no weight.
  assert.deepEqual(lines(new HpackDecoder(), Buffer.concat([Buffer.from('007f82808000', 'hex'),
    Buffer.from('n'.repeat(129)), string('v')])), [`${'n'.repeat(129)}: v`]);
});

test('S26 a string ends in its block', () => {
  refused('40');
  refused('40 01');
  refused('40 02 61');
  refused('40 01 61');
  refused('40 01 61 05 61');
  refused('44');
  refused('44 85 ff');
  // The byte after the block would complete it.
  refused('00 01 61 01');
});

test('S26 Huffman: no end of string, at most seven bits of padding, all ones', () => {
  const value = (hex: string): string => `44 ${(0x80 + hex.replaceAll(' ', '').length / 2).toString(16)} ${hex}`;
  assert.deepEqual(lines(new HpackDecoder(), value('1f')), [':path: a']);
  assert.deepEqual(lines(new HpackDecoder(), value('')), [':path: ']);
  // 'a' with padding of zeros, of other bits, of a whole byte, and a byte of ones alone.
  for (const bad of ['18', '1e', '1f ff', 'ff', 'ff ff', 'ff ff ff ff']) refused(value(bad));
  // Thirty ones, alone, after 'a', and before one.
  for (const bad of ['ff ff ff fc', 'ff ff ff ff', '1f ff ff ff ff', 'ff ff ff fc 7f', 'f8 ff ff ff ff']) {
    refused(value(bad));
  }
  // The beginning of a long code is no padding.
  for (const bad of ['1f fe', 'ff fe', 'ff ff', '1f ff ff']) refused(value(bad));
  refused('40 82 1f ff 00');
});

test('S26 the table never holds more than its size, and a field larger than it leaves it empty', () => {
  const decoder = new HpackDecoder();
  for (let i = 0; i < 500; i++) {
    assert.equal(decode(decoder, literal(`n${i}`, 'v'.repeat(i)))?.length, 1);
    assert.ok(decoder.tableBytes <= 4096);
  }
  // 542 to 535 bytes each: seven of the last fit.
  assert.deepEqual(decode(decoder, 'c4')?.[0]?.name, 'n493');
  assert.equal(decode(decoder, 'c5'), undefined);
  assert.equal(decode(decoder, literal('a', 'b'.repeat(4064)))?.length, 1);
  assert.equal(decoder.tableBytes, 0);
  assert.equal(decode(decoder, literal('a', 'b'.repeat(4063)))?.length, 1);
  assert.equal(decoder.tableBytes, 4096);
  assert.deepEqual(lines(decoder, '20'), []);
  assert.equal(decoder.tableBytes, 0);
});

test('a name may come from the entry that its own field evicts', () => {
  const decoder = new HpackDecoder();
  decode(decoder, literal('x-long', 'v'.repeat(4000)));
  assert.deepEqual(lines(decoder, Buffer.concat([Buffer.from([0x7e]), string('w'.repeat(4000))])),
    [`x-long: ${'w'.repeat(4000)}`]);
});

const SEED = 20_261_123;

test(`S26 random bytes are decoded or refused, and nothing is thrown (seed ${SEED})`, () => {
  let state = SEED;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  let good = 0;
  for (let round = 0; round < 20_000; round++) {
    const decoder = new HpackDecoder(random(2) * 4096);
    const bytes = Buffer.from(Array.from({ length: random(60) }, () => random(256)));
    if (decode(decoder, bytes) !== undefined) good++;
    assert.ok(decoder.tableBytes <= 4096);
  }
  assert.ok(good > 0);
});

test('S23 a large entry that is referred to 100,000 times is one string, delivered in bounded time', () => {
  const decoder = new HpackDecoder();
  decode(decoder, literal('x-bomb', 'v'.repeat(4000)));
  const block = Buffer.alloc(100_000, 0xbe);
  const seen = new Set<string>();
  let bytes = 0;
  const heapBefore = process.memoryUsage().heapUsed;
  const start = process.cpuUsage();
  const sink = { onField: (_name: string, value: string, _kind: number, size: number) => {
    if (bytes === 0) seen.add(value);
    bytes += size;
  } };
  assert.equal(decoder.decode(block, 0, block.length, sink), true);
  const { user } = process.cpuUsage(start);
  assert.equal(bytes, 100_000 * 4006);
  assert.ok(user < 500_000, `${user} us`);
  // 100,000 strings of 4,000 bytes would be 400 MB.
  assert.ok(process.memoryUsage().heapUsed - heapBefore < 20e6);
});

test('S29 kinds: what a field is comes with it, from both tables and from literals', () => {
  const kinds = (block: string | Buffer, decoder = new HpackDecoder()): (number | undefined)[] =>
    decode(decoder, block)!.map((field) => field.kind);
  assert.deepEqual(kinds('82 84 86 81 88'), [FieldKind.METHOD, FieldKind.PATH, FieldKind.SCHEME, FieldKind.AUTHORITY,
    FieldKind.STATUS]);
  assert.deepEqual(kinds(Buffer.concat([['te', 'trailers'], ['cookie', 'a=b'], ['host', 'h'], ['expect', 'x'],
    ['content-length', '1'], ['connection', 'close'], ['trailer', 'x'], [':protocol', 'websocket'], [':x', ''],
    ['x-own', 'v'], ['X-Own', 'v'], ['Te', 'v'], ['', 'v'], [':', ''], ['a b', ''], ['a', ' b'], ['te', 'b\t'],
    ['a', '\r'], ['nul\0', 'v'], ['caf\xe9', 'v'], ['v', 'caf\xe9']].flatMap(([name, value], i) =>
    [literal(name!, value!, i % 2 === 0 ? 0x40 : 0x10), literal(name!, value!, 0, true)]))),
  [FieldKind.TE, FieldKind.COOKIE, FieldKind.HOST, FieldKind.EXPECT, FieldKind.CONTENT_LENGTH, FieldKind.FORBIDDEN,
    FieldKind.DROPPED, FieldKind.PROTOCOL, FieldKind.UNKNOWN_PSEUDO, FieldKind.END_TO_END, FieldKind.MALFORMED,
    FieldKind.MALFORMED, FieldKind.MALFORMED, FieldKind.MALFORMED, FieldKind.MALFORMED, FieldKind.MALFORMED,
    FieldKind.MALFORMED, FieldKind.MALFORMED, FieldKind.MALFORMED, FieldKind.MALFORMED,
    FieldKind.END_TO_END].flatMap((kind) => [kind, kind]));
});

test('S28 an indexed field with a bad value stays malformed, and its name serves the next one', () => {
  const decoder = new HpackDecoder();
  assert.deepEqual(decode(decoder, literal('x-a', 'b\nc')), [{ name: 'x-a', value: 'b\nc', kind: FieldKind.MALFORMED,
    size: 6 }]);
  assert.deepEqual(decode(decoder, 'be')?.[0]?.kind, FieldKind.MALFORMED);
  assert.deepEqual(decode(decoder, Buffer.concat([Buffer.from([0x7e]), string('good')])),
    [{ name: 'x-a', value: 'good', kind: FieldKind.END_TO_END, size: 7 }]);
});

test('S96 values are bytes, whatever they are, of every length', () => {
  const decoder = new HpackDecoder();
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('latin1');
  for (const huffman of [false, true]) {
    for (let length = 0; length <= 256; length++) {
      const text = all.slice(256 - length);
      for (const pattern of [0x40, 0]) {
        assert.deepEqual(lines(decoder, Buffer.concat([literal('a', 'b'.repeat(20), 0), literal('x', text, pattern,
          huffman)])), [`a: ${'b'.repeat(20)}`, `x: ${text}`]);
      }
    }
    const long = all.repeat(200);
    assert.deepEqual(decode(decoder, literal('x', long, 0x40, huffman))?.[0]?.size, 1 + long.length);
  }
});
