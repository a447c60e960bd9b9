// Keys that a proxy fetches over a cluster, and what others make of claims: undici through weft as through Envoy.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { request } from 'undici';
import { candidates, ProxyProcess } from '../harness/proxy-process.ts';
import { ISSUER, keySet, makeKey, tokenOf } from '../harness/token-keys.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener, staticCluster } from '../harness/weft.ts';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http';
const JWT = 'envoy.filters.http.jwt_authn';
const KEY = makeKey('RS256');

interface Keys {
  readonly port: number;
  readonly asked: string[];
  answer: { status: number; body: string };
}

async function keyServer(t: TestContext): Promise<Keys> {
  const keys: Keys = { port: 0, asked: [], answer: { status: 200, body: keySet(KEY) } };
  const server: Server = createServer(({ method, url, headers }, response) => {
    keys.asked.push(`${method} ${headers.host}${url}`);
    response.writeHead(keys.answer.status, { location: '/elsewhere' }).end(keys.answer.body);
  });
  server.listen(0, '127.0.0.1');
  await until('listening', () => server.listening);
  t.after(() => server.close());
  return Object.assign(keys, { port: (server.address() as AddressInfo).port });
}

const tokens = (more: Record<string, unknown> = {}): unknown => ({
  name: JWT, typed_config: {
    '@type': `${FILTERS}.jwt_authn.v3.JwtAuthentication`,
    providers: { one: { issuer: ISSUER, payload_in_metadata: 'claims', clear_route_cache: true, remote_jwks: {
      http_uri: { uri: 'http://keys.test/jwks?v=1', cluster: 'keys', timeout: '2s' }, ...more } } },
    rules: [{ match: { prefix: '/' }, requires: { requires_any: { requirements: [
      { provider_name: 'one' }, { allow_missing: {} }] } } }],
  },
});

const claim = (...path: string[]): unknown => ({ filter: JWT, path: ['claims', ...path].map((key) => ({ key })) });
const says = (text: string, path: string[]): unknown =>
  ({ ...claim(...path) as object, value: { string_match: { exact: text } } });
const answering = (status: number, match: object = {}): unknown =>
  ({ match: { prefix: '/', ...match }, direct_response: { status } });

