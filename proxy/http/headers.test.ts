// The header list: order, repeated names, replacement, and the sender's spelling kept in step.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from './headers.ts';

const sample = (): Headers => new Headers(['a', '1', 'b', '2', 'a', '3', 'c', '4', 'a', '5']);

test('get gives the first, joined gives all, absent is undefined', () => {
  const headers = sample();
  assert.equal(headers.get('a'), '1');
  assert.equal(headers.joined('a'), '1,3,5');
  assert.equal(headers.joined('b'), '2');
  assert.equal(new Headers(['a', '', 'a', '1', 'a', '', 'a', '2']).joined('a'), '1,2');
  assert.equal(new Headers(['a', '', 'a', '']).joined('a'), '');
  assert.equal(headers.get('x'), undefined);
  assert.equal(headers.joined('x'), undefined);
  assert.equal(headers.has('__proto__'), false);
});

test('set replaces the first and removes the rest, in place', () => {
  const headers = sample();
  headers.set('a', '9');
  assert.deepEqual(headers.fields, ['a', '9', 'b', '2', 'c', '4']);
  headers.set('d', '7');
  assert.deepEqual(headers.fields.slice(-2), ['d', '7']);
});

test('remove takes all of a name and keeps the spelling of the others', () => {
  const headers = sample();
  headers.wireNames = ['A', 'B', 'a', 'C', 'A'];
  headers.remove('a');
  assert.deepEqual(headers.fields, ['b', '2', 'c', '4']);
  assert.deepEqual(headers.wireNames, ['B', 'C']);
  headers.remove('nothing');
  assert.equal(headers.count, 2);
});

test('a clone shares nothing', () => {
  const headers = sample();
  const copy = headers.clone();
  copy.set('b', 'x');
  assert.equal(headers.get('b'), '2');
});

test('S49 a value that could break out of its line is not taken, and does not leave the old one', () => {
  const headers = new Headers(['x-user', 'forged']);
  headers.append('x-a', 'a\r\nb: c');
  headers.append('x-b', 'a\u010ab');
  headers.set('x-user', 'a\0b');
  assert.deepEqual(headers.fields, []);
  headers.set('x-user', 'jason\t\xe9');
  assert.deepEqual(headers.fields, ['x-user', 'jason\t\xe9']);
});
