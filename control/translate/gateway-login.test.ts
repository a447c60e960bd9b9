// OidcLogin at gateways: which one holds, what the filter is told, who is given the secrets, and who cannot do it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../../proxy/config/decode.ts';
import { Listener } from '../../proxy/config/listener.ts';
import { HTTP_CONNECTION_MANAGER_TYPE, OIDC_LOGIN_TYPE } from '../../proxy/config/type-url.ts';
import { inventoryOf, nodeOf, serviceYaml, viewOf } from '../../test/harness/mesh-fixture.ts';
import { Translator } from './proxy-resources.ts';
import type { ProxyResources } from './proxy-resources.ts';

const LABELS = { LABELS: { istio: 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1' };
const NODE = nodeOf(LABELS, { kind: 'router' });
const GATEWAY = `
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec: { selector: { istio: edge }, servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ['*'] }] }
`;

const login = (name: string, more = '', namespace = 'default'): string => `
---
apiVersion: security.weft.dev/v1
kind: OidcLogin
metadata: { name: ${name}, namespace: ${namespace} }
spec: { issuer: 'https://login.test', clientId: ${name}, credentialName: login${more} }
`;

const secret = (data: string, namespace = 'default'): string => `
---
apiVersion: v1
kind: Secret
metadata: { name: login, namespace: ${namespace} }
stringData: { ${data} }
`;

function resources(yaml: string, node = NODE): ProxyResources {
  return new Translator(viewOf(serviceYaml('a') + GATEWAY + yaml)).resourcesFor(node);
}

/** The filters of the one listener, as the proxy takes them. */
function filters(made: ProxyResources): unknown[] {
  const { value, errors, warnings } = decode(Listener, JSON.parse(JSON.stringify(made.listeners[0])));
  assert.deepEqual([...errors, ...warnings].map(String), []);
  const config = value?.filterChains?.[0]?.filters?.at(-1)?.typedConfig;
  assert.ok(config?.['@type'] === HTTP_CONNECTION_MANAGER_TYPE);
  return config.httpFilters;
}

const sds = (part: string): unknown => (
  { name: `kubernetes://login/${part}`, sdsConfig: { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' } });

test('a login comes before all other filters, with its secrets by SDS', () => {
  const made = resources(login('shop', `, scopes: [email], sessionDuration: 1h, refreshToken: false, userInfo: false,
    outputClaimToHeaders: [{ header: x-user, claim: sub }], forwardAccessToken: true, logoutPath: /bye,
    openPaths: [/health, /static/*], passThroughAuthHeader: true, claims: [email]`)
    + secret('client-secret: sixteen-letters-, cookie-secret: c, ca.crt: roots, password: other'));
  const path = (stringMatch: object): object => ({ name: ':path', stringMatch });
  assert.deepEqual(filters(made)[0], {
    name: 'weft.filters.http.oidc_login',
    typedConfig: {
      '@type': OIDC_LOGIN_TYPE, issuer: 'https://login.test', clientId: 'shop', scopes: ['email'],
      sessionDuration: '3600s', withoutRefresh: true, withoutUserInfo: true, forwardAccessToken: true,
      logoutPath: '/bye', claims: ['email'], claimToHeaders: [{ header: 'x-user', claim: 'sub' }],
      clientSecret: sds('client-secret'), cookieSecret: sds('cookie-secret'), trustedCa: { inlineString: 'roots' },
      passThroughMatcher: [path({ exact: '/health' }), path({ prefix: '/health?' }), path({ prefix: '/static/' }),
        { name: 'authorization', stringMatch: { prefix: 'bearer ', ignoreCase: true } }],
    },
  });
  assert.deepEqual(made.secrets, [
    { name: 'kubernetes://login/client-secret', genericSecret: { secret: { inlineString: 'sixteen-letters-' } } },
    { name: 'kubernetes://login/cookie-secret', genericSecret: { secret: { inlineString: 'c' } } },
  ]);
  assert.doesNotMatch(JSON.stringify(made.listeners), /sixteen/);
});

test('the first login of the root namespace and the gateway\'s own that selects it holds, with its own Secret', () => {
  const clientOf = (yaml: string): unknown => (filters(resources(yaml))[0] as { typedConfig: { clientId?: string } })
    .typedConfig.clientId;
  const selecting = ', selector: { matchLabels: { istio: other } }';
  assert.equal(clientOf(login('b') + login('a', selecting) + login('a', '', 'elsewhere')), 'b');
  assert.equal(clientOf(login('b', '', 'istio-system') + login('c')), 'b');
  assert.equal(clientOf(login('a', selecting)), undefined);
  assert.deepEqual(resources(login('a') + secret('client-secret: x', 'elsewhere')).secrets, []);
});

test('an Envoy, which cannot do it, lets nobody in', () => {
  const envoy = nodeOf(LABELS, { kind: 'router', userAgentName: 'envoy' });
  const [first] = filters(resources(login('a'), envoy)) as { typedConfig: object }[];
  const nobody = /http\.rbac\.v3\.RBAC","rules":\{"action":"ALLOW","policies":\{\}\}\}$/;
  assert.match(JSON.stringify(first?.typedConfig), nobody);
});

test('paths that lead elsewhere, and logins that would end where they begin, are refused', () => {
  for (const [field, message] of [
    ['openPaths: ["*.css"]', /openPaths/], ['openPaths: ["//evil.test"]', /openPaths/],
    ['redirectPath: "//evil.test/x"', /redirectPath/], ['logoutPath: /oauth2/callback', /redirectPath/],
    ['clientSecret: x', /clientSecret/],
  ] as const) assert.throws(() => inventoryOf(login('a', `, ${field}`)), message);
  assert.throws(() => inventoryOf(login('a').replace('https://login.test', 'login.test')), /issuer/);
});
