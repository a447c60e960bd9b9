// Huffman's code: every byte, every cut, and decoding against one bit after the other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodedBytesMax, decodeHuffman, encodeHuffman, huffmanBytes } from './hpack-huffman.ts';

const SEED = 20_261_124;

function encoded(text: string): Buffer {
  const bytes = Buffer.alloc(huffmanBytes(text) + 1, 0x55);
  assert.equal(encodeHuffman(text, bytes, 0), bytes.length - 1);
  assert.equal(bytes.at(-1), 0x55);
  return bytes.subarray(0, -1);
}

function decoded(bytes: Buffer): string | undefined {
  // Surroundings that would change the result if they were read.
  const around = Buffer.concat([Buffer.from([0]), bytes, Buffer.from([0])]);
  const out = Buffer.alloc(decodedBytesMax(bytes.length));
  const result = decodeHuffman(around, 1, 1 + bytes.length, out);
  return result === -1 ? undefined : out.toString('latin1', 0, result >> 1);
}

test('examples of RFC 7541 appendix C', () => {
  const examples = [['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'], ['no-cache', 'a8eb10649cbf'],
    ['private', 'aec3771a4b'], ['Mon, 21 Oct 2013 20:13:21 GMT', 'd07abe941054d444a8200595040b8166e082a62d1bff'],
    ['https://www.example.com', '9d29ad171863c78f0b97c8e9ae82ae43d3']] as const;
  for (const [text, hex] of examples) {
    assert.equal(encoded(text).toString('hex'), hex);
    assert.equal(decoded(Buffer.from(hex, 'hex')), text);
  }
});

test('every byte, alone and beside every other, comes back', () => {
  for (let a = 0; a < 256; a++) {
    const one = String.fromCharCode(a);
    assert.equal(decoded(encoded(one)), one);
    for (let b = 0; b < 256; b++) {
      const two = one + String.fromCharCode(b);
      assert.equal(decoded(encoded(two)), two);
    }
  }
});

test(`texts of common and rare bytes come back, and what is decoded is its own code (seed ${SEED})`, () => {
  let state = SEED;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  for (let round = 0; round < 5000; round++) {
    const rare = random(4);
    const text = Array.from({ length: random(200) }, () =>
      String.fromCharCode(random(4) < rare ? random(256) : 97 + random(26))).join('');
    assert.equal(decoded(encoded(text)), text);
  }
  let valid = 0;
  for (let round = 0; round < 200_000; round++) {
    const bytes = Buffer.from(Array.from({ length: 1 + random(6) }, () => random(3) === 0 ? 255 : random(256)));
    const text = decoded(bytes);
    if (text === undefined) continue;
    valid++;
    assert.deepEqual(encoded(text), bytes);
  }
  assert.ok(valid > 1000);
});

test('bytes that may not stand in a value are told of, in the same pass', () => {
  const out = Buffer.alloc(100);
  for (let byte = 0; byte < 256; byte++) {
    const bytes = encoded(`a${String.fromCharCode(byte)}b`);
    const bad = byte !== 9 && byte < 32 || byte === 127;
    assert.equal(decodeHuffman(bytes, 0, bytes.length, out), 2 * 3 + (bad ? 1 : 0), `byte ${byte}`);
  }
  for (let i = 0; i < 20; i++) {
    const bytes = encoded(`${'a'.repeat(i)}\x01${'a'.repeat(20 - i)}@{`);
    assert.equal(decodeHuffman(bytes, 0, bytes.length, out), 2 * 23 + 1, `at ${i}`);
  }
});