async function statusOf(port: number, token?: string, path = '/'): Promise<string> {
  const answer = await request(`http://127.0.0.1:${port}${path}`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
  const body = await answer.body.text();
  return `${answer.statusCode} ${String(answer.headers['x-claim'] ?? '')}${body}`;
}

for (const { kind, skip } of candidates()) {
  test(`S71 ${kind} fetches keys over a cluster, once (undici, node:http)`, { skip }, async (t) => {
    const keys = await keyServer(t);
    await using proxy = await ProxyProcess.start(kind, bootstrapOf(
      [httpListener([answering(200)], { http_filters: [tokens()] })], [staticCluster('keys', [keys.port])]));
    const port = proxy.port('http');
    assert.equal(await statusOf(port), '200 ');
    assert.equal(keys.asked.length, 0);
    for (let i = 0; i < 3; i++) assert.equal(await statusOf(port, tokenOf(KEY, { i })), '200 ');
    assert.deepEqual(keys.asked, ['GET keys.test/jwks?v=1']);
    assert.equal(await statusOf(port, tokenOf(makeKey('RS256'))), '401 Jwt verification fails');
    const stat = (name: string): Promise<unknown> => proxy.stat(`http.http.jwt_authn.${name}`);
    assert.deepEqual([await stat('jwks_fetch_success'), await stat('jwks_fetch_failed')], [1, 0]);
  });

  test(`S71 ${kind} refuses tokens while no keys have come (undici, node:http)`, { skip }, async (t) => {
    const keys = await keyServer(t);
    await using proxy = await ProxyProcess.start(kind, bootstrapOf(
      [httpListener([answering(200)], { http_filters: [tokens()] })], [staticCluster('keys', [keys.port])]));
    const port = proxy.port('http');
    for (const answer of [{ status: 503, body: '' }, { status: 302, body: keySet(KEY) }, { status: 200, body: 'x' }]) {
      keys.answer = answer;
      await until('a fetch', async () => {
        const before = keys.asked.length;
        assert.match(await statusOf(port, tokenOf(KEY)), /^401 Jwks /);
        return keys.asked.length > before;
      });
    }
    keys.answer = { status: 200, body: keySet(KEY) };
    await until('the keys', async () => await statusOf(port, tokenOf(KEY)) === '200 ');
    assert.equal(keys.asked.some((line) => line.includes('elsewhere')), false);
  });

  test(`${kind} gives claims to routes, RBAC, rate limits and headers (undici)`, { skip }, async (t) => {
    const keys = await keyServer(t);
    const rbac = { '@type': `${FILTERS}.rbac.v3.RBAC`, rules: { action: 'DENY', policies: { bad: {
      permissions: [{ any: true }], principals: [{ or_ids: { ids: [{ metadata: says('eve', ['sub']) },
        { metadata: { ...claim('n') as object, value: { double_match: { range: { start: 5, end: 7 } } } } },
        { metadata: { ...claim('off') as object, value: { bool_match: true } } },
        { metadata: { ...claim('deep', 'list') as object,
          value: { list_match: { one_of: { string_match: { prefix: 'x' } } } } } },
        { metadata: { ...claim('nothing') as object, value: { null_match: {} } } },
        { metadata: { ...claim('object') as object, value: { present_match: true } } },
      ] } }] } } } };
    const limit = { '@type': `${FILTERS}.local_ratelimit.v3.LocalRateLimit`, stat_prefix: 'limit',
      filter_enabled: { default_value: { numerator: 100 } }, filter_enforced: { default_value: { numerator: 100 } },
      token_bucket: { max_tokens: 1000, fill_interval: '3600s' },
      descriptors: [{ entries: [{ key: 'sub', value: 'greedy' }], token_bucket: { max_tokens: 1,
        fill_interval: '3600s' } }],
      rate_limits: [{ actions: [{ metadata: { descriptor_key: 'sub',
        metadata_key: { key: JWT, path: [{ key: 'claims' }, { key: 'sub' }] } } }] }] };
    const routes = [
      answering(211, { dynamic_metadata: [says('testers', ['group'])] }),
      answering(212, { dynamic_metadata: [{ ...claim('sub') as object, value: { present_match: true },
        invert: true }] }),
      answering(213),
    ];
    const told = { header: { key: 'x-claim', value: `%DYNAMIC_METADATA(${JWT}:claims:sub)%` } };
    const listener = httpListener(routes, {
      http_filters: [tokens(), { name: 'rbac', typed_config: rbac }, { name: 'limit', typed_config: limit }],
      route_config: { name: 'routes', response_headers_to_add: [told],
        virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    });
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([listener], [staticCluster('keys', [keys.port])]));
    const ask = (claims: Record<string, unknown>): Promise<string> => statusOf(proxy.port('http'), tokenOf(KEY,
      claims));
    assert.equal(await statusOf(proxy.port('http')), '212 ');
    assert.deepEqual([await ask({}), await ask({ group: 'testers' }), await ask({ sub: 'greedy' })],
      ['213 amy', '211 amy', '213 greedy']);
    assert.match(await ask({ sub: 'greedy' }), /^429 /);
    const denied: Record<string, unknown>[] = [{ sub: 'eve' }, { n: 5 }, { n: 6.5 }, { off: true }, { deep: {
      list: ['a', 'xy'] } },
      { nothing: null }, { object: {} }];
    for (const claims of denied) assert.match(await ask(claims), /^403 /, JSON.stringify(claims));
    const passed: Record<string, unknown>[] = [{ n: 7 }, { n: '5' }, { off: 'true' }, { off: false }, { deep: {
      list: 'x' } },
      { deep: ['x'] }, { nothing: 0 }];
    for (const claims of passed) assert.match(await ask(claims), /^213 /, JSON.stringify(claims));
  });
}
