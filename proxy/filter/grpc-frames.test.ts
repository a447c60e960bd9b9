// Messages in a gRPC body, however it is cut into chunks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GrpcFrames } from './grpc-frames.ts';

function frame(message: Uint8Array, flag = 0): Buffer {
  const header = Buffer.alloc(5);
  header[0] = flag;
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

test('a message counts with its first byte, whatever its flag and length', () => {
  const frames = new GrpcFrames();
  assert.equal(frames.read(Buffer.concat([frame(Buffer.from('a')), frame(Buffer.alloc(0)), Buffer.from([7])])), 3);
  assert.equal(frames.between, false);
  assert.equal(frames.read(Buffer.from([0, 0, 0])), 0);
  assert.equal(frames.read(Buffer.from([0])), 0);
  assert.deepEqual([frames.between, frames.count], [true, 3]);
});

test('a length of 4 GiB is counted down, not kept', () => {
  const frames = new GrpcFrames();
  frames.read(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]));
  for (let i = 0; i < 3; i++) frames.read(Buffer.alloc(65_536));
  assert.deepEqual([frames.between, frames.count], [false, 1]);
});

test('the ends of messages are the same in any chunks', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
  fc.assert(fc.property(messages, fc.array(fc.nat(12), { minLength: 1 }), (bodies, cuts) => {
    const bytes = Buffer.concat(bodies.map((body) => frame(body)));
    const frames = new GrpcFrames();
    const ends: number[] = [];
    for (let from = 0, i = 0; from < bytes.length; i++) {
      const chunk = bytes.subarray(from, from + cuts[i % cuts.length]! + 1);
      for (let at = 0; at < chunk.length; ) {
        at = frames.next(chunk, at);
        if (frames.between) ends.push(from + at);
      }
      from += chunk.length;
    }
    let end = 0;
    assert.deepEqual(ends, bodies.map((body) => (end += 5 + body.length)));
    assert.equal(frames.count, bodies.length);
  }));
});
