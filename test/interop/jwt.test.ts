// Tokens by undici through weft and through a real Envoy: the same bootstrap, the same good and bad tokens, the same
// statuses, bodies, headers both ways, response details and stats.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'undici';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import type { ProxyKind } from '../harness/proxy-process.ts';
import type { TokenKey } from '../harness/token-keys.ts';
import { ISSUER, KEY_ALGORITHMS, base64url, claimsOf, keySet, makeKey, nowSeconds, signed, tokenOf,
} from '../harness/token-keys.ts';
import { bootstrapOf, httpListener, staticCluster } from '../harness/weft.ts';
import type { Ask } from './repeated-asks.ts';

const skip = reasonToSkip(findEnvoy(false));
const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http';
const JWT = `${FILTERS}.jwt_authn.v3.JwtAuthentication`;
const PER_ROUTE = `${FILTERS}.jwt_authn.v3.PerRouteConfig`;

const keys = KEY_ALGORITHMS.map((algorithm) => makeKey(algorithm));
const [rs256] = keys;
const other = makeKey('ES256', 'other');
const stranger = makeKey('RS256');

interface Scenario {
  readonly name: string;
  /** Fields of JwtAuthentication. */
  readonly filter: Record<string, unknown>;
  readonly routes?: readonly unknown[];
  readonly asks: readonly Ask[];
}

const local = (...all: readonly TokenKey[]): unknown => ({ local_jwks: { inline_string: keySet(...all) } });
const provider = (more: Record<string, unknown> = {}): unknown => ({ issuer: ISSUER, ...local(...keys) as object,
  ...more });
const rule = (requires: unknown, prefix = '/'): unknown => ({ match: { prefix }, requires });
const one = (more: Record<string, unknown> = {}, requires: unknown = { provider_name: 'one' }): Record<string,
  unknown> =>
  ({ providers: { one: provider(more) }, rules: [rule(requires)] });
const bearer = (token: string, more: Record<string, string> = {}): Ask =>
  ({ headers: { authorization: `Bearer ${token}`, ...more } });
const plain: Ask = {};

const good = tokenOf(rs256!);
const OTHER_ISSUER = 'https://other.test';
const theirs = tokenOf(other, { iss: OTHER_ISSUER });
const bad = tokenOf({ ...stranger, id: 'RS256' });
const two = { one: provider(), two: { issuer: OTHER_ISSUER, ...local(other) as object } };

const badClaims: readonly (readonly [string, unknown])[] = [
  ['iss', 7], ['sub', ['amy']], ['jti', 1], ['iat', '1'], ['nbf', 'x'], ['exp', '9999999999'], ['exp', -1], ['exp',
    null],
  ['aud', 7], ['aud', ['a', 7]], ['iat', 1.5],
];

