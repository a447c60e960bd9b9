// JSON of strangers: what it means to everybody is read, what could mean two things is not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseStrictJson, STRICT_JSON_DEPTH_MAX } from './strict-json.ts';

const parse = (text: string): unknown => parseStrictJson(Buffer.from(text));

test('every value that JSON can hold comes back', () => {
  const seed = Math.trunc(performance.now());
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
    assert.deepEqual(parse(JSON.stringify(value)), JSON.parse(JSON.stringify(value)));
    assert.deepEqual(parse(JSON.stringify(value, undefined, '\t')), JSON.parse(JSON.stringify(value)));
  }), { seed, numRuns: 500 });
});

test('S70 no bytes make it throw, and what it reads JSON.parse reads alike', () => {
  const seed = Math.trunc(performance.now());
  const soup = fc.array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', '"a"', '"\\u0061"', '1', '-', 'e',
    '.', ' ',
    'null', '\u00e9', '\\"', '{"a":1}'), { maxLength: 24 });
  fc.assert(fc.property(fc.oneof(soup.map((parts) => parts.join('')), fc.string()), (text) => {
    const value = parse(text);
    if (value !== undefined) assert.deepEqual(value, JSON.parse(text));
  }), { seed, numRuns: 2000 });
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void parseStrictJson(Buffer.from(bytes))), { seed });
});

test('S70 a name that comes twice in one object, however it is written', () => {
  for (const text of ['{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '{"x":{"a":1,"a":1}}', '[{"a":1 ,"a" :1}]',
    '{"a":[],"b":{"a":"a"},"a":0}', '{"":1,"":2}', '{"\\"":1,"\\u0022":2}', '{"__proto__":1,"__proto__":2}']) {
    assert.equal(parse(text), undefined, text);
  }
  for (const text of ['{"a":{"a":1}}', '[{"a":1},{"a":1}]', '{"a":"a","b":"a\\":"}', '{"a":1,"A":2}', '"a:a"']) {
    assert.notEqual(parse(text), undefined, text);
  }
});

test('S70 numbers that are infinite, depth, and bytes that are no UTF-8', () => {
  for (const text of ['1e400', '{"exp":-1e999}', '[[1e400]]', `${'['.repeat(33)}${']'.repeat(33)}`, 'NaN', '01', '']) {
    assert.equal(parse(text), undefined, text);
  }
  const deepest = `${'['.repeat(STRICT_JSON_DEPTH_MAX)}${']'.repeat(STRICT_JSON_DEPTH_MAX)}`;
  assert.notEqual(parse(deepest), undefined);
  assert.equal(parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`), undefined);
  assert.equal(parseStrictJson(Buffer.from([0x22, 0xff, 0x22])), undefined);
});
