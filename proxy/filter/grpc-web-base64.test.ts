// Base64 as gRPC-Web streams it, against the runtime's own encoder and decoder.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Base64Reader, Base64Writer } from './grpc-web-base64.ts';

/** What a reader gives of text in pieces; undefined where it refuses, or where a group is not whole at the end. */
function decoded(...pieces: string[]): string | undefined {
  const reader = new Base64Reader();
  let bytes = '';
  for (const piece of pieces) {
    const read = reader.read(Buffer.from(piece, 'latin1'));
    if (read === undefined) return undefined;
    bytes += read.toString('latin1');
  }
  return reader.whole ? bytes : undefined;
}

test('text in any pieces is the bytes that were encoded', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 9 }), (bytes, step) => {
    const text = Buffer.from(bytes).toString('base64');
    const count = Math.ceil(text.length / step);
    const pieces = Array.from({ length: count }, (_, i) => text.slice(i * step, (i + 1) * step));
    assert.equal(decoded(...pieces), Buffer.from(bytes).toString('latin1'));
  }));
});

test('what is no base64 is refused, in one piece or many', () => {
  const bad = [
    'AAA', 'AAAAA', 'AA!A', '-_-_', 'AAA\n', 'A===', '====', 'AA=A', 'AAAAAAB=', 'AB==', 'AA\u00e9A', '\0AAA',
  ];
  for (const text of bad) {
    assert.equal(decoded(text), undefined, text);
    assert.equal(decoded(...text.split('')), undefined, text);
  }
  assert.equal(decoded(''), '');
});

test('a sender may flush between two groups: padding ends any of them, wherever the pieces end', () => {
  for (const pieces of [['AAAAAAE=', 'cQ=='], ['AAAAAAE=cQ=='], 'AAAAAAE=cQ=='.split('')]) {
    assert.equal(decoded(...pieces), '\0\0\0\0\x01q');
  }
});

function frame(message: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

test('each message is base64 of its own, and has left when it has come', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 30 }), { minLength: 1, maxLength: 5 });
  fc.assert(fc.property(messages, fc.integer({ min: 1, max: 11 }), (bodies, step) => {
    const frames = bodies.map((body) => frame(body));
    const bytes = Buffer.concat(frames);
    const writer = new Base64Writer();
    let text = '';
    for (let at = 0; at < bytes.length; at += step) text += String(writer.write(bytes.subarray(at, at + step)));
    assert.equal(text, frames.map((one) => one.toString('base64')).join(''));
  }));
});

test('nothing but an unfinished group waits for the rest of a message; a cut one is ended before the last', () => {
  const writer = new Base64Writer();
  assert.equal(String(writer.write(Buffer.from([0, 0, 0, 0, 9, 1, 2, 3]))), 'AAAAAAkB');
  assert.equal(String(writer.end(Buffer.from('end'))), `${Buffer.from([2, 3]).toString('base64')}ZW5k`);
});

test('chunks are their sender\'s again after the call', () => {
  const writer = new Base64Writer();
  const chunk = Buffer.from([0, 0, 0, 0, 2, 7, 7]);
  const first = String(writer.write(chunk.subarray(0, 5)));
  chunk.fill(0xff, 0, 5);
  assert.equal(first + String(writer.write(Buffer.from([7, 7]))), 'AAAAAAIHBw==');
});
