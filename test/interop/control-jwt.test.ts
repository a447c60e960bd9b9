// Our control plane tells weft and a real Envoy alike which tokens requests may carry: Istio's words about
// RequestAuthentication, request identities and routing by claims, each with an answer to undici.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { WITHOUT_MTLS, startControlled } from '../harness/controlled-proxy.ts';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { candidates } from '../harness/proxy-process.ts';
import { ISSUER, keySet, makeKey, nowSeconds, tokenOf } from '../harness/token-keys.ts';
import { until } from '../harness/until.ts';

const ours = makeKey('RS256', 'ours');
const theirs = makeKey('ES256', 'theirs');
const THEIR_ISSUER = 'https://theirs.test/tenant';

const object = (kind: string, group: string, name: string, spec: unknown): string => `---\n${JSON.stringify({
  apiVersion: `${group}.istio.io/v1`, kind, metadata: { name, namespace: 'default' }, spec,
})}\n`;
const edge = { selector: { matchLabels: { istio: 'edge' } } };
const authentication = (name: string, ...jwtRules: unknown[]): string =>
  object('RequestAuthentication', 'security', name, { ...edge, jwtRules });
const policy = (name: string, action: string, ...rules: unknown[]): string =>
  object('AuthorizationPolicy', 'security', name, { ...edge, action, rules });
const path = (...paths: string[]): unknown => ({ to: [{ operation: { paths } }] });
const when = (key: string, ...values: string[]): unknown => ({ when: [{ key, values }] });

/** A path for each row: who may come there. */
const ALLOWED: Readonly<Record<string, unknown>> = {
  '/any-token': { from: [{ source: { requestPrincipals: ['*'] } }] },
  '/amy': { from: [{ source: { requestPrincipals: [`${ISSUER}/amy`] } }] },
  '/ours': { from: [{ source: { requestPrincipals: [`${ISSUER}/*`] } }] },
  '/a-names': { from: [{ source: { requestPrincipals: [`${ISSUER}/a*`] } }] },
  '/every-amy': { from: [{ source: { requestPrincipals: ['*/amy'] } }] },
  '/their-tenant': { from: [{ source: { requestPrincipals: [`${THEIR_ISSUER}/bob`] } }] },
  '/not-theirs': { from: [{ source: { requestPrincipals: ['*'], notRequestPrincipals: [`${THEIR_ISSUER}/*`] } }] },
  '/principal': when('request.auth.principal', `${ISSUER}/amy`),
  '/audience': when('request.auth.audiences', 'shop'),
  '/presenter': when('request.auth.presenter', 'app'),
  '/group': when('request.auth.claims[groups]', 'testers'),
  '/nested': when('request.auth.claims[realm][roles]', 'ad*'),
  '/scope': when('request.auth.claims[scope]', 'write'),
  '/not-group': { when: [{ key: 'request.auth.claims[groups]', notValues: ['testers'] }] },
  '/claims': {}, '/free': {}, '/routed': {}, '/nowhere': {},
};

