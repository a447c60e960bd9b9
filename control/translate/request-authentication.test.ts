// RequestAuthentication as a token filter: whose rules hold for a workload, and what they become.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../test/harness/mesh-fixture.ts';
import { keySet, makeKey } from '../../test/harness/token-keys.ts';
import type { JwtAuthentication } from '../../proxy/config/jwt-authn.ts';
import { claimPath, requestPrincipalMatch, routeClaimPath } from './claim-match.ts';
import { tokenFilters } from './request-authentication.ts';

const KEYS = keySet(makeKey('ES256'));
const WORKLOAD = { namespace: 'default', labels: new Map([['app', 'shop']]) };

function authentication(name: string, namespace: string, spec: string): string {
  return `---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;
}

const rule = (issuer: string, more = ''): string => `{ issuer: ${issuer}, jwks: '${KEYS}'${more} }`;

function filterOf(yaml: string, reroutes = false): JwtAuthentication | undefined {
  const [filter, ...more] = tokenFilters(viewOf(yaml), WORKLOAD, reroutes);
  assert.equal(more.length, 0);
  assert.ok(filter === undefined || filter.name === 'envoy.filters.http.jwt_authn');
  return filter?.typedConfig as JwtAuthentication | undefined;
}

const issuersOf = (yaml: string): (string | undefined)[] =>
  Object.values(filterOf(yaml)?.providers ?? {}).map(({ issuer }) => issuer);

test('rules of mesh, namespace and workload hold together, in the order of their issuers', () => {
  assert.deepEqual(issuersOf(
    authentication('own', 'default', `{ selector: { matchLabels: { app: shop } }, jwtRules: [${rule('d')}] }`)
    + authentication('whole', 'default', `{ jwtRules: [${rule('c')}, ${rule('a')}] }`)
    + authentication('mesh', 'istio-system', `{ jwtRules: [${rule('b')}] }`)
    + authentication('others', 'default', `{ selector: { matchLabels: { app: x } }, jwtRules: [${rule('e')}] }`)
    + authentication('elsewhere', 'other', `{ jwtRules: [${rule('f')}] }`)), ['a', 'b', 'c', 'd']);
});

test('without rules there is no filter', () => {
  assert.equal(filterOf(authentication('none', 'default', '{}')), undefined);
  assert.equal(filterOf(''), undefined);
});

test('a token may be missing, and must be good where it is there', () => {
  const one = filterOf(authentication('one', 'default', `{ jwtRules: [${rule('a')}] }`));
  const perhaps = (providerName: string) => ({ requiresAny: { requirements: [{ providerName }, {
    allowMissing: {} }] } });
  assert.deepEqual(one?.rules, [{ match: { prefix: '/' }, requires: perhaps('origins-0') }]);
  assert.equal(one?.bypassCorsPreflight, true);
  const two = filterOf(authentication('two', 'default', `{ jwtRules: [${rule('a')}, ${rule('b')}] }`));
  assert.deepEqual(two?.rules?.[0]?.requires, { requiresAny: { requirements: [
    { providerName: 'origins-0' }, { providerName: 'origins-1' },
    { requiresAll: { requirements: [perhaps('origins-0'), perhaps('origins-1')] } }] } });
});

test('every field of a rule', () => {
  const more = ', audiences: [x], fromHeaders: [{ name: h, prefix: "P " }], fromParams: [p], fromCookies: [c], '
    + 'outputPayloadToHeader: o, forwardOriginalToken: true, outputClaimToHeaders: [{ header: g, claim: a.b }], '
    + 'spaceDelimitedClaims: [roles, scope]';
  const made = filterOf(authentication('all', 'default', `{ jwtRules: [${rule('i', more)}] }`), true)?.providers;
  assert.deepEqual(made?.['origins-0'], {
    issuer: 'i', localJwks: { inlineString: KEYS }, audiences: ['x'], fromHeaders: [{ name: 'h', valuePrefix: 'P ' }],
    fromParams: ['p'], fromCookies: ['c'], forwardPayloadHeader: 'o', forward: true, payloadInMetadata: 'payload',
    claimToHeaders: [{ headerName: 'g', claimName: 'a.b' }], clearRouteCache: true,
    normalizePayloadInMetadata: { spaceDelimitedClaims: ['scope', 'permission', 'roles'] },
  });
});

test('S71 keys that have not come are no keys: no other stand in for them', () => {
  const yaml = authentication('far', 'default', '{ jwtRules: [{ issuer: https://a.test }] }');
  const [without] = Object.values(filterOf(yaml)?.providers ?? {});
  assert.equal(without?.localJwks, undefined);
  assert.match(without?.remoteJwks?.httpUri.uri ?? '', /\.invalid\//);
  const [filter] = tokenFilters({ ...viewOf(yaml), keySets: { get: ({ issuer }) => `${issuer} keys` } }, WORKLOAD,
    false);
  const [found] = Object.values((filter!.typedConfig as JwtAuthentication).providers!);
  assert.deepEqual(found?.localJwks, { inlineString: 'https://a.test keys' });
});

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ['no issuer', '{ jwks: x }', /issuer/], ['keys that are none', '{ issuer: a, jwks: x }', /no JSON Web Key Set/],
  ['no key', '{ issuer: a, jwks: \'{"keys":[]}\' }', /no key that could verify/],
  ['keys from a file', '{ issuer: a, jwksUri: file:///etc/keys }', /is not an https/],
  ['keys twice', `{ issuer: a, jwksUri: https://a.test/, jwks: '${KEYS}' }`, /beside jwks/],
  ['a header that is none', `{ issuer: a, fromHeaders: [{ name: 'a b' }] }`, /header name/],
];

for (const [what, bad, reason] of REFUSED) {
  test(`${what} is refused by its place`, () => {
    assert.throws(() => viewOf(authentication('bad', 'default', `{ jwtRules: [${bad}] }`)), reason);
  });
}

test('target references name Gateways; waypoints there are none', () => {
  const bare = authentication('t', 'default', '{ targetRefs: [{ kind: Service, name: a }] }');
  assert.throws(() => viewOf(bare), /use selector/);
});

test('names of claims in conditions and in rules', () => {
  assert.deepEqual(claimPath('request.auth.claims[a]'), ['a']);
  assert.deepEqual(claimPath('request.auth.claims[https://a.test/b][c]'), ['https://a.test/b', 'c']);
  for (const bad of ['request.auth.claims', 'request.auth.claims[]', 'request.auth.claims[a]b',
    'request.auth.claims[a']) {
    assert.equal(claimPath(bad), undefined, bad);
  }
  assert.deepEqual(routeClaimPath('@request.auth.claims.a.b'), ['a', 'b']);
  assert.deepEqual(routeClaimPath('@request.auth.claims[a.b][c]'), ['a.b', 'c']);
  assert.equal(routeClaimPath('x-request.auth.claims.a'), undefined);
});

test('request identities: the last slash parts issuer and subject', () => {
  const texts = (pattern: string): unknown => {
    const { andIds } = requestPrincipalMatch(pattern);
    return andIds?.ids.map(({ metadata }) => metadata?.value.stringMatch);
  };
  const some = { safeRegex: { regex: '.+' } };
  assert.deepEqual(texts('https://a/t/amy'), [{ exact: 'https://a/t' }, { exact: 'amy' }]);
  assert.deepEqual(texts('*'), [some, some]);
  assert.deepEqual(texts('*/amy'), [some, { exact: 'amy' }]);
  assert.deepEqual(texts('*.test/amy'), [{ suffix: '.test' }, { exact: 'amy' }]);
  assert.deepEqual(texts('*amy'), [some, { suffix: 'amy' }]);
  assert.deepEqual(texts('https://a/*'), [{ exact: 'https://a' }, some]);
  assert.deepEqual(texts('https://a/am*'), [{ exact: 'https://a' }, { prefix: 'am' }]);
  assert.deepEqual(texts('issuer*'), [{ prefix: 'issuer' }, some]);
});
