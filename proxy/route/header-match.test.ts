// Conditions on headers, of routes and of policies.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeaderMatcher } from '../config/header-matcher.ts';
import { Headers } from '../http/headers.ts';
import { LENGTH_UNKNOWN, RequestHead, ResponseHead } from '../http/message.ts';
import { HeaderMatch } from './header-match.ts';
import type { ValueRule } from './header-match.ts';

function head(...fields: string[]): RequestHead {
  return new RequestHead('GET', 'example.com', '/a?b=c', new Headers(fields));
}

function matches(matcher: HeaderMatcher, request: RequestHead, rule?: ValueRule): boolean {
  return new HeaderMatch(matcher, 'm').matches(request, rule);
}

const EXACT: HeaderMatcher = { name: 'X-A', stringMatch: { exact: '1' } };

test('names compare without case; any one of several fields may match, where Envoy keeps several', () => {
  assert.equal(matches(EXACT, head('x-a', '1')), true);
  assert.equal(matches(EXACT, head('x-a', '2')), false);
  assert.equal(matches(EXACT, head('x-a', '2', 'x-b', '9', 'x-a', '1')), true);
  assert.equal(matches(EXACT, head('x-a', '1,2')), false);
  assert.equal(matches({ ...EXACT, invertMatch: true }, head('x-a', '2', 'x-a', '1')), false);
  assert.equal(matches({ ...EXACT, invertMatch: true }, head('x-a', '2', 'x-a', '3')), true);
  assert.equal(matches({ name: 'user-agent', stringMatch: { exact: '1' } }, head('user-agent', '1', 'user-agent', '2')),
    false);
  assert.equal(matches({ name: 'user-agent', stringMatch: { exact: '1,2' } },
    head('user-agent', '1', 'user-agent', '2')), true);
});

test('an absent header fails every condition on its value, inverted or not', () => {
  assert.equal(matches(EXACT, head()), false);
  assert.equal(matches({ ...EXACT, invertMatch: true }, head()), false);
  assert.equal(matches({ ...EXACT, invertMatch: true }, head('x-a', '2')), true);
  assert.equal(matches({ ...EXACT, invertMatch: true, treatMissingHeaderAsEmpty: true }, head()), true);
  assert.equal(matches({ name: 'x-a', stringMatch: { exact: '' }, treatMissingHeaderAsEmpty: true }, head()), true);
});

test('presence and absence', () => {
  const present = head('x-a', '');
  const table: readonly (readonly [Partial<HeaderMatcher>, boolean, boolean])[] = [
    [{}, true, false], [{ presentMatch: true }, true, false], [{ presentMatch: false }, false, true],
    [{ presentMatch: true, invertMatch: true }, false, true], [{ presentMatch: false, invertMatch: true }, true, false],
  ];
  for (const [matcher, whenPresent, whenAbsent] of table) {
    assert.equal(matches({ name: 'x-a', ...matcher }, present), whenPresent, JSON.stringify(matcher));
    assert.equal(matches({ name: 'x-a', ...matcher }, head()), whenAbsent, JSON.stringify(matcher));
  }
});

test('S97 a range takes whole decimal numbers only', () => {
  const range: HeaderMatcher = { name: 'x-a', rangeMatch: { start: -10, end: 10 } };
  for (const value of ['0', '-10', '9', '+9', ' 3 ', '007']) assert.equal(matches(range, head('x-a', value)), true,
    value);
  for (const value of ['10', '-11', '', ' ', '1.5', '0x1', '1e0', '5a', '--1', '+', '1 2', 'NaN', '9'.repeat(50)]) {
    assert.equal(matches(range, head('x-a', value)), false, value);
  }
});

