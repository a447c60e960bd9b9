// The index of a large virtual host finds what the walk over all of its routes would.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../base/random.ts';
import type { HeaderMatcher } from '../config/header-matcher.ts';
import type { RouteMatch } from '../config/route-match.ts';
import { Headers } from '../http/headers.ts';
import { RequestHead } from '../http/message.ts';
import { pathEnd } from './path-match.ts';
import { RequestMatch } from './request-match.ts';
import { RouteIndex } from './route-index.ts';

const PARTS = ['a', 'ab', 'abc', 'v1', 'V1', 'items', 'x.y', 'é', ''];
const ROUNDS = 40;

function pathOf(random: SeededRandom): string {
  let path = '';
  for (let i = random.below(4); i >= 0; i--) path += `/${PARTS[random.below(PARTS.length)]!}`;
  return path;
}

function headerOf(random: SeededRandom): HeaderMatcher {
  const name = ['a', 'A', 'b', 'accept', ':method'][random.below(5)]!;
  const exact = String(random.below(3));
  switch (random.below(8)) {
    case 0: return { name, stringMatch: { exact, ignoreCase: true } };
    case 1: return { name, stringMatch: { exact }, invertMatch: true };
    case 2: return { name, stringMatch: { exact: '' }, treatMissingHeaderAsEmpty: true };
    case 3: return { name, presentMatch: random.below(2) === 0 };
    default: return { name, stringMatch: { exact } };
  }
}

function matchOf(random: SeededRandom): RouteMatch {
  const path = pathOf(random);
  const caseSensitive = random.below(4) > 0;
  const headers = random.below(2) === 0 ? [headerOf(random)] : [];
  switch (random.below(6)) {
    case 0: return { path, caseSensitive, headers };
    case 1: return { path, headers };
    case 2: return /^[^?#]+[^?#/]$/.test(path) ? { pathSeparatedPrefix: path, caseSensitive } : { prefix: path };
    case 3: return { safeRegex: { regex: `${path.replaceAll('é', 'e')}[a-z/]*` }, headers };
    case 4: return random.below(8) === 0 ? { connectMatcher: {} } : { prefix: path.slice(0, 2), headers };
    default: return { prefix: path, caseSensitive, headers };
  }
}

function headOf(random: SeededRandom): RequestHead {
  const connect = random.below(20) === 0;
  const query = random.below(2) === 0 ? '?q=/a' : '';
  const fields = Array.from({ length: random.below(4) }, () => (
    [['a', 'b', 'accept'][random.below(3)]!, String(random.below(3))]));
  const headers = new Headers(fields.flat());
  return new RequestHead(connect ? 'CONNECT' : 'GET', 'h', connect ? '' : pathOf(random) + query, headers);
}

test('S46 generated routes and requests: the index and the walk take the same route', (t) => {
  const seed = Number(process.env['WEFT_SEED'] ?? 7);
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  for (let round = 0; round < ROUNDS; round++) {
    const routes = Array.from({ length: 1 + random.below(80) }, (_, i) =>
      ({ match: new RequestMatch(matchOf(random), `routes[${i}]`) }));
    const index = new RouteIndex(routes);
    for (let i = 0; i < 100; i++) {
      const head = headOf(random);
      const end = pathEnd(head.path);
      const walked = routes.findIndex(({ match }) => match.matches(head, end, 0.5));
      assert.equal(index.find(head, end, 0.5), walked, `round ${round}: ${head.method} ${head.path}`);
    }
  }
});

test('S46 beginnings of very many lengths', () => {
  const routes = Array.from({ length: 200 }, (_, i) =>
    ({ match: new RequestMatch({ prefix: `/${'p'.repeat(200 - i)}` }, '') }));
  const index = new RouteIndex(routes);
  for (const length of [1, 2, 30, 199, 200, 500]) {
    const head = new RequestHead('GET', 'h', `/${'p'.repeat(length)}`, new Headers([]));
    assert.equal(index.find(head, head.path.length, 0), Math.max(0, 200 - length));
  }
});

test('S46 of routes that differ in the value of a header only those with the value are looked at', () => {
  let looks = 0;
  const counted = (match: RequestMatch): RequestMatch => {
    const matches = match.matches.bind(match);
    match.matches = (...args) => {
      looks++;
      return matches(...args);
    };
    return match;
  };
  const routes = Array.from({ length: 1000 }, (_, i) => {
    const headers = [{ name: 'tenant', stringMatch: { exact: `t${i}` } }];
    return { match: counted(new RequestMatch({ prefix: '/', headers }, '')) };
  });
  const index = new RouteIndex([...routes, { match: counted(new RequestMatch({ prefix: '/' }, '')) }]);
  const find = (...fields: string[]): number =>
    index.find(new RequestHead('GET', 'h', '/x', new Headers(fields)), 2, 0);
  assert.deepEqual([find('tenant', 't999'), find('tenant', 't5'), find('tenant', 'no'), find()], [999, 5, 1000, 1000]);
  assert.equal(find('tenant', 't9', 'tenant', 't7'), 7);
  assert.ok(looks <= 3 * 5, `${looks} looks`);
});