const SCENARIOS: readonly Scenario[] = [
  { name: 'algorithms', filter: one(), asks: keys.map((key) => bearer(tokenOf(key))) },
  { name: 'no token, and bad ones', filter: one(), asks: [
    plain, bearer(''), bearer('x'), bearer('a.b'), bearer('a.b.c.d'), bearer(bad), 
    bearer(theirs), { headers: { authorization: 'Basic eDp5' } }, { headers: { authorization: `bearer ${good}` } },
    { headers: { authorization: `Bearer  ${good}` } }, { headers: { authorization: `xBearer ${good}` } },
    bearer(tokenOf(rs256!, {}, { kid: 'none such' })), bearer(tokenOf(rs256!, {}, { alg: 'RS384' })),
    bearer(tokenOf(rs256!, {}, { alg: 'none' })), bearer(tokenOf(rs256!, {}, { alg: 7 })),
    bearer(tokenOf(rs256!, {}, { kid: 7 })), bearer(signed(rs256!, '{', claimsOf())),
    bearer(signed(rs256!, { alg: 'RS256' }, '{')), bearer(signed(rs256!, { alg: 'RS256' }, '[]')),
    bearer(`${base64url({ alg: 'RS256' })}.*.x`), bearer(`*.${base64url(claimsOf())}.x`),
    bearer(`${base64url({ alg: 'RS256' })}.${base64url(claimsOf())}.*`),
    ...badClaims.map(([name, value]) => bearer(tokenOf(rs256!, { [name]: value }))),
  ] },
  { name: 'times', filter: one(), asks: [
    bearer(tokenOf(rs256!, { exp: nowSeconds() - 30 })), bearer(tokenOf(rs256!, { exp: nowSeconds() - 90 })),
    bearer(tokenOf(rs256!, { nbf: nowSeconds() + 30 })), bearer(tokenOf(rs256!, { nbf: nowSeconds() + 120 })),
    bearer(tokenOf(rs256!, { exp: undefined })), bearer(tokenOf(rs256!, { iat: nowSeconds() + 1000 })),
  ] },
  { name: 'no skew to speak of', filter: one({ clock_skew_seconds: 1 }), asks: [
    bearer(tokenOf(rs256!, { exp: nowSeconds() - 30 })), bearer(tokenOf(rs256!, { nbf: nowSeconds() + 30 })),
  ] },
  { name: 'expiry is required', filter: one({ require_expiration: true }), asks: [
    bearer(tokenOf(rs256!, { exp: undefined })), bearer(good),
  ] },
  { name: 'lifetimes', filter: one({ max_lifetime: '600s' }), asks: [
    bearer(good), bearer(tokenOf(rs256!, { exp: undefined })), bearer(tokenOf(rs256!, { exp: nowSeconds() + 300 })),
    bearer(tokenOf(rs256!, { iat: undefined, exp: nowSeconds() + 900 })),
    bearer(tokenOf(rs256!, { iat: undefined, exp: nowSeconds() + 300 })),
    bearer(tokenOf(rs256!, { iat: nowSeconds() - 500, exp: nowSeconds() + 300 })),
    bearer(tokenOf(rs256!, { iat: undefined, nbf: nowSeconds() - 500, exp: nowSeconds() + 300 })),
  ] },
  { name: 'subjects', filter: one({ subjects: { prefix: 'spiffe://' } }), asks: [
    bearer(good), bearer(tokenOf(rs256!, { sub: 'spiffe://a/b' })), bearer(tokenOf(rs256!, { sub: undefined })),
  ] },
  { name: 'audiences', filter: one({ audiences: ['shop', 'https://books.test/'] }), asks: [
    bearer(good), ...['shop', ['x', 'shop'], 'Shop', 'books.test', 'http://books.test', 'https://shop', 'shop/', [], '']
      .map((aud) => bearer(tokenOf(rs256!, { aud }))),
  ] },
  { name: 'audiences of a requirement', asks: [
    bearer(tokenOf(rs256!, { aud: 'shop' })), bearer(tokenOf(rs256!, { aud: 'other' })),
  ], filter: one({ audiences: ['shop'] }, { provider_and_audiences: { provider_name: 'one', audiences: ['other'] } }) },
  { name: 'any issuer', filter: one({ issuer: '' }), asks: [bearer(tokenOf(rs256!, { iss: 'x' })), bearer(good)] },
  { name: 'parameters', filter: one(), asks: [
    { path: `/a?access_token=${good}` }, { path: `/a?x=1&access_token=${good}&y=2` }, {
      path: `/a?access_token=${bad}` },
    { path: '/a?access_token=' }, { path: `/a?access_token=${good}`, headers: { authorization: `Bearer ${good}` } },
    { path: `/a?access_token=${good}`, headers: { authorization: `Bearer ${bad}` } },
  ] },
  { name: 'places of its own', filter: one({ from_headers: [{ name: 'X-Token', value_prefix: 'T ' }, {
    name: 'x-bare' }],
    from_params: ['t'], from_cookies: ['session'] }), asks: [
    { headers: { 'x-token': `T ${good}` } }, { headers: { 'x-token': good } }, { headers: { 'x-bare': good } },
    { path: `/?t=${good}` }, { headers: { cookie: `a=b; session=${good}` } }, { headers: {
      cookie: `session="${good}"` } },
    bearer(good), { headers: { 'x-bare': good, cookie: `session=${bad}` } },
    { headers: { 'x-bare': bad, 'x-token': 'T x', cookie: 'session=y' } },
  ] },
  { name: 'forwarded', filter: one({ forward: true }), asks: [bearer(good), { path: `/?access_token=${good}` }] },
  { name: 'payload as a header', filter: one({ forward_payload_header: 'X-Payload' }), asks: [
    bearer(good), bearer(good, { 'x-payload': 'forged' }), bearer(bad, { 'x-payload': 'forged' }),
  ] },
  { name: 'payload with padding', filter: one({ forward_payload_header: 'x-payload',
    pad_forward_payload_header: true }),
    asks: ['a', 'ab', 'abc'].map((sub) => bearer(tokenOf(rs256!, { sub }))) },
  { name: 'claims as headers', filter: one({ claim_to_headers: ['sub', 'n', 'float', 'yes', 'in.deep.x', 'list', 'in',
    'big', 'neg', 'none', 'uni', 'absent'].map((name) => ({ header_name: `x-${name.replaceAll('.', '-')}`,
    claim_name: name })) }), asks: [bearer(tokenOf(rs256!, { n: 7, float: 1.5, yes: true, in: { deep: { x: 'y' } },
    list: ['a'], big: 12345678901, neg: -5, none: null }), { 'x-sub': 'forged', 'x-absent': 'forged' })] },
  { name: 'allowed to be missing', filter: one({ forward_payload_header: 'x-payload' },
    { requires_any: { requirements: [{ provider_name: 'one' }, { allow_missing: {} }] } }), asks: [
    plain, bearer(good), bearer(bad), bearer('x'), bearer(theirs), { headers: { 'x-payload': 'forged' } },
    bearer(tokenOf(rs256!, { exp: 1 })),
  ] },
  { name: 'allowed to be bad', filter: one({ forward_payload_header: 'x-payload' },
    { requires_any: { requirements: [{ provider_name: 'one' }, { allow_missing_or_failed: {} }] } }), asks: [
    plain, bearer(good), bearer(bad, { 'x-payload': 'forged' }), bearer('x'), bearer(theirs),
  ] },
  { name: 'missing alone', filter: one({}, { allow_missing: {} }), asks: [plain, bearer(good), bearer(bad)] },
  { name: 'one of two', filter: { providers: two, rules: [rule({ requires_any: { requirements: [
    { provider_name: 'one' }, { provider_name: 'two' }] } })] }, asks: [plain, bearer(good), bearer(theirs),
      bearer(bad),
    bearer('x'), bearer(tokenOf(other, { iss: 'third' }))] },
  { name: 'both of two', filter: { providers: { one: provider(), two: { issuer: OTHER_ISSUER, ...local(other) as object,
    from_headers: [{ name: 'x-other' }] } }, rules: [rule({ requires_all: { requirements: [
    { provider_name: 'one' }, { provider_name: 'two' }] } })] }, asks: [bearer(good), bearer(good, {
      'x-other': theirs }),
    { headers: { 'x-other': theirs } }, bearer(good, { 'x-other': good })] },
  { name: 'as istiod asks for two issuers', filter: { providers: two, rules: [rule({ requires_any: { requirements: [
    { provider_name: 'one' }, { provider_name: 'two' }, { requires_all: { requirements: [
      { requires_any: { requirements: [{ provider_name: 'one' }, { allow_missing: {} }] } },
      { requires_any: { requirements: [{ provider_name: 'two' }, { allow_missing: {} }] } }] } }] } })] },
  asks: [plain, bearer(good), bearer(theirs), bearer(bad), bearer('x'), bearer(tokenOf(other, { iss: 'third' }))] },
  { name: 'rules', filter: { providers: { one: provider() }, requirement_map: { named: { provider_name: 'one' } },
    bypass_cors_preflight: true, rules: [
      { match: { prefix: '/free' } }, { match: { path: '/named' }, requirement_name: 'named' },
      { match: { prefix: '/head', headers: [{ name: 'x-a', string_match: { exact: '1' } }] },
        requires: { provider_name: 'one' } }] }, asks: [
    { path: '/free' }, { path: '/named' }, { path: '/named?x' }, { path: '/head' },
    { path: '/head', headers: { 'x-a': '1' } }, { path: '/else' },
    { path: '/named', method: 'OPTIONS', headers: { origin: 'http://a', 'access-control-request-method': 'GET' } },
    { path: '/named', method: 'OPTIONS', headers: { origin: 'http://a' } },
  ] },
  { name: 'routes', filter: { providers: { one: provider() }, requirement_map: { named: { provider_name: 'one' } },
    rules: [rule({ provider_name: 'one' })] }, routes: [
    { match: { prefix: '/off' }, route: { cluster: 'service' },
      typed_per_filter_config: { jwt: { '@type': PER_ROUTE, disabled: true } } },
    { match: { prefix: '/named' }, route: { cluster: 'service' },
      typed_per_filter_config: { jwt: { '@type': PER_ROUTE, requirement_name: 'named' } } },
    { match: { prefix: '/wrong' }, route: { cluster: 'service' },
      typed_per_filter_config: { jwt: { '@type': PER_ROUTE, requirement_name: 'wrong' } } },
    { match: { prefix: '/' }, route: { cluster: 'service' } },
  ], asks: [{ path: '/off' }, { path: '/named' }, { path: '/wrong' }, { path: '/' }] },
  { name: 'bare refusals', filter: { ...one(), strip_failure_response: true }, asks: [plain, bearer(bad)] },
  { name: 'a path that is long', filter: one(), asks: [{ path: `/${'a'.repeat(400)}` }] },
  { name: 'gRPC', filter: one(), asks: [{ method: 'POST', headers: { 'content-type': 'application/grpc' } }] },
];