const MESH = (upstream: number): string => WITHOUT_MTLS
  + object('Gateway', 'networking', 'edge', { selector: { istio: 'edge' }, servers: [
    { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }] })
  + object('ServiceEntry', 'networking', 'echo', { hosts: ['echo.test'], resolution: 'STATIC',
    ports: [{ number: 80, name: 'http', targetPort: upstream }], endpoints: [{ address: '127.0.0.1' }] })
  + object('VirtualService', 'networking', 'echo', { hosts: ['*'], gateways: ['edge'], http: [
    { match: [{ uri: { prefix: '/routed' }, headers: { '@request.auth.claims.groups': { exact: 'testers' } } }],
      directResponse: { status: 211 } },
    { match: [{ uri: { prefix: '/routed' }, headers: { '@request.auth.claims[realm][roles]': { prefix: 'ad' } } }],
      directResponse: { status: 212 } },
    { match: [{ uri: { prefix: '/routed' }, withoutHeaders: { '@request.auth.claims.sub': {} } }],
      directResponse: { status: 213 } },
    { match: [{ uri: { prefix: '/routed' } }], directResponse: { status: 214 } },
    { route: [{ destination: { host: 'echo.test' } }] }] })
  + authentication('ours', { issuer: ISSUER, jwks: keySet(ours), outputPayloadToHeader: 'x-payload',
    outputClaimToHeaders: [{ header: 'x-sub', claim: 'sub' }, { header: 'x-role', claim: 'realm.main' }] })
  + authentication('theirs', { issuer: THEIR_ISSUER, jwks: keySet(theirs), audiences: ['shop'],
    forwardOriginalToken: true, fromHeaders: [{ name: 'x-theirs', prefix: 'T ' }], fromParams: ['t'],
    fromCookies: ['t'] })
  + authentication('empty', { issuer: 'https://empty.test', jwksUri: 'https://127.0.0.1/keys' })
  + policy('deny', 'DENY', { ...path('/denied') as object, from: [{ source: { notRequestPrincipals: ['*'] } }] })
  + policy('allow', 'ALLOW', ...Object.entries(ALLOWED).map(([at, rule]) => ({ ...path(at) as object,
    ...rule as object })),
    path('/denied'));

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
const amy = bearer(tokenOf(ours));
const bob = { 'x-theirs': `T ${tokenOf(theirs, { iss: THEIR_ISSUER, sub: 'bob', aud: 'shop' })}` };
const tester = bearer(tokenOf(ours, { groups: ['a', 'testers'], realm: { roles: ['admin'], main: 'cook' }, azp: 'app',
  aud: ['shop', 'x'], scope: 'read write' }));

/** What a request gets, by what the row says. */
const ROWS: readonly (readonly [string, string, Record<string, string>, number])[] = [
  ['a request without a token passes', '/free', {}, 200],
  ['a good token passes', '/free', amy, 200],
  ['an invalid token is 401', '/free', bearer('x.y.z'), 401],
  ['a token of another key is 401', '/free', bearer(tokenOf({ ...makeKey('RS256'), id: 'ours' })), 401],
  ['an expired token is 401', '/free', bearer(tokenOf(ours, { exp: nowSeconds() - 100 })), 401],
  ['a token of an unknown issuer is 401', '/free', bearer(tokenOf(ours, { iss: 'https://x.test' })), 401],
  ['a token where its issuer has none is no token', '/free', { 'x-other': `T ${tokenOf(theirs)}` }, 200],
  ['a token without keys is 401', '/free', bearer(tokenOf(ours, { iss: 'https://empty.test' })), 401],
  ['an audience that is not asked for is 403',
    '/free', { 'x-theirs': `T ${tokenOf(theirs, { iss: THEIR_ISSUER, aud: 'other' })}` }, 403],
  ['a second issuer, in a header of its own', '/free', bob, 200],
  ['a token in a parameter', `/their-tenant?t=${bob['x-theirs'].slice(2)}`, {}, 200],
  ['a token in a cookie', '/their-tenant', { cookie: `t=${bob['x-theirs'].slice(2)}` }, 200],
  ['two issuers\' tokens, both good', '/free', { ...amy, ...bob }, 200],
  ['requestPrincipals: * without a token', '/any-token', {}, 403],
  ['requestPrincipals: *', '/any-token', amy, 200],
  ['requestPrincipals: exact', '/amy', amy, 200], ['requestPrincipals: another', '/amy', bob, 403],
  ['requestPrincipals: issuer/*', '/ours', amy, 200], ['requestPrincipals: issuer/*, another', '/ours', bob, 403],
  ['requestPrincipals: prefix', '/a-names', amy, 200],
  ['requestPrincipals: suffix', '/every-amy', amy, 200], ['requestPrincipals: suffix, another', '/every-amy', bob, 403],
  ['requestPrincipals: the last slash parts', '/their-tenant', bob, 200],
  ['notRequestPrincipals', '/not-theirs', amy, 200], ['notRequestPrincipals, one of them', '/not-theirs', bob, 403],
  ['request.auth.principal', '/principal', amy, 200], ['request.auth.principal, another', '/principal', bob, 403],
  ['request.auth.audiences, a text', '/audience', bob, 200], ['request.auth.audiences, a list', '/audience', tester,
    200],
  ['request.auth.audiences, none', '/audience', amy, 403],
  ['request.auth.presenter', '/presenter', tester, 200], ['request.auth.presenter, none', '/presenter', amy, 403],
  ['request.auth.claims', '/group', tester, 200], ['request.auth.claims, absent', '/group', amy, 403],
  ['request.auth.claims, no token', '/group', {}, 403],
  ['request.auth.claims[a][b], by prefix', '/nested', tester, 200], ['request.auth.claims[a][b]', '/nested', amy, 403],
  ['a claim of words', '/scope', tester, 200],
  ['notValues of a claim', '/not-group', tester, 403], ['notValues of a claim that is absent', '/not-group', amy, 200],
  ['DENY notRequestPrincipals: * asks for a token', '/denied', {}, 403],
  ['DENY notRequestPrincipals: * with a token', '/denied', amy, 200],
  ['a route by a claim', '/routed', tester, 211],
  ['a route by a nested claim', '/routed', bearer(tokenOf(ours, { realm: { roles: 'admin' } })), 212],
  ['a route for those without a claim', '/routed', {}, 213],
  ['the route for all others', '/routed', amy, 214],
  ['a forged claim', '/routed', { '@request.auth.claims.groups': 'testers' }, 213],
];

