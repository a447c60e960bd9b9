// Leaves of the data model: what each kind admits and refuses.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decode } from './decode.ts';
import { bool, bytes, double, duration, enumeration, flag, headerName, headerValue } from './scalar.ts';
import { string, uint32, uint64 } from './scalar.ts';
import type { Schema } from './schema.ts';

function fault(schema: Schema, input: unknown): string | undefined {
  return decode(schema, input).errors[0]?.reason;
}

function admits(schema: Schema, inputs: readonly unknown[]): void {
  for (const input of inputs) assert.equal(fault(schema, input), undefined, String(input));
}

function refuses(schema: Schema, inputs: readonly unknown[]): void {
  for (const input of inputs) assert.notEqual(fault(schema, input), undefined, String(input));
}

describe('scalars', () => {
  test('whole numbers come as numbers or as decimal text, as proto3 JSON says', () => {
    assert.equal(decode(uint32(), '42').value, 42);
    assert.ok(Object.is(decode(uint32(), -0).value, 0));
    admits(uint32(), [0, 4_294_967_295, '0']);
    refuses(uint32(), [-1, 4_294_967_296, 1.5, '', ' 1', '1.0', '+1', '1e3', '0x1', null, true, [], NaN]);
    admits(uint64(), [Number.MAX_SAFE_INTEGER, '9007199254740991']);
    refuses(uint64(), ['9007199254740992', 1e300]);
  });

  test('S97 other numbers are finite', () => {
    admits(double(), [0.5, '0.5', -1, '12']);
    refuses(double(), [NaN, Infinity, '1e400', 'Infinity', '', '0x1']);
    refuses(double({ minimum: 0, maximum: 100 }), [100.1, -0.1]);
  });

  test('truth is true or false', () => {
    admits(bool(), [true, false]);
    assert.equal(decode(bool(), 'false').value, false);
    refuses(bool(), ['True', 1, 0, 'yes', '', null]);
  });

  test('text: length in bytes, and words for wrong types without showing the value', () => {
    refuses(string({ minLength: 1 }), ['']);
    admits(string({ maxBytes: 4 }), ['é', 'éé']);
    refuses(string({ maxBytes: 4 }), ['ééé']);
    assert.equal(fault(string(), 12_345), 'must be text; a number must be quoted');
    assert.match(fault(string({ oneOf: ['a', 'b'] }), 'c') ?? '', /one of a, b/);
  });

  test('S49 header names are tokens, values have no line breaks', () => {
    admits(headerName(), ['x-a', ':path', 'X_b', '!#$%&\'*+-.^_`|~']);
    refuses(headerName(), ['', 'a b', 'a:b', 'a\r\n', 'é', 'a\0', 'a"']);
    admits(headerValue(), ['', 'a b', 'é', '\t']);
    refuses(headerValue(), ['a\r', 'a\nb', 'a\0']);
  });

  test('enums: names, or numbers by their place, or what is refused by name', () => {
    const numbers = { RED: 1, GREEN: 4, BLUE: 5 };
    const colour = enumeration(['RED', 'GREEN'], { refused: { BLUE: 'no blue' }, numbers });
    assert.equal(decode(colour, 4).value, 'GREEN');
    assert.equal(decode(enumeration(['A', 'B']), 1).value, 'B');
    assert.equal(fault(colour, 'BLUE'), 'BLUE is not supported: no blue');
    assert.equal(fault(colour, 5), 'BLUE is not supported: no blue');
    refuses(colour, ['red', 0, 9, '', null, 'constructor', '__proto__']);
  });

  test('S97 durations: seconds with up to nine decimals, within protobuf\'s bounds', () => {
    admits(duration(), ['0s', '1s', '0.250s', '1.000000001s', '315576000000s']);
    refuses(duration(), ['', 's', '1', '1m', '1ms', '-1s', '+1s', '1.s', '.5s', '1.0000000001s', '315576000001s',
      '315576000000.1s', '3.156e11s', 'NaNs', ' 1s', 5, null]);
    refuses(duration({ above: 0 }), ['0s']);
    refuses(duration({ atLeast: 1 }), ['0.999s']);
  });

  test('bytes are base64, standard or URL-safe, and are not shown when they are wrong', () => {
    assert.equal(decode(bytes(), '_-8').value, '/+8=');
    assert.equal(fault(bytes(), 'secret!'), 'must be base64 text');
  });

  test('an empty message has no fields', () => {
    admits(flag(), [{}]);
    refuses(flag(), [{ a: 1 }, null, [], true]);
  });
});