function bootstrapFor(upstream: number): unknown {
  const listeners = SCENARIOS.map(({ filter, routes }, i) => httpListener(
    routes ?? [{ match: { prefix: '/' }, route: { cluster: 'service' } }],
    { http_filters: [{ name: 'jwt', typed_config: { '@type': JWT, ...filter } }] }, `s${i}`,
  ));
  return bootstrapOf(listeners, [staticCluster('service', [upstream])]);
}

/** What a client sees, and what the upstream did. */
async function ask(port: number, { path = '/', method = 'GET', headers = {} }: Ask): Promise<string> {
  const answer = await request(`http://127.0.0.1:${port}${path}`, {
    method: method as 'GET', headers: { host: 'shop.test', ...headers },
  });
  const body = await answer.body.text();
  const told = Object.entries(answer.headers).filter(([name]) => /^(www|grpc|content-type)/.test(name)
    && body[0] !== '{');
  const shown = body.startsWith('{"server"') ? reached(JSON.parse(body) as Echo) : body;
  return [answer.statusCode, ...told.map((field) => field.join(': ')).toSorted(), shown].join(' | ');
}

function reached({ url, headers }: Echo): string {
  const own = Object.entries(headers).filter(([name]) =>
    /^(authorization|cookie|x-(?!forwarded|request|envoy))/.test(name));
  return [url, ...own.map(([name, value]) => `${name}: ${value}`).toSorted()].join(' ');
}

