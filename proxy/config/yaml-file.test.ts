// YAML with places, and hostile YAML.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseYaml, readYamlFile } from './yaml-file.ts';

function only(text: string): unknown {
  const { documents, errors } = parseYaml(text, 'f.yaml');
  assert.deepEqual(errors, []);
  return documents[0]?.value;
}

function firstError(text: string): string {
  const { documents, errors } = parseYaml(text, 'f.yaml');
  assert.deepEqual(documents, []);
  return errors[0]?.message ?? '';
}

describe('YAML', () => {
  test('scalars have the core types of YAML 1.2', () => {
    assert.equal(JSON.stringify(only('{ a: 1, b: "1", c: true, d: yes, e: null, f: 1.5, g: 0x10, h: 2024-01-01 }')),
      '{"a":1,"b":"1","c":true,"d":"yes","e":null,"f":1.5,"g":16,"h":"2024-01-01"}');
    assert.equal(JSON.stringify(only('{"json": [1, {"x": "\\u00e9"}]}')), '{"json":[1,{"x":"é"}]}');
  });

  test('one text may hold many documents; empty ones are left out', () => {
    const { documents } = parseYaml('---\na: 1\n---\n---\nb: 2\n', 'f.yaml');
    assert.deepEqual(documents.map(({ value }) => JSON.stringify(value)), ['{"a":1}', '{"b":2}']);
    assert.deepEqual(documents.map(({ locate }) => locate([])), ['f.yaml:2:1', 'f.yaml:5:1']);
  });

  test('a path is found by line and column, or the nearest thing above it', () => {
    const [document] = parseYaml('a:\n  - x: 1\n    b.c: { d: 2 }\n', 'f.yaml').documents;
    assert.equal(document?.locate(['a', 0, 'x']), 'f.yaml:2:5');
    assert.equal(document?.locate(['a', 0, 'b.c', 'd']), 'f.yaml:3:12');
    assert.equal(document?.locate(['a', 0, 'absent', 'deeper']), 'f.yaml:2:5');
    assert.equal(document?.locate([]), 'f.yaml:1:1');
  });

  test('aliases are followed, in values and in places', () => {
    const { documents } = parseYaml('base: &b { x: 1 }\nuse: *b\n', 'f.yaml');
    assert.equal(JSON.stringify(documents[0]?.value), '{"base":{"x":1},"use":{"x":1}}');
    assert.equal(documents[0]?.locate(['use', 'x']), 'f.yaml:1:12');
  });

  test('what is not YAML is an error with its place', () => {
    assert.match(firstError('a: [1,\nb: }'), /^f\.yaml:2:\d+: /);
    assert.match(firstError('a: *nobody'), /^f\.yaml:1:4: .*nobody/);
    assert.match(firstError('\tb: 1'), /^f\.yaml:1:/);
  });
});

describe('hostile YAML', () => {
  test('S90 keys of Object.prototype are plain keys, and __proto__ is refused', () => {
    const value = only('{ constructor: 1, toString: 2 }') as object;
    assert.equal(Object.getPrototypeOf(value), null);
    assert.deepEqual(Object.keys(value), ['constructor', 'toString']);
    assert.equal(firstError('a:\n  __proto__: { polluted: true }'), 'f.yaml:2:3: a.__proto__: is not allowed as a key');
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  });

  test('S91 a key that is given twice is an error, also among very many', () => {
    assert.equal(firstError('a: 1\nb: 2\na: 3\n'), 'f.yaml:3:1: a: is given twice');
    const keys = Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join('\n');
    assert.equal(firstError(`${keys}\nk7: 2\n`), 'f.yaml:20001:1: k7: is given twice');
  });

  test('S91 aliases are counted wherever they are used, so that a few cannot grow to billions', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
    const nine = (i: number): string => (i === 0 ? 'x' : Array(9).fill(`*${names[i - 1]!}`).join(', '));
    const lines = names.map((name, i) => `${name}: &${name} [${nine(i)}]`);
    assert.match(firstError(lines.join('\n')), /uses aliases more than 100 times/);
    assert.match(firstError('a: &a [*a]'), /aliases|nested/);
    const hundred = Array(100).fill('*v').join(', ');
    assert.equal((only(`v: &v 1\nl: [${hundred}]`) as { l: unknown[] }).l.length, 100);
  });

  test('S91 nesting is bounded, far beyond what a stack bears too', () => {
    assert.match(firstError('['.repeat(102) + ']'.repeat(102)), /nested deeper than 100/);
    assert.match(firstError('{a: '.repeat(5_000) + '}'.repeat(5_000)), /nested deeper than 100/);
    assert.notEqual(only('['.repeat(100) + ']'.repeat(100)), undefined);
  });

  test('S91 more than 4 MiB is not parsed', () => {
    assert.equal(firstError('#'.repeat(4 * 1024 * 1024 + 1)), 'f.yaml: is larger than 4194304 bytes');
  });

  test('S91 the number of values is bounded, with what aliases repeat', () => {
    const values = `[${'1,'.repeat(20_000)}1]`;
    assert.match(firstError(`v: &v ${values}\nl: [${Array(30).fill('*v').join(', ')}]`), /more than 500000 values/);
  });

  test('S91 tags beyond the core are refused', () => {
    assert.match(firstError('a: !!js/function "x"'), /js\/function/);
    assert.match(firstError('a: !custom { b: 1 }'), /custom/);
    assert.match(firstError('a: !!binary aGk='), /binary/);
    assert.equal(JSON.stringify(only('a: !!str 1')), '{"a":"1"}');
  });

  test('S91 keys are text; numbers are taken as they are spelled, lists and null are refused', () => {
    assert.equal(JSON.stringify(only('1: a\n0x10: b\ntrue: c')), '{"1":"a","0x10":"b","true":"c"}');
    assert.match(firstError('? [a, b]\n: c'), /a key must be text/);
    assert.match(firstError('null: c'), /a key must be text/);
  });
});

test('S91 no text makes reading throw, and every error has a place', () => {
  const words = fc.constantFrom('a', ': ', '- ', '\n', '  ', '{', '}', '[', ']', '&x ', '*x', '!!str ', '? ', '"', '\'',
    '|', '#', '---\n', '%', '<<', '\t', '\0', '1', 'null', ',');
  fc.assert(fc.property(fc.array(words, { maxLength: 40 }), (parts) => {
    const { errors } = parseYaml(parts.join(''), 'f.yaml');
    for (const { where } of errors) assert.match(where ?? '', /^f\.yaml(:\d+:\d+)?$/);
  }), { numRuns: 1000 });
});

describe('files', () => {
  test('a file that cannot be read says why', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-yaml-'));
    t.after(() => rm(folder, { recursive: true }));
    const missing = join(folder, 'none.yaml');
    assert.equal((await readYamlFile(missing)).errors[0]?.message, `${missing}: there is no such file`);
    assert.equal((await readYamlFile(folder)).errors[0]?.message, `${folder}: is a directory`);
    const binary = join(folder, 'b.yaml');
    await writeFile(binary, Buffer.from([0x61, 0x3a, 0xff, 0xfe]));
    assert.equal((await readYamlFile(binary)).errors[0]?.message, `${binary}: is not UTF-8 text`);
    const fine = join(folder, 'c.json');
    await writeFile(fine, '\ufeff{"a": 1}');
    assert.equal(JSON.stringify((await readYamlFile(fine)).documents[0]?.value), '{"a":1}');
  });
});
