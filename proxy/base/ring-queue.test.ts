// The ring queue against an array, over random sequences of its operations.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RingQueue } from './ring-queue.ts';

test('items come out in the order in which they went in', () => {
  const queue = new RingQueue<number>(100);
  for (let i = 0; i < 100; i++) assert.equal(queue.push(i), true);
  assert.equal(queue.push(100), false);
  assert.equal(queue.size, 100);
  for (let i = 0; i < 100; i++) assert.equal(queue.shift(), i);
  assert.equal(queue.shift(), undefined);
  assert.equal(queue.peek(), undefined);
});

test('any sequence of push, shift and delete does what an array does', () => {
  const operation = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), value: fc.nat(20) }),
    fc.record({ kind: fc.constant('shift' as const), value: fc.constant(0) }),
    fc.record({ kind: fc.constant('delete' as const), value: fc.nat(20) }),
  );
  fc.assert(fc.property(fc.array(operation, { maxLength: 200 }), fc.integer({ min: 1, max: 40 }), (operations, max) => {
    const queue = new RingQueue<number>(max);
    const model: number[] = [];
    for (const { kind, value } of operations) {
      if (kind === 'push') {
        assert.equal(queue.push(value), model.length < max);
        if (model.length < max) model.push(value);
      } else if (kind === 'shift') {
        assert.equal(queue.shift(), model.shift());
      } else {
        const at = model.indexOf(value);
        assert.equal(queue.delete(value), at !== -1);
        if (at !== -1) model.splice(at, 1);
      }
      assert.equal(queue.size, model.length);
      assert.equal(queue.peek(), model[0]);
    }
  }));
});