const STATS = ['allowed', 'denied', 'cors_preflight_bypassed', 'jwks_fetch_success', 'jwks_fetch_failed'];

async function run(kind: ProxyKind, upstream: number): Promise<Record<string, unknown>> {
  await using proxy = await ProxyProcess.start(kind, bootstrapFor(upstream));
  const seen: Record<string, unknown> = {};
  for (const [i, { name, asks }] of SCENARIOS.entries()) {
    const answers: string[] = [];
    for (const each of asks) answers.push(await ask(proxy.port(`s${i}`), each));
    const stats = await Promise.all(STATS.map((stat) => proxy.stat(`http.s${i}.jwt_authn.${stat}`)));
    seen[name] = { answers: answers.map((answer, at) => `${describe(asks[at]!)} -> ${answer}`), stats };
  }
  return seen;
}

function describe({ path = '/', headers = {} }: Ask): string {
  return `${path.slice(0, 60)} ${JSON.stringify(headers).slice(0, 60)}`;
}

test('tokens through weft as through Envoy, by undici', { skip }, async () => {
  await using upstream = await EchoServer.start('service');
  const theirAnswers = await run('envoy', upstream.port);
  const ours = await run('weft', upstream.port);
  for (const { name } of SCENARIOS) assert.deepEqual(ours[name], theirAnswers[name], name);
});
