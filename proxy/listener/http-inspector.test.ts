// The first line of a connection, cut anywhere; what a real Envoy says of such lines is in test/interop.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestLineReader } from './http-inspector.ts';
import type { HttpInspection } from './http-inspector.ts';

function inspect(...pieces: readonly string[]): HttpInspection {
  const reader = new RequestLineReader();
  let result: HttpInspection = 'more';
  for (const piece of pieces) if (result === 'more') result = reader.push(Buffer.from(piece, 'latin1'));
  return result;
}

test('a request line is one however it is cut', () => {
  for (const [line, expected] of [['GET /a?b HTTP/1.1\r\n', ['http/1.1']], ['PRI * HTTP/2.0\r\n', ['h2c']]] as const) {
    for (let at = 1; at < line.length; at++) {
      assert.equal(inspect(line.slice(0, at)), 'more');
      assert.deepEqual(inspect(line.slice(0, at), line.slice(at)), expected);
    }
  }
});

test('what cannot become a request line is told at its first such byte', () => {
  for (const text of ['\0', ' ', '\r', '\n', 'GET\r', 'GE\x7f', `${'A'.repeat(24)}B`, 'GET /\x01']) {
    assert.equal(inspect(text), 'not-http', JSON.stringify(text));
  }
});

test('a line beyond the limit is none, also where it comes whole', () => {
  for (const length of [9_000, 65_536, 200_000]) {
    assert.equal(inspect(`GET /${'a'.repeat(length)} HTTP/1.1\r\n`), 'not-http', `${length}`);
  }
});

test('S80 a line that does not end is not waited for beyond its limit', () => {
  const reader = new RequestLineReader();
  let result = reader.push(Buffer.from('GET /'));
  let bytes = 5;
  while (result === 'more' && bytes < 100_000) {
    result = reader.push(Buffer.alloc(512, 0x61));
    bytes += 512;
  }
  assert.equal(result, 'not-http');
  assert.ok(bytes < 10_000);
});
