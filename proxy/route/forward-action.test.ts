// Forwarding routes: cluster choice, rewrites, timeouts, upgrades.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleStream } from '../../test/harness/stream-sample.ts';
import type { RouteAction } from '../config/route-action.ts';
import type { RouteMatch } from '../config/route-match.ts';
import { Headers } from '../http/headers.ts';
import { RequestHead } from '../http/message.ts';
import { compileForward } from './forward-action.ts';
import { compilePathMatch } from './path-match.ts';
import type { ForwardAction } from './route-entry.ts';

function compile(config: RouteAction, match: RouteMatch = { prefix: '/' },
  clusters = new Set<string>()): ForwardAction {
  return compileForward(config, compilePathMatch(match, ''), undefined, clusters, 'route');
}

function head(path: string, ...fields: string[]): RequestHead {
  return new RequestHead('GET', 'a.com', path, new Headers(fields));
}

/** Authority, path and headers after the rewrite. */
function rewritten(config: RouteAction, request: RequestHead, match?: RouteMatch,
  quiet?: boolean): (string | string[])[] {
  compile({ cluster: 'c', ...config }, match).rewrite?.(request, quiet === true, sampleStream());
  return [request.authority, request.path, request.headers.fields];
}

test('defaults are Envoy\'s: 15 s, no retries, 503 for an unknown cluster', () => {
  const action = compile({ cluster: 'c' });
  assert.deepEqual([action.timeoutMs, action.maxGrpcTimeout, action.idleTimeoutMs, action.streamDuration, action.retry],
    [15_000, undefined, undefined, undefined, undefined]);
  assert.deepEqual([action.clusterNotFoundStatus, action.rewrite, action.upgrades.size, action.connectTerminates],
    [503, undefined, 0, false]);
  const off = compile({ cluster: 'c', timeout: '0s', idleTimeout: '0s',
    maxStreamDuration: { maxStreamDuration: '1.5s' }, clusterNotFoundResponseCode: 'NOT_FOUND' });
  assert.deepEqual([off.timeoutMs, off.idleTimeoutMs, off.streamDuration?.ownMs, off.clusterNotFoundStatus],
    [0, 0, 1500, 404]);
});

test('weights share the draws in [0, 1) exactly, and a weight of 0 gets none', () => {
  const clusters = [{ name: 'a', weight: 1 }, { name: 'none' }, { name: 'b', weight: 2 }, { name: 'c', weight: 1 }];
  const names = new Set<string>();
  const action = compile({ weightedClusters: { clusters } }, undefined, names);
  const at = (random: number): string | undefined => action.pickCluster(head('/'), random)?.cluster;
  assert.deepEqual([0, 0.2499, 0.25, 0.7499, 0.75, 0.9999999].map(at), ['a', 'a', 'b', 'b', 'c', 'c']);
  assert.deepEqual([...names], ['a', 'none', 'b', 'c']);
});

test('weights without a sum are refused', () => {
  assert.throws(() => compile({ weightedClusters: { clusters: [{ name: 'a' }] } }),
    /^ConfigError: route\.weightedClusters\.clusters: weights sum to 0/);
  assert.throws(() => compile({}), /^ConfigError: route: needs one of cluster/);
});

test('a header names the cluster, or none', () => {
  const action = compile({ clusterHeader: 'X-Cluster' });
  assert.equal(action.pickCluster(head('/', 'x-cluster', 'c1', 'x-cluster', 'c2'), 0)?.cluster, 'c1');
  assert.equal(action.pickCluster(head('/'), 0), undefined);
  assert.equal(action.pickCluster(head('/', 'x-cluster', ''), 0), undefined);
});

test('the matched prefix or path is swapped, and where it came from is told', () => {
  assert.deepEqual(rewritten({ prefixRewrite: '/' }, head('/pre/x?y=/pre/'), { prefix: '/pre/' }),
    ['a.com', '/x?y=/pre/', ['x-envoy-original-path', '/pre/x?y=/pre/']]);
  assert.deepEqual(rewritten({ prefixRewrite: '/n' }, head('/p?q'), { path: '/p' }, true),
    ['a.com', '/n?q', []]);
  assert.deepEqual(rewritten({ prefixRewrite: '/n' }, head('/p/1?q'), { safeRegex: { regex: '/p/.*' } }, true),
    ['a.com', '/n?q', []]);
  assert.deepEqual(rewritten({ prefixRewrite: '/n' }, head('/P/1'), { prefix: '/p', caseSensitive: false }, true),
    ['a.com', '/n/1', []]);
  assert.equal(compile({ cluster: 'c', prefixRewrite: '' }).rewrite, undefined);
});

