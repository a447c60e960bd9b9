// Header changes: what they do, and what they may not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleStream } from '../../test/harness/stream-sample.ts';
import type { HeaderValueOption } from '../config/header-value-option.ts';
import { Headers } from '../http/headers.ts';
import { compileRequestHeaders, compileResponseHeaders } from './header-operations.ts';

type Append = NonNullable<HeaderValueOption['appendAction']>;

function option(key: string, value: string, appendAction?: Append): HeaderValueOption {
  return { header: { key, value }, ...(appendAction !== undefined && { appendAction }) };
}

/** What a request's fields become. */
function applied(fields: string[], add: readonly HeaderValueOption[], remove: readonly string[] = []): string[] {
  const headers = new Headers(fields);
  const info = sampleStream();
  info.request = { ...info.request!, headers };
  compileRequestHeaders({ requestHeadersToAdd: add, requestHeadersToRemove: remove }, 'route')?.apply(headers, info);
  return headers.fields;
}

test('appending adds a field, or joins where Envoy keeps one', () => {
  assert.deepEqual(applied(['x-a', '1'], [option('X-A', '2')]), ['x-a', '1', 'x-a', '2']);
  assert.deepEqual(applied(['x-forwarded-for', '1'], [option('x-forwarded-for', '2')]), ['x-forwarded-for', '1,2']);
  assert.deepEqual(applied([], [option('via', 'weft')]), ['via', 'weft']);
  const vary = new Headers(['vary', 'origin']);
  compileResponseHeaders({ responseHeadersToAdd: [option('vary', 'accept')] }, '')?.apply(vary, sampleStream());
  assert.deepEqual(vary.fields, ['vary', 'origin,accept']);
});

test('the other actions', () => {
  const there = (action: Append): string[] => applied(['x-a', '1', 'x-a', '3'], [option('x-a', '2', action)]);
  const absent = (action: Append): string[] => applied([], [option('x-a', '2', action)]);
  assert.deepEqual([there('ADD_IF_ABSENT'), absent('ADD_IF_ABSENT')], [['x-a', '1', 'x-a', '3'], ['x-a', '2']]);
  assert.deepEqual([there('OVERWRITE_IF_EXISTS_OR_ADD'), absent('OVERWRITE_IF_EXISTS_OR_ADD')],
    [['x-a', '2'], ['x-a', '2']]);
  assert.deepEqual([there('OVERWRITE_IF_EXISTS'), absent('OVERWRITE_IF_EXISTS')], [['x-a', '2'], []]);
});

test('headers are removed first, then overwritten, then added', () => {
  assert.deepEqual(applied(['x-a', '0', 'x-b', '0'], [option('x-a', '1'), option('x-b', '2', 'OVERWRITE_IF_EXISTS')],
    ['X-A']), ['x-b', '2', 'x-a', '1']);
});

test('whether a header is there is decided before the first change', () => {
  const twice = [option('x-a', '1', 'ADD_IF_ABSENT'), option('x-a', '2', 'OVERWRITE_IF_EXISTS_OR_ADD')];
  assert.deepEqual(applied([], twice), ['x-a', '2', 'x-a', '1']);
  const both = [option('x-a', '1'), option('x-a', '2', 'OVERWRITE_IF_EXISTS')];
  assert.deepEqual([applied([], both), applied(['x-a', '0'], both)], [['x-a', '1'], ['x-a', '2', 'x-a', '1']]);
});

test('values with operators see the headers as they came', () => {
  const add = [option('x-a', 'new', 'OVERWRITE_IF_EXISTS_OR_ADD'), option('x-was', 'was %REQ(x-a)%'),
    option('x-per', '100%%')];
  assert.deepEqual(applied(['x-a', 'old'], add), ['x-a', 'new', 'x-was', 'was old', 'x-per', '100%']);
});

test('a value that comes out empty is left out unless it is to be kept', () => {
  assert.deepEqual(applied([], [option('x-a', ''), option('x-b', '%REQ(x-none)%')]), []);
  assert.deepEqual(applied([], [{ header: { key: 'x-a', value: '' }, keepEmptyValue: true }]), ['x-a', '']);
});

test('only operators make a level dynamic', () => {
  assert.equal(compileRequestHeaders({ requestHeadersToAdd: [option('x-a', '1')] }, '')?.dynamic, false);
  assert.equal(compileRequestHeaders({ requestHeadersToAdd: [option('x-a', '%PROTOCOL%')] }, '')?.dynamic, true);
  assert.equal(compileRequestHeaders({}, ''), undefined);
});

test('S49 what would break a message is refused by its place', () => {
  const add = (key: string, value = ''): unknown =>
    compileRequestHeaders({ requestHeadersToAdd: [option(key, value)] }, 'r[0]');
  for (const key of [':path', ':authority', 'Host', 'content-length', 'Transfer-Encoding', 'connection', 'upgrade',
    'te', 'a b', 'a\r\nb', '']) {
    assert.throws(() => add(key), /^ConfigError: r\[0\]\.requestHeadersToAdd\[0\]\.header\.key: /, key);
  }
  for (const value of ['a\r\nb', 'a\0', '%NO_SUCH%']) assert.throws(() => add('x-a', value),
    /^ConfigError: r\[0\]\.requestHeadersToAdd\[0\]\.header\.value: /);
  assert.throws(() => compileRequestHeaders({ requestHeadersToRemove: ['x', 'host'] }, ''),
    /^ConfigError: requestHeadersToRemove\[1\]: /);
});