test('pseudo and framing headers are read from the head', () => {
  const request = head();
  request.contentLength = 5;
  request.acceptsTrailers = true;
  request.upgrade = 'websocket';
  const values: readonly (readonly [string, string])[] =
    [[':method', 'GET'], [':path', '/a?b=c'], [':scheme', 'http'], [':authority', 'example.com'],
    ['Host', 'example.com'], ['content-length', '5'], ['te', 'trailers'], ['upgrade', 'websocket'],
      ['connection', 'upgrade']];
  for (const [name, exact] of values) assert.equal(matches({ name, stringMatch: { exact } }, request), true, name);
  request.contentLength = LENGTH_UNKNOWN;
  assert.equal(matches({ name: 'transfer-encoding' }, request), false);
  assert.equal(matches({ name: 'content-length' }, request), false);
  assert.equal(matches({ name: 'content-length', stringMatch: { exact: '0' } }, new RequestHead('POST', 'a', '/')),
    true);
  assert.equal(matches({ name: 'content-length' }, new RequestHead('GET', 'a', '/')), false);
  assert.equal(matches({ name: ':path' }, new RequestHead('CONNECT', 'a:1', '')), false);
});

test('S13 whatever is asked of the authority is asked without case', () => {
  const request = head();
  for (const name of [':authority', 'host']) {
    for (const stringMatch of [{ exact: 'Example.COM' }, { prefix: 'EXAMPLE' }, { suffix: '.Com' },
      { contains: 'Mple' },
      { safeRegex: { regex: 'Ex[A-Z]+\\.com' } }, { safeRegex: { regex: '.*\\.COM' } }]) {
      assert.equal(matches({ name, stringMatch }, request), true, JSON.stringify(stringMatch));
    }
  }
  assert.equal(matches({ name: 'x-host', stringMatch: { exact: 'Example.COM' } }, head('x-host', 'example.com')),
    false);
});

test('S44 any: one of several values, or one element of a list, is enough', () => {
  for (const request of [head('x-a', '1'), head('x-a', '2', 'x-a', '1'), head('x-a', '2, 1'),
    head('x-a', '2,1 ,3', 'x-a', '4')]) {
    assert.equal(matches(EXACT, request, 'any'), true);
  }
  assert.equal(matches(EXACT, head('x-a', '2', 'x-a', '11'), 'any'), false);
  assert.equal(matches(EXACT, head(), 'any'), false);
  assert.equal(matches({ name: 'x-a', stringMatch: { exact: '1,2' } }, head('x-a', '1', 'x-a', '2'), 'any'), true,
    'and the joined value');
});

test('S44 every: one value that does not fit is enough to fail', () => {
  assert.equal(matches(EXACT, head('x-a', '1', 'x-a', '1'), 'every'), true);
  assert.equal(matches(EXACT, head('x-a', '1', 'x-a', '2'), 'every'), false);
  assert.equal(matches({ name: 'x-a', stringMatch: { prefix: '1' } }, head('x-a', '1', 'x-a', 'evil'), 'every'), false);
  assert.equal(matches(EXACT, head(), 'every'), false);
});

test('S44 inversion swaps the rules', () => {
  const not: HeaderMatcher = { ...EXACT, invertMatch: true };
  assert.equal(matches(not, head('x-a', '2', 'x-a', '1'), 'every'), false, 'every value is not 1');
  assert.equal(matches(not, head('x-a', '2', 'x-a', '1'), 'any'), true, 'some value is not 1');
  assert.equal(matches(not, head('x-a', '1', 'x-a', '1'), 'any'), false);
  assert.equal(matches(not, head(), 'any'), false);
});

test('responses have a :status', () => {
  const response = new ResponseHead(503, new Headers(['x-a', '1']));
  assert.equal(new HeaderMatch({ name: ':status', stringMatch: { prefix: '5' } }, '').matchesResponse(response), true);
  assert.equal(new HeaderMatch(EXACT, '').matchesResponse(response), true);
});

test('a condition prints itself, and a bad one is refused by its place', () => {
  assert.equal(String(new HeaderMatch(EXACT, '')), 'header x-a exact "1"');
  assert.equal(String(new HeaderMatch({ name: 'x-a', presentMatch: false }, '')), 'header x-a absent');
  assert.equal(String(new HeaderMatch({ name: 'x-a', rangeMatch: { end: 5 }, invertMatch: true }, '')),
    'header x-a not in [0, 5)');
  assert.throws(() => new HeaderMatch({ name: 'a', stringMatch: { safeRegex: { regex: '(' } } }, 'headers[2]'),
    /headers\[2\]\.stringMatch\.safeRegex\.regex/);
});
