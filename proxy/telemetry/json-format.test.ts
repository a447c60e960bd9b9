// JSON log lines: types, nesting, and values that cannot leave their string.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headersOf, sampleStream } from '../../test/harness/stream-sample.ts';
import { ConfigError } from '../base/error.ts';
import { compileJsonFormat } from './json-format.ts';

test('a JSON line keeps order, nesting and types', () => {
  const format = compileJsonFormat({
    status: '%RESPONSE_CODE%', method: '%REQ(:METHOD)%', line: '%REQ(:METHOD)% %REQ(nope)%', none: '%REQ(nope)%',
    nested: { list: ['%DURATION%', 'x', 1, true], empty: '' }, fixed: 2,
  });
  assert.equal(
    format.format(sampleStream()),
    '{"status":200,"method":"GET","line":"GET -","none":null,"nested":{"list":[12,"x",1,true],"empty":""},"fixed":2}\n',
  );
});

test('omitEmptyValues leaves members out', () => {
  const format = compileJsonFormat({ none: '%REQ(nope)%', mixed: 'a%REQ(nope)%' }, { omitEmptyValues: true });
  assert.equal(format.format(sampleStream()), '{"mixed":"a"}\n');
});

test('S88 values of others cannot leave their string, and bytes that are no UTF-8 stay valid JSON', () => {
  const info = sampleStream();
  const headers = headersOf(['a', '"},\n{"x":"\\\u007f', 'b', '\xc3\xa9', 'c', '\xe9\x00']);
  info.request = { ...info.request!, headers };
  info.routeName = 'r\u00e9"\u2713';
  const format = compileJsonFormat({
    a: '%REQ(a)%', b: '%REQ(b)%', c: '%REQ(c)%', 'r"\u2713': '%ROUTE_NAME%', t: '%REQ(a)%!',
  });
  const line = Buffer.from(format.format(info), 'latin1').toString('utf8');
  assert.equal(line.split('\n').length, 2);
  assert.deepEqual(JSON.parse(line), {
    a: '"},\n{"x":"\\\u007f', b: '\u00e9', c: '\u00e9\u0000', 'r"\u2713': 'r\u00e9"\u2713', t: '"},\n{"x":"\\\u007f!',
  });
});

test('errors name the member', () => {
  const at = (error: unknown): boolean => error instanceof ConfigError && error.path === 'jsonFormat.a[1]';
  assert.throws(() => compileJsonFormat({ a: ['x', '%NOPE%'] }, { path: 'jsonFormat' }), at);
});
