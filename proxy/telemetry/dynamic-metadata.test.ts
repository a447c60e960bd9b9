// Dynamic metadata: what is read of it, by conditions of policies and routes and by format strings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleStream } from '../../test/harness/stream-sample.ts';
import type { MetadataMatcher, ValueMatcher } from '../config/metadata-matcher.ts';
import { addMetadata, metadataAt } from './dynamic-metadata.ts';
import { compileFormat } from './formatter.ts';
import { compileJsonFormat } from './json-format.ts';
import { MetadataCondition } from './metadata-condition.ts';
import type { StreamInfo } from './stream-info.ts';

const CLAIMS = JSON.parse(`{"sub":"me","n":7,"yes":true,"none":null,"groups":["a","b\u00e9"],
  "in":{"deep":{"x":"y"}},"__proto__":{"sub":"other"},"list":[{"a":1}]}`) as Record<string, unknown>;

function stream(): StreamInfo {
  const info = sampleStream();
  addMetadata(info, 'jwt', CLAIMS);
  return info;
}

function holds(path: string, value: ValueMatcher, more: Partial<MetadataMatcher> = {}): boolean {
  const keys = path.split('.').map((key) => ({ key }));
  return new MetadataCondition({ filter: 'jwt', path: keys, value, ...more }, 'm').holds(stream());
}

test('conditions on values of every kind', () => {
  assert.equal(holds('sub', { stringMatch: { exact: 'me' } }), true);
  assert.equal(holds('sub', { stringMatch: { prefix: 'x' } }), false);
  assert.equal(holds('n', { stringMatch: { exact: '7' } }), false);
  assert.equal(holds('n', { doubleMatch: { exact: 7 } }), true);
  assert.equal(holds('n', { doubleMatch: { range: { start: 7, end: 8 } } }), true);
  assert.equal(holds('n', { doubleMatch: { range: { start: 6, end: 7 } } }), false);
  assert.equal(holds('yes', { boolMatch: true }), true);
  assert.equal(holds('yes', { boolMatch: false }), false);
  assert.equal(holds('none', { nullMatch: {} }), true);
  assert.equal(holds('absent', { nullMatch: {} }), false);
  assert.equal(holds('groups', { listMatch: { oneOf: { stringMatch: { exact: 'b\u00e9' } } } }), true);
  assert.equal(holds('groups', { listMatch: { oneOf: { stringMatch: { exact: 'c' } } } }), false);
  assert.equal(holds('sub', { listMatch: { oneOf: { stringMatch: { exact: 'me' } } } }), false);
  assert.equal(holds('n', { orMatch: { valueMatchers: [{ boolMatch: true }, { doubleMatch: { exact: 7 } }] } }), true);
});

test('conditions on what is there, and turned round', () => {
  assert.equal(holds('in.deep.x', { stringMatch: { exact: 'y' } }), true);
  assert.equal(holds('in.deep', { presentMatch: true }), true);
  assert.equal(holds('in.other', { presentMatch: true }), false);
  assert.equal(holds('absent', { presentMatch: false }), false);
  assert.equal(holds('sub.x', { presentMatch: true }), false);
  assert.equal(holds('absent', { stringMatch: { exact: '' } }, { invert: true }), true);
  assert.equal(holds('sub', { presentMatch: true }, { filter: 'other' }), false);
});

test('S90 names that objects have by themselves are nobody\'s values', () => {
  for (const name of ['constructor', 'toString', 'hasOwnProperty']) {
    assert.equal(holds(name, { presentMatch: true }), false, name);
    assert.equal(metadataAt(stream(), name, []), undefined, name);
  }
  assert.equal(holds('groups.length', { presentMatch: true }), false);
  assert.equal(holds('__proto__.sub', { stringMatch: { exact: 'other' } }), true);
  assert.equal(holds('sub', { stringMatch: { exact: 'me' } }), true);
});

test('a later filter\'s values replace those of the same name, and leave the others', () => {
  const info = stream();
  addMetadata(info, 'jwt', { sub: 'you', more: 1 });
  assert.equal(metadataAt(info, 'jwt', ['sub']), 'you');
  assert.equal(metadataAt(info, 'jwt', ['more']), 1);
  assert.equal(metadataAt(info, 'jwt', ['n']), 7);
  assert.equal(CLAIMS['sub'], 'me');
});

test('%DYNAMIC_METADATA% in text: texts as they are, all else as JSON, nothing where there is none', () => {
  const text = (args: string, info = stream()): string => compileFormat(`%DYNAMIC_METADATA(${args})%`).format(info);
  assert.equal(text('jwt:sub'), 'me');
  assert.equal(text('jwt:n'), '7');
  assert.equal(text('jwt:in:deep'), '{"x":"y"}');
  assert.equal(text('jwt:none'), '-');
  assert.equal(text('jwt:sub:x'), '-');
  assert.equal(text('jwt:sub', sampleStream()), '-');
  assert.equal(compileFormat('%DYNAMIC_METADATA(jwt:sub):1%').format(stream()), 'm');
  assert.equal(Buffer.from(text('jwt:groups'), 'latin1').toString('utf8'), '["a","b\u00e9"]');
});

test('S88 a claim cannot break a log line', () => {
  const info = sampleStream();
  addMetadata(info, 'jwt', { sub: 'a\r\nb' });
  assert.equal(compileFormat('%DYNAMIC_METADATA(jwt:sub)%').format(info), 'a\\x0d\\x0ab');
});

test('%DYNAMIC_METADATA% in JSON keeps its type', () => {
  const line = compileJsonFormat({ all: '%DYNAMIC_METADATA(jwt:groups)%', n: '%DYNAMIC_METADATA(jwt:n)%',
    sub: '%DYNAMIC_METADATA(jwt:sub)%', gone: '%DYNAMIC_METADATA(jwt:gone)%' }).format(stream());
  assert.deepEqual(JSON.parse(Buffer.from(line, 'latin1').toString('utf8')),
    { all: ['a', 'b\u00e9'], n: 7, sub: 'me', gone: null });
});
