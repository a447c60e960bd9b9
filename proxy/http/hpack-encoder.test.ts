// The encoder's choices, byte by byte, and that the decoder's table stays the same as its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteBuffer } from '../base/byte-buffer.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { EncoderTable } from './hpack-encoder-table.ts';
import { HpackEncoder } from './hpack-encoder.ts';

const SEED = 20_261_126;

type Field = readonly [string, string];

/** Both ends of one direction: each block is decoded at once, and must come back. */
class Pair {
  readonly encoder = new HpackEncoder();
  readonly decoder = new HpackDecoder(4096);

  /** The block in hex. */
  send(...fields: Field[]): string {
    const out = new ByteBuffer();
    this.encoder.begin(out);
    for (const [name, value] of fields) this.encoder.field(out, name, value);
    const bytes = out.take();
    const received: Field[] = [];
    const sink = { onField: (name: string, value: string) => void received.push([name, value]) };
    assert.ok(this.decoder.decode(bytes, 0, bytes.length, sink), bytes.toString('hex'));
    assert.deepEqual(received, fields);
    assert.equal(this.encoder.tableBytes, this.decoder.tableBytes);
    return bytes.toString('hex');
  }
}

function status(code: number): string {
  const out = new ByteBuffer();
  new HpackEncoder().status(out, code);
  return out.take().toString('hex');
}

test('fields of the static table are one byte, its names are indices', () => {
  const pair = new Pair();
  assert.equal(pair.send([':method', 'GET'], [':method', 'POST'], [':path', '/'], [':path', '/index.html'],
    [':scheme', 'http'], [':scheme', 'https'], ['accept-encoding', 'gzip, deflate'], ['vary', '']), '8283848586'
    + '8790bb');
  assert.equal(pair.send([':method', 'PUT']), '0203505554');
  assert.deepEqual([200, 204, 206, 304, 400, 404, 500].map(status), ['88', '89', '8a', '8b', '8c', '8d', '8e']);
  assert.equal(status(503), '0803353033');
  assert.equal(status(1000), '080431303030');
});

test('a field enters the table at its second sight, and is one byte from the third', () => {
  const pair = new Pair();
  const fields: Field[] = [['user-agent', 'curl/8.5.0'], ['x-own', 'v'], [':path', '/pkg.Service/Method'],
    ['content-type', 'application/grpc'], ['te', 'trailers'], [':status', '503'], ['grpc-message', '']];
  assert.match(pair.send(...fields), /^0f2b0a6375726c2f382e352e3000/);
  assert.equal(pair.encoder.tableBytes, 0);
  assert.match(pair.send(...fields), /^7a88/);
  assert.equal(pair.send(...fields), 'c4c3c2c1c0bfbe');
  assert.equal(pair.send(...fields.toReversed()), 'bebfc0c1c2c3c4');
});

test('a value that never repeats washes nothing out', () => {
  const pair = new Pair();
  for (let i = 0; i < 2; i++) pair.send(['user-agent', 'curl/8.5.0'], ['x-own', 'v']);
  for (let i = 0; i < 10_000; i++) {
    pair.send(['x-unique', `${i}`], [':path', `/items/${i}`], ['x-forwarded-for', `10.0.${i >> 8}.${i & 255}`],
      [`x-${i}`, 'v']);
  }
  assert.equal(pair.send(['user-agent', 'curl/8.5.0'], ['x-own', 'v']), 'bfbe');
});

test('ids, lengths, places and paths with a query are literal each time; a name of theirs enters once', () => {
  const pair = new Pair();
  const fields: Field[] = [['content-length', '5'], ['etag', '"x"'], ['location', '/l'], ['set-cookie', 'a=b'],
    [':path', '/?q=1']];
  for (let i = 0; i < 3; i++) {
    assert.equal(pair.send(...fields), '0f0d01350f13032278220f1f022f6c0f2803613d6204052f3f713d31');
  }
  assert.equal(pair.encoder.tableBytes, 0);
  const [first, second] = [['x-request-id', '1'], ['x-request-id', '2']] as const;
  assert.match(pair.send(first), /^400c/);
  assert.equal(pair.send(second), '0f2f0132');
  assert.equal(pair.send(first), 'be');
  assert.match(pair.send(['traceparent', 'x'.repeat(300)]), /^000b/);
});

