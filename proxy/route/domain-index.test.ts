// Virtual hosts are found as Envoy finds them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../base/random.ts';
import { DomainIndex } from './domain-index.ts';

function indexOf(domains: readonly string[]): DomainIndex<string> {
  const index = new DomainIndex<string>();
  for (const domain of domains) index.add(domain, domain, 'domains');
  return index;
}

test('exact before suffix before prefix before *, the longest wildcard first', () => {
  const index = indexOf(['www.foo.com', '*.foo.com', '*-bar.foo.com', '*.com', 'www.*', 'www.foo.*', '*']);
  const cases: readonly (readonly [string, string])[] = [
    ['www.foo.com', 'www.foo.com'], ['a.foo.com', '*.foo.com'], ['baz-bar.foo.com', '*-bar.foo.com'],
      ['x.com', '*.com'],
    ['www.foo.org', 'www.foo.*'], ['www.bar.org', 'www.*'], ['other', '*'], ['', '*'], ['www.foo.com:80', 'www.foo.*'],
  ];
  for (const [authority, domain] of cases) assert.equal(index.find(authority), domain, authority);
});

test('a wildcard stands for at least one character', () => {
  const index = indexOf(['*-bar.foo.com', 'foo.*']);
  assert.equal(index.find('-bar.foo.com'), undefined);
  assert.equal(index.find('foo.'), undefined);
  assert.equal(index.find('foo.x'), 'foo.*');
});

test('ports are part of the domain', () => {
  const index = indexOf(['foo.com', 'foo.com:8080', '[::1]:80', '*.foo.com:80']);
  assert.equal(index.find('foo.com:8080'), 'foo.com:8080');
  assert.equal(index.find('foo.com:80'), undefined);
  assert.equal(index.find('[::1]:80'), '[::1]:80');
  assert.equal(index.find('a.foo.com:80'), '*.foo.com:80');
});

test('S13 configured domains are folded to lower case, as authorities are', () => {
  const index = indexOf(['WWW.Foo.COM', '*.Bar.com']);
  assert.equal(index.find('www.foo.com'), 'WWW.Foo.COM');
  assert.equal(index.find('x.bar.com'), '*.Bar.com');
});

test('a domain that is there twice is refused, by its place', () => {
  const index = indexOf(['foo.com', '*', '*.foo.com']);
  for (const again of ['foo.com', 'FOO.com', '*', '*.foo.com', '']) {
    assert.throws(() => index.add(again, 'x', 'virtualHosts[1].domains[0]'),
      /^ConfigError: virtualHosts\[1\]\.domains\[0\]: /);
  }
  index.add('*.foo.com:80', 'x', '');
});

test('S90 names of Object.prototype are names like others', () => {
  const index = indexOf(['a.com']);
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) assert.equal(index.find(name),
    undefined);
});

/** What the documentation says, in the slowest way. */
function oracle(domains: readonly string[], authority: string): string | undefined {
  const fits = (domain: string): number => {
    if (domain === authority) return 3000;
    if (domain === '*') return 1;
    if (domain.startsWith('*') && authority.endsWith(domain.slice(1))
      && authority.length >= domain.length) return 2000 + domain.length;
    if (domain.endsWith('*') && authority.startsWith(domain.slice(0, -1))
      && authority.length >= domain.length) return 1000 + domain.length;
    return 0;
  };
  const best = domains.map((domain) => [fits(domain), domain] as const).toSorted((a, b) => b[0] - a[0])[0];
  return best === undefined || best[0] === 0 ? undefined : best[1];
}

test('random tables answer as the rules say', () => {
  const seed = 99;
  const random = new SeededRandom(seed);
  const word = (): string => Array.from({ length: 1 + random.below(4) }, () => 'ab.-'[random.below(4)]!).join('');
  for (let i = 0; i < 400; i++) {
    const domains = [...new Set(Array.from({ length: 1 + random.below(12) },
      () => ['', '*'][random.below(2)]! + word() + (random.below(3) === 0 ? '*' : '')))]
      .filter((domain) => !/^\*.*\*$/.test(domain)).concat(random.below(2) === 0 ? ['*'] : []);
    const index = indexOf(domains);
    for (let j = 0; j < 50; j++) {
      const authority = word();
      assert.equal(index.find(authority), oracle(domains, authority),
        `seed ${seed}: ${authority} in ${domains.join(' ')}`);
    }
  }
});
