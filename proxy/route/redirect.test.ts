// Where redirects lead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleStream } from '../../test/harness/stream-sample.ts';
import type { RedirectAction } from '../config/route-action.ts';
import type { RouteMatch } from '../config/route-match.ts';
import { RequestHead } from '../http/message.ts';
import { compilePathMatch } from './path-match.ts';
import { compileRedirect } from './redirect.ts';

function location(config: RedirectAction, authority = 'a.com', path = '/p/x?q=1',
  match: RouteMatch = { prefix: '/p' }): string {
  return compileRedirect(config, compilePathMatch(match, ''),
    'redirect').locationFor(new RequestHead('GET', authority, path), sampleStream());
}

test('each part of the location', () => {
  assert.equal(location({}), 'http://a.com/p/x?q=1');
  assert.equal(location({ hostRedirect: 'b.org' }), 'http://b.org/p/x?q=1');
  assert.equal(location({ httpsRedirect: true }), 'https://a.com/p/x?q=1');
  assert.equal(location({ schemeRedirect: 'ftp' }), 'ftp://a.com/p/x?q=1');
  assert.equal(location({ portRedirect: 8443 }, 'a.com:80'), 'http://a.com:8443/p/x?q=1');
  assert.equal(location({ portRedirect: 8443 }, '[::1]:80'), 'http://[::1]:8443/p/x?q=1');
  assert.equal(location({ portRedirect: 1 }, '[::1]'), 'http://[::1]:1/p/x?q=1');
  assert.equal(location({ pathRedirect: '/new' }), 'http://a.com/new?q=1');
  assert.equal(location({ pathRedirect: '/new?z=2' }), 'http://a.com/new?z=2');
  assert.equal(location({ pathRedirect: '/new?z=2', stripQuery: true }), 'http://a.com/new?z=2');
  assert.equal(location({ pathRedirect: '/new', stripQuery: true }), 'http://a.com/new');
  assert.equal(location({ stripQuery: true }), 'http://a.com/p/x');
});

test('a default port goes with its scheme', () => {
  assert.equal(location({ httpsRedirect: true }, 'a.com:80'), 'https://a.com/p/x?q=1');
  assert.equal(location({ httpsRedirect: true }, 'a.com:8080'), 'https://a.com:8080/p/x?q=1');
  assert.equal(location({ schemeRedirect: 'http' }, 'a.com:80'), 'http://a.com:80/p/x?q=1');
});

test('rewrites of the matched prefix, path or pattern', () => {
  assert.equal(location({ prefixRewrite: '/n' }), 'http://a.com/n/x?q=1');
  assert.equal(location({ prefixRewrite: '/n' }, 'a', '/p?q', { path: '/p' }), 'http://a/n?q');
  assert.equal(location({ prefixRewrite: '/n' }, 'a', '/p/x?q', { safeRegex: { regex: '/p/.*' } }), 'http://a/n?q');
  const regexRewrite = { pattern: { regex: '/p/(.)' }, substitution: '/\\1' };
  assert.equal(location({ regexRewrite }, 'a', '/p/x?q=/p/y'), 'http://a/x?q=/p/y');
  assert.throws(() => location({ regexRewrite: { ...regexRewrite, substitution: '\\2' } }),
    /^ConfigError: redirect\.regexRewrite\.substitution/);
});

test('codes', () => {
  const status = (responseCode?: NonNullable<RedirectAction['responseCode']>): number =>
    compileRedirect(responseCode === undefined ? {} : { responseCode }, compilePathMatch({ prefix: '/' }, ''),
      '').status;
  assert.equal(status(), 301);
  assert.deepEqual((['FOUND', 'SEE_OTHER', 'TEMPORARY_REDIRECT', 'PERMANENT_REDIRECT'] as const).map(status),
    [302, 303, 307, 308]);
});