test('S49 a format makes the path, unless it would make none or break the line', () => {
  const to = (value: string): unknown => {
    const request = head('/p?q', 'x-to', value);
    const info = sampleStream();
    info.request = request;
    compile({ cluster: 'c', pathRewrite: '%REQ(X-TO)%' }).rewrite?.(request, true, info);
    return request.path;
  };
  assert.deepEqual(['/n', '/n?a'].map(to), ['/n?q', '/n?a?q']);
  for (const none of ['', 'n', '/n HTTP/1.1', '/\u00e9']) assert.equal(to(none), '/p?q', none);
  assert.throws(() => compile({ cluster: 'c', pathRewrite: '%NOPE%' }), /^ConfigError: route\.pathRewrite/);
  assert.throws(() => compile({ cluster: 'c', hostRewrite: '%NOPE%' }), /^ConfigError: route\.hostRewrite/);
});

test('a pattern rewrites the path and never the query', () => {
  const regexRewrite = { pattern: { regex: '^/service/([^/]+)(/.*)$' }, substitution: '\\2/instance/\\1' };
  assert.deepEqual(rewritten({ regexRewrite }, head('/service/foo/v1?x=/service/a/b'), undefined, true)[1],
    '/v1/instance/foo?x=/service/a/b');
  assert.throws(() => compile({ cluster: 'c', regexRewrite: { pattern: { regex: '(' } } }),
    /^ConfigError: route\.regexRewrite\.pattern\.regex/);
});

test('the authority becomes a literal, a header or a part of the path', () => {
  assert.deepEqual(rewritten({ hostRewriteLiteral: 'b.org' }, head('/')),
    ['b.org', '/', ['x-envoy-original-host', 'a.com']]);
  assert.deepEqual(rewritten({ hostRewriteHeader: 'x-h' }, head('/', 'x-h', 'b:1'), undefined, true)[0],
    'b:1');
  assert.deepEqual(rewritten({ hostRewriteHeader: 'x-h' }, head('/')), ['a.com', '/', []]);
  const hostRewritePathRegex = { pattern: { regex: '^/(.+)/.+$' }, substitution: '\\1' };
  assert.equal(rewritten({ hostRewritePathRegex }, head('/envoyproxy.io/some?x'))[0], 'envoyproxy.io');
});

test('each try goes to the name of its endpoint, where that has one', () => {
  const { rewrite, rewriteToEndpoint } = compile({ cluster: 'c', autoHostRewrite: true });
  const request = head('/');
  for (const name of ['one.local', undefined, 'two.local']) rewriteToEndpoint?.(request, name, false);
  assert.deepEqual([rewrite, request.authority, request.headers.fields],
    [undefined, 'two.local', ['x-envoy-original-host', 'one.local']]);
});

test('S49 a header or path that is no authority leaves the authority alone', () => {
  for (const value of ['a b', 'a/b', 'u@h', 'a,b', 'a?b', 'a#b', 'a\\b', '\u00e9']) {
    assert.equal(rewritten({ hostRewriteHeader: 'x-h' }, head('/', 'x-h', value))[0], 'a.com', value);
  }
  assert.throws(() => compile({ cluster: 'c', hostRewriteLiteral: 'a b' }), /^ConfigError: route\.hostRewriteLiteral/);
});

test('what a rewrite replaces joins x-forwarded-host, once', () => {
  const config: RouteAction = { hostRewriteLiteral: 'b', appendXForwardedHost: true };
  const forwarded = (...before: string[]): string | undefined => {
    const request = head('/', ...before.flatMap((value) => ['x-forwarded-host', value]));
    rewritten(config, request);
    return request.headers.joined('x-forwarded-host');
  };
  assert.deepEqual([forwarded(), forwarded('x'), forwarded('x,a.com')], ['a.com', 'x,a.com', 'x,a.com']);
});

test('upgrades that a route allows, refuses or ends', () => {
  const { upgrades, connectTerminates } =
    compile({ cluster: 'c', upgradeConfigs: [{ upgradeType: 'WebSocket' }, { upgradeType: 'x', enabled: false },
    { upgradeType: 'CONNECT', connectConfig: {} }] });
  assert.deepEqual([...upgrades], [['websocket', true], ['x', false], ['connect', true]]);
  assert.equal(connectTerminates, true);
});
