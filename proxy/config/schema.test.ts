// Schemas are TypeBox's own, although TypeBox is not loaded to make them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { int32, string } from './scalar.ts';
import { list, message, optional, required } from './schema.ts';

const Sample = message('weft.test.Sample', {
  name: required(string({ minLength: 1 }), 'A name.'),
  ports: optional(list(int32({ minimum: 1 })), 'Ports.'),
});

test('a schema is what typebox makes of the same keywords, and typebox takes it for one', () => {
  const keywords = { type: 'object', title: 'weft.test.Sample' };
  assert.deepEqual({ ...Sample }, { ...Type.Unsafe(keywords) });
  assert.equal(Type.IsUnsafe(Sample), true);
  assert.equal(Type.IsUnsafe(string()), true);
  const mark = Object.getOwnPropertyDescriptor(Type.Unsafe(keywords), '~unsafe');
  assert.deepEqual(Object.getOwnPropertyDescriptor(Sample, '~unsafe'), mark);
});

test('typebox validates with the keywords of a leaf', () => {
  const port = Compile(int32({ minimum: 1, maximum: 65_535 }));
  assert.equal(port.Check(8080), true);
  assert.equal(port.Check(0), false);
});
