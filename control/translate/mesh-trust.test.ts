// Aliases and federation of trust domains: what contexts, bundles and policies say of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UpstreamTlsContext } from '../../proxy/config/tls.ts';
import { testRoot } from '../../test/harness/certificates.ts';
import { inventoryOf, nodeOf, viewOf } from '../../test/harness/mesh-fixture.ts';
import { httpAuthorization } from './authorization.ts';
import { isForEverybody, meshTrust, principalNames, trustSecrets } from './mesh-trust.ts';
import { meshClientTls, meshServerTls } from './tls-context.ts';

const OWN = testRoot().cert;
const WEST = testRoot('west.example').cert;

function meshConfig(spec: object): string {
  return `
apiVersion: mesh.istio.io/v1alpha1
kind: MeshConfig
metadata: { name: default, namespace: istio-system }
spec: ${JSON.stringify(spec)}
`;
}

const ALIASES = meshConfig({ trustDomainAliases: ['old.domain'] });

test('servers let in every name of the trust domain; clients expect an identity with each of them', () => {
  const trust = meshTrust(viewOf(ALIASES));
  const contexts = [meshServerTls(trust), meshClientTls([], trust, 'sni', false)];
  for (const { typedConfig } of contexts) {
    const { combinedValidationContext: validation } = (typedConfig as UpstreamTlsContext).commonTlsContext;
    assert.deepEqual(validation!.defaultValidationContext.matchTypedSubjectAltNames, [
      { sanType: 'URI', matcher: { prefix: 'spiffe://cluster.local/' } },
      { sanType: 'URI', matcher: { prefix: 'spiffe://old.domain/' } },
    ]);
    assert.equal(validation!.validationContextSdsSecretConfig.name, 'ROOTCA');
  }
  assert.deepEqual(trustSecrets(viewOf(ALIASES)), []);
});

test('S52 each trust domain has its own bundle; roots for no domain are for the own one and what has none', () => {
  const view = viewOf(meshConfig({
    trustDomainAliases: ['old.domain', 'older.domain'],
    caCertificates: [{ pem: WEST, trustDomains: ['west.example', 'older.domain'] }, { pem: WEST }],
  }), { roots: () => OWN });
  const { domains, names, roots } = meshTrust(view);
  assert.deepEqual(domains, ['cluster.local', 'old.domain', 'older.domain', 'west.example']);
  assert.deepEqual(names, ['cluster.local', 'old.domain', 'older.domain']);
  const [secret, ...others] = trustSecrets(view);
  assert.deepEqual([others.length, secret!.name, isForEverybody(secret!)], [0, roots.name, true]);
  const { trustDomains } = secret!.validationContext!.customValidatorConfig!.typedConfig;
  const bundles = trustDomains.map(({ name, trustBundle }) => [name, trustBundle.inlineString]);
  assert.deepEqual(Object.fromEntries(bundles), {
    'cluster.local': OWN + WEST, 'old.domain': OWN + WEST, 'older.domain': WEST + WEST, 'west.example': WEST,
  });
});

test('a principal with one name of the trust domain is one with all, as in Istio', () => {
  const names = ['td-now', 'td-old'];
  const rows: readonly (readonly [string, string[]])[] = [
    ['td-old/ns/a/sa/b', ['td-now/ns/a/sa/b', 'td-old/ns/a/sa/b']],
    ['cluster.local/ns/a/sa/b', ['td-now/ns/a/sa/b', 'td-old/ns/a/sa/b']],
    ['*-old/ns/a/sa/b', ['td-now/ns/a/sa/b', '*-old/ns/a/sa/b']],
    ['elsewhere/ns/a/sa/b', ['elsewhere/ns/a/sa/b']],
    ['*/ns/a/sa/b', ['*/ns/a/sa/b']],
    ['td-old/ns/*', ['td-old/ns/*']],
    ['*', ['*']],
  ];
  for (const [principal, expected] of rows) assert.deepEqual(principalNames(principal, names), expected, principal);
});

test('AuthorizationPolicies are about all names, in sources, their negation and conditions', () => {
  const view = viewOf(`${ALIASES}---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: default }
spec:
  rules:
    - from: [{ source: { principals: [cluster.local/ns/a/sa/b] } }]
    - from: [{ source: { notPrincipals: [old.domain/ns/a/sa/b] } }]
    - when: [{ key: source.principal, values: [old.domain/ns/a/sa/b] }]
`);
  const [filter] = httpAuthorization(view, nodeOf());
  const policies = Object.values((filter!.typedConfig as { rules: { policies: object } }).rules.policies);
  assert.equal(policies.length, 3);
  for (const policy of policies) {
    const text = JSON.stringify(policy);
    for (const domain of ['cluster.local', 'old.domain']) assert.ok(text.includes(`spiffe://${domain}/ns/a/sa/b`));
  }
});

test('what is no trust domain and no bundle is refused where it stands', () => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ trustDomainAliases: ['spiffe://old'] }, /trustDomainAliases\[0\].*not a trust domain/],
    [{ caCertificates: [{ pem: 'x' }] }, /caCertificates\[0\]\.pem.*not a PEM bundle/],
    [{ caCertificates: [{ pem: WEST, trustDomains: ['West'] }] }, /trustDomains\[0\].*not a trust domain/],
    [{ caCertificates: [{ spiffeBundleUrl: 'https://a/' }] }, /spiffeBundleUrl.*given as pem/],
  ];
  for (const [spec, fault] of cases) assert.throws(() => inventoryOf(meshConfig(spec)), fault);
});
