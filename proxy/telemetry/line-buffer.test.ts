// Bytes of log lines: numbers, unsafe texts, growth, and bytes that stay when the buffer goes on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineBuffer } from './line-buffer.ts';
import { lineText } from './line-text.ts';
import type { TextOrigin } from './line-text.ts';

const textOf = (line: LineBuffer): string => line.take().toString('latin1');

test('numbers print as String does', () => {
  for (const value of [0, 7, 10, 42, 99, 100, 101, 999, 1000, 123_456_789, -1, 1.5, 1e21]) {
    const line = new LineBuffer();
    line.number(value);
    assert.equal(textOf(line), String(value));
  }
});

test('S49 texts are made safe as lineText makes them, wherever the unsafe character stands', () => {
  const latin = ['', 'plain', 'a\tb', '\nbegins', 'ends\r', 'mid\x7fdle', 'caf\xe9'];
  const texts: Record<TextOrigin, string[]> = { own: ['plain'], traffic: latin, config: [...latin, '\u2713'] };
  for (const origin of ['own', 'config', 'traffic'] as const) {
    for (const text of texts[origin]) {
      const line = new LineBuffer();
      line.latin1('[');
      line.text(text, origin);
      line.latin1(']');
      assert.equal(textOf(line), `[${lineText(text, origin)}]`);
    }
  }
});

test('it grows, forgets what is cut, and never touches what was taken', () => {
  const line = new LineBuffer();
  const long = 'x'.repeat(300_000);
  line.latin1('first');
  const before = line.length;
  line.latin1(long);
  assert.equal(line.length, 300_005);
  line.cutTo(before);
  line.text(long, 'traffic');
  const taken = line.take();
  line.latin1('second');
  assert.equal(taken.toString('latin1'), `first${long}`);
  assert.equal(textOf(line), 'second');
});