test('S26 credentials and short cookies are never indexed, long cookies are as other fields', () => {
  const pair = new Pair();
  const secrets: Field[] = [['authorization', 'Bearer t'], ['proxy-authorization', 'x'], ['cookie', 'sid=1'],
    ['x-api-key', 'k']];
  const expected = '1f080842656172657220741f2201781f11057369643d31' + '1009782d6170692d6b6579016b';
  for (let i = 0; i < 3; i++) assert.equal(pair.send(...secrets), expected);
  const cookie: Field = ['cookie', 'session=0123456789abcdef'];
  assert.deepEqual([pair.send(cookie), pair.send(cookie), pair.send(cookie)].map((hex) => hex.slice(0, 2)),
    ['0f', '60', 'be']);
});

test('S26 the smallest and the last size between two blocks are both signalled', () => {
  const pair = new Pair();
  for (let i = 0; i < 3; i++) pair.send(['x-own', 'v']);
  pair.encoder.setPeerTableSize(0);
  pair.encoder.setPeerTableSize(4096);
  assert.equal(pair.send(['x-own', 'v']), '203fe11f4005782d6f776e0176');
  pair.encoder.setPeerTableSize(100);
  pair.encoder.setPeerTableSize(60);
  pair.encoder.setPeerTableSize(80);
  assert.equal(pair.send(['x-own', 'v']), '3f1d3f31be');
  // What the peer already knows needs no word, nor does more than we use.
  pair.encoder.setPeerTableSize(80);
  assert.equal(pair.send(['x-own', 'v']), 'be');
  pair.encoder.setPeerTableSize(0xffff_ffff);
  assert.equal(pair.send(), '3fe11f');
  pair.encoder.setPeerTableSize(65_536);
  assert.equal(pair.send(['x-own', 'v']), 'be');
  pair.encoder.setPeerTableSize(0);
  for (let i = 0; i < 3; i++) assert.equal(pair.send(['x-own', 'v']), `${i === 0 ? '20' : ''}0005782d6f776e0176`);
});

test('S26 the table stays under the cap, and a field of more than half of it does not enter', () => {
  const pair = new Pair();
  for (let i = 0; i < 300; i++) {
    for (let twice = 0; twice < 2; twice++) pair.send([`x-${i % 150}`, 'v'.repeat(i)]);
    assert.ok(pair.encoder.tableBytes <= 4096);
  }
  const before = pair.encoder.tableBytes;
  for (let i = 0; i < 3; i++) pair.send(['x-big', 'v'.repeat(2100)]);
  assert.equal(pair.encoder.tableBytes, before);
});

test('S94 however many names come, few are kept: those of the table', () => {
  const table = new EncoderTable();
  for (let i = 0; i < 100_000; i++) {
    // Integer-like ones too, which V8 hashes without a seed.
    for (const name of [String(i), `x-${i}`]) {
      assert.equal(table.find(name, 'value'), 0);
      table.add(name, 'value');
      assert.equal(table.find(name, 'value'), 62);
    }
    assert.ok(table.names <= 4096 / 33 && table.bytes <= 4096);
  }
  table.resize(0);
  assert.equal(table.names, 0);
  for (let i = 0; i < 1000; i++) table.find(`y-${i}`, '');
  assert.equal(table.names, 0);
});

test(`any fields come back, whatever the table's size was made in between (seed ${SEED})`, () => {
  let state = SEED;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  for (let connection = 0; connection < 30; connection++) {
    const pair = new Pair();
    // With short names the table has more than 64 entries.
    const long = 1 + random(2) * 140;
    const names = Array.from({ length: 1 + random(200) }, (_, i) => 'n'.repeat(random(long)) + i);
    for (let block = 0; block < 150; block++) {
      for (let i = random(8) === 0 ? random(4) : 0; i > 0; i--) pair.encoder.setPeerTableSize(random(6000));
      pair.send(...Array.from({ length: random(20) }, (): Field => [names[random(names.length)]!,
        String.fromCharCode(random(256)).repeat(random(40) === 0 ? random(1500) : random(4))]));
    }
  }
});