for (const { kind, skip } of candidates()) {
  void test(`${kind} judges tokens as RequestAuthentication says (undici)`, { skip }, async (t) => {
    await using upstream = await EchoServer.start('service');
    const [http] = await freePorts(1) as [number];
    await startControlled(t, kind, MESH(upstream.port), {
      role: 'router', address: '127.0.0.8',
      metadata: { LABELS: { istio: 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 80: http } },
    });
    const ask = async (at: string, headers: Record<string, string>): Promise<{ status: number; body: string }> => {
      const fields = Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('@')));
      const answer = await request(`http://127.0.0.1:${http}${at}`, { headers: fields });
      return { status: answer.statusCode, body: await answer.body.text() };
    };
    await until('the routes', async () => (await ask('/free', {}).catch(() => undefined))?.status === 200);
    for (const [name, at, headers, status] of ROWS) {
      await t.test(name, async () => assert.equal((await ask(at, headers)).status, status));
    }
    await t.test('claims as headers, and the token goes no further', async () => {
      const { headers } = JSON.parse((await ask('/claims', { ...tester, 'x-sub': 'forged',
        'x-role': 'forged' })).body) as Echo;
      const claims = JSON.parse(Buffer.from(headers['x-payload']!, 'base64url').toString()) as { sub: string };
      assert.deepEqual([headers['x-sub'], headers['x-role'], claims.sub, headers['authorization']],
        ['amy', 'cook', 'amy', undefined]);
    });
    await t.test('claims that clients forge are removed', async () => {
      const { headers } = JSON.parse((await ask('/claims', { 'x-sub': 'forged', 'x-payload': 'x' })).body) as Echo;
      assert.deepEqual([headers['x-sub'], headers['x-payload']], [undefined, undefined]);
    });
    await t.test('forwardOriginalToken leaves it', async () => {
      const { headers } = JSON.parse((await ask('/claims', bob)).body) as Echo;
      assert.equal(headers['x-theirs'], bob['x-theirs']);
    });
    await t.test('a preflight needs no token', async () => {
      const { statusCode, body } = await request(`http://127.0.0.1:${http}/free`, { method: 'OPTIONS', headers: {
        ...bearer('x'), origin: 'http://a.test', 'access-control-request-method': 'GET' } });
      await body.dump();
      assert.equal(statusCode, 200);
    });
  });
}
