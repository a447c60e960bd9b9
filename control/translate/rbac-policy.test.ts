// AuthorizationPolicy rules as RBAC policies: every field, patterns, and what is left of them without HTTP.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Policy } from '../../proxy/config/rbac.ts';
import { inventoryOf, viewOf } from '../../test/harness/mesh-fixture.ts';
import type { Rule } from '../model/authorization-policy.ts';
import { httpAuthorization, networkAuthorization } from './authorization.ts';
import { rbacPolicy } from './rbac-policy.ts';

function ruleOf(rule: string): Rule {
  const inventory = inventoryOf(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: default }
spec: { rules: [${rule}] }
`);
  return inventory.list('AuthorizationPolicy')[0]!.body.spec!.rules![0]!;
}

function policyOf(rule: string, action: 'ALLOW' | 'DENY' = 'ALLOW', tcp = false): Policy | undefined {
  return rbacPolicy(ruleOf(rule), { namespace: 'default', action, tcp });
}

const named = (principalName: object) => ({ authenticated: { principalName } });
const spiffe = 'spiffe://';

const PRINCIPALS: readonly (readonly [string, unknown])[] = [
  ['principals: [a/ns/b/sa/c]', named({ exact: 'spiffe://a/ns/b/sa/c' })],
  ['principals: [a/ns/*]', named({ prefix: 'spiffe://a/ns/' })],
  ["principals: ['*/sa/c']", { andIds: { ids: [named({ prefix: spiffe }), named({ suffix: '/sa/c' })] } }],
  ["principals: ['*']", named({ prefix: spiffe })],
  ['principals: [a, b]', { orIds: { ids: [named({ exact: 'spiffe://a' }), named({ exact: 'spiffe://b' })] } }],
  ['notPrincipals: [a]', { notId: named({ exact: 'spiffe://a' }) }],
  ['namespaces: [prod]', named({ contains: '/ns/prod/' })],
  ['namespaces: [prod*]', named({ contains: '/ns/prod' })],
  ["namespaces: ['*prod']", { andIds: { ids: [named({ contains: '/ns/' }), named({ contains: 'prod/sa/' })] } }],
  ['serviceAccounts: [web]', named({ suffix: '/ns/default/sa/web' })],
  ['serviceAccounts: [prod/web]', named({ suffix: '/ns/prod/sa/web' })],
  ['trustDomains: [td.test]', named({ prefix: 'spiffe://td.test/' })],
  ['ipBlocks: [10.0.0.0/8]', { directRemoteIp: { addressPrefix: '10.0.0.0', prefixLen: 8 } }],
  ["ipBlocks: ['2001:db8::1']", { directRemoteIp: { addressPrefix: '2001:db8::1', prefixLen: 128 } }],
  ['remoteIpBlocks: [192.0.2.1]', { remoteIp: { addressPrefix: '192.0.2.1', prefixLen: 32 } }],
  ['principals: [a], namespaces: [b]',
    { andIds: { ids: [named({ exact: 'spiffe://a' }), named({ contains: '/ns/b/' })] } }],
];

for (const [source, principal] of PRINCIPALS) {
  test(`source ${source}`, () => {
    assert.deepEqual(policyOf(`{ from: [{ source: { ${source} } }] }`),
      { permissions: [{ any: true }], principals: [principal] });
  });
}

const header = (name: string, stringMatch: object) => ({ header: { name, stringMatch } });

const PERMISSIONS: readonly (readonly [string, unknown])[] = [
  ['methods: [GET]', header(':method', { exact: 'GET' })],
  ["methods: ['*']", { header: { name: ':method', presentMatch: true } }],
  ['hosts: [A.test]', header(':authority', { exact: 'A.test', ignoreCase: true })],
  ["hosts: ['*.test']", header(':authority', { suffix: '.test', ignoreCase: true })],
  ['paths: [/a]', { urlPath: { path: { exact: '/a' } } }],
  ['paths: [/a*]', { urlPath: { path: { prefix: '/a' } } }],
  ["paths: ['*/a']", { urlPath: { path: { suffix: '/a' } } }],
  ["paths: ['*']", { any: true }],
  ["paths: ['/a.b/{*}/c/{**}']", { urlPath: { path: { safeRegex: { regex: '/a\\.b/[^/]+/c/.*' } } } }],
  ["ports: ['9080']", { destinationPort: 9080 }],
  ["notPorts: ['1', '2']", { notRule: { orRules: { rules: [{ destinationPort: 1 }, { destinationPort: 2 }] } } }],
];

for (const [operation, permission] of PERMISSIONS) {
  test(`operation ${operation}`, () => {
    assert.deepEqual(policyOf(`{ to: [{ operation: { ${operation} } }] }`),
      { permissions: [permission], principals: [{ any: true }] });
  });
}

test('S45 a literal is never a regular expression', () => {
  const source = "{ source: { principals: ['a.b/ns/c+d/sa/(e)'], namespaces: ['f.g'] } }";
  const text = JSON.stringify(policyOf(`{ from: [${source}], `
    + "to: [{ operation: { paths: ['/a.b+c'], hosts: ['h.i'] } }] }"));
  assert.doesNotMatch(text, /regex/i);
});

test('conditions narrow every source and every operation', () => {
  const policy = policyOf(`{ from: [{ source: { principals: [a] } }, { source: { principals: [b] } }],
    when: [{ key: 'request.headers[X-Team]', values: [red] }, { key: destination.port, notValues: ['1'] }] }`);
  assert.equal(policy?.principals.length, 2);
  for (const principal of policy.principals) {
    assert.match(JSON.stringify(principal), /"name":"x-team","stringMatch":\{"exact":"red"\}/);
  }
  assert.deepEqual(policy.permissions, [{ notRule: { destinationPort: 1 } }]);
});

test('an empty rule matches everything', () => {
  assert.deepEqual(policyOf('{}'), { permissions: [{ any: true }], principals: [{ any: true }] });
});

test('without HTTP an ALLOW rule that needs it is gone, a DENY rule is wider', () => {
  const rule = "{ from: [{ source: { principals: [a] } }], to: [{ operation: { methods: [GET], ports: ['1'] } }] }";
  assert.equal(policyOf(rule, 'ALLOW', true), undefined);
  assert.deepEqual(policyOf(rule, 'DENY', true)?.permissions, [{ destinationPort: 1 }]);
  const two = "{ to: [{ operation: { methods: [GET] } }, { operation: { ports: ['1'] } }] }";
  assert.equal(policyOf(two, 'ALLOW', true), undefined, 'as in Istio the whole rule goes');
  assert.deepEqual(policyOf(two, 'DENY', true)?.permissions, [{ any: true }, { destinationPort: 1 }]);
});

const policyYaml = (name: string, namespace: string, spec: string, meta = '') => `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: ${namespace}${meta} }
spec: ${spec}
`;

const REVIEWS = { namespace: 'default', labels: new Map([['app', 'reviews']]) };

test('DENY stands before ALLOW, root policies count everywhere, selectors and namespaces are kept apart', () => {
  const view = viewOf(policyYaml('a', 'default', '{ rules: [{}] }')
    + policyYaml('d', 'istio-system', '{ action: DENY, rules: [{}] }')
    + policyYaml('o', 'other', '{ rules: [{}] }')
    + policyYaml('s', 'default', '{ selector: { matchLabels: { app: ratings } }, rules: [{}] }'));
  const filters = httpAuthorization(view, REVIEWS);
  assert.deepEqual(filters.map(({ name }) => name), ['envoy.filters.http.rbac.deny', 'envoy.filters.http.rbac.allow']);
  const text = JSON.stringify(filters);
  assert.match(text, /ns\[istio-system\]-policy\[d\]-rule\[0\]/);
  assert.match(text, /ns\[default\]-policy\[a\]-rule\[0\]/);
  assert.doesNotMatch(text, /policy\[(o|s)\]/);
});

test('no policy is no filter; a policy without rules allows nothing', () => {
  assert.deepEqual(httpAuthorization(viewOf(''), REVIEWS), []);
  const [filter] = httpAuthorization(viewOf(policyYaml('nothing', 'default', '{}')), REVIEWS);
  const config = filter?.typedConfig as { rules?: { action?: string; policies?: Record<string, Policy> } };
  assert.equal(config.rules?.action, 'ALLOW');
  assert.deepEqual(config.rules?.policies?.['ns[default]-policy[nothing]'],
    { permissions: [{ notRule: { any: true } }], principals: [{ notId: { any: true } }] });
});

test('a dry run is a shadow rule and is not enforced', () => {
  const dry = ", annotations: { istio.io/dry-run: 'true' }";
  const [filter] = httpAuthorization(viewOf(policyYaml('try', 'default', '{ rules: [{}] }', dry)), REVIEWS);
  assert.ok(filter !== undefined && 'shadowRules' in filter.typedConfig);
  assert.ok(!('rules' in filter.typedConfig));
});

test('AUDIT marks before anything is denied', () => {
  const view = viewOf(policyYaml('a', 'default', '{ action: DENY, rules: [{}] }')
    + policyYaml('m', 'default', '{ action: AUDIT, rules: [{ to: [{ operation: { methods: [GET] } }] }] }'));
  for (const filters of [httpAuthorization(view, REVIEWS), networkAuthorization(view, REVIEWS)]) {
    const actions = filters.map(({ typedConfig }) => (typedConfig as { rules?: { action?: string } }).rules?.action);
    assert.deepEqual(actions, ['LOG', 'DENY']);
  }
  assert.match(JSON.stringify(networkAuthorization(view, REVIEWS)[0]), /"permissions":\[\{"any":true\}\]/,
    'without HTTP it marks more, as a DENY denies more');
});

test('an ALLOW that only speaks of HTTP leaves nothing allowed on a TCP port', () => {
  const view = viewOf(policyYaml('get', 'default', '{ rules: [{ to: [{ operation: { methods: [GET] } }] }] }'));
  const [filter] = networkAuthorization(view, REVIEWS);
  const config = filter?.typedConfig as { rules?: { policies?: object } };
  assert.deepEqual(Object.keys(config.rules?.policies ?? { missing: true }), []);
});
