// The index of a large virtual host finds what the walk over all of its routes would.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../base/random.ts';
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

function matchOf(random: SeededRandom): RouteMatch {
  const path = pathOf(random);
  const caseSensitive = random.below(4) > 0;
  const headers = random.below(3) === 0 ? [{ name: 'a', stringMatch: { exact: String(random.below(2)) } }] : [];
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
  const headers = new Headers(['a', String(random.below(2))]);
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

test('beginnings of very many lengths share buckets', () => {
  const routes = Array.from({ length: 200 }, (_, i) =>
    ({ match: new RequestMatch({ prefix: `/${'p'.repeat(200 - i)}` }, '') }));
  const index = new RouteIndex(routes);
  for (const length of [1, 2, 30, 199, 200, 500]) {
    const head = new RequestHead('GET', 'h', `/${'p'.repeat(length)}`, new Headers([]));
    assert.equal(index.find(head, head.path.length, 0), Math.max(0, 200 - length));
  }
});
