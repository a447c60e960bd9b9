// EgressCredentials: for which requests of which proxies, by which cluster, and who is given the secrets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpFilter } from '../../proxy/config/http-connection-manager.ts';
import { CREDENTIAL_INJECTOR_TYPE, HTTP_CONNECTION_MANAGER_TYPE } from '../../proxy/config/type-url.ts';
import { inventoryOf, nodeOf, viewOf } from '../../test/harness/mesh-fixture.ts';
import { credentialFindings } from '../analysis/credential-use.ts';
import { findingText } from '../model/mesh-object.ts';
import { Translator, type ProxyResources } from './proxy-resources.ts';

const credential = (name: string, spec: string, namespace = 'default'): string => `
---
apiVersion: security.weft.dev/v1
kind: EgressCredential
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ${spec} }
`;
const grant = (more = ''): string => 'clientCredentials: { tokenEndpoint: \'https://idp.test/token\', clientId: shop, '
  + `credentialName: idp${more} }`;
const entry = (host: string, port: number): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${host} }
spec:
  hosts: [${host}]
  resolution: STATIC
  ports: [{ number: ${port}, name: http }]
  endpoints: [{ address: 10.0.0.1 }]
`;
const secret = (name: string, data: string, namespace = 'default'): string => `
---
apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: ${namespace} }
stringData: { ${data} }
`;
const rule = (mode: string): string => `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: idp }
spec: { host: idp.test, trafficPolicy: { tls: { mode: ${mode} } } }
`;
const MESH = entry('a.test', 80) + entry('b.test', 80) + entry('idp.test', 443);
const SIDECAR = nodeOf({ LABELS: { app: 'a' }, WEFT_OUTBOUND_LISTEN: '127.0.0.1:1' });

function resources(yaml: string, mode = 'SIMPLE'): ProxyResources {
  return new Translator(viewOf(MESH + rule(mode) + yaml)).resourcesFor(SIDECAR);
}

function filtersOf({ listeners }: ProxyResources): HttpFilter[] {
  const config = listeners[0]?.filterChains?.[0]?.filters?.at(-1)?.typedConfig;
  assert.ok(config?.['@type'] === HTTP_CONNECTION_MANAGER_TYPE);
  return config.httpFilters.filter(({ name }) => name.includes('credential_injector'));
}

const NAME = 'envoy.filters.http.credential_injector.default.token';

test('a credential is a filter that is off, but for the hosts that it is for', () => {
  const made = resources(credential('token', `hosts: [a.test], ${grant(', scopes: [read], parameters: { audience: x }, '
    + 'clientAuthentication: POST')}`) + secret('idp', 'client-secret: hush'));
  const [filter] = filtersOf(made);
  assert.deepEqual([filter?.name, filter?.disabled], [NAME, true]);
  assert.ok(filter?.typedConfig['@type'] === CREDENTIAL_INJECTOR_TYPE);
  assert.deepEqual(filter.typedConfig.credential.typedConfig, {
    '@type': 'type.googleapis.com/envoy.extensions.http.injected_credentials.oauth2.v3.OAuth2',
    tokenEndpoint: { uri: 'https://idp.test/token', cluster: 'outbound|443||idp.test', timeout: '5s' },
    clientCredentials: {
      clientId: 'shop', authType: 'URL_ENCODED_BODY',
      clientSecret: {
        name: 'kubernetes://idp/client-secret',
        sdsConfig: { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' },
      },
    },
    scopes: ['read'], endpointParams: [{ name: 'audience', value: 'x' }],
  });
  const on = made.routes[0]?.virtualHosts?.filter((host) => host.typedPerFilterConfig?.[NAME] !== undefined);
  assert.deepEqual(on?.map(({ name }) => name), ['a.test:80']);
  assert.deepEqual(made.secrets?.at(-1),
    { name: 'kubernetes://idp/client-secret', genericSecret: { secret: { inlineString: 'hush' } } });
});

test('the secret goes to an endpoint of https over TLS alone', () => {
  const [filter] = filtersOf(resources(credential('token', `hosts: [a.test], ${grant()}`), 'DISABLE'));
  assert.match(JSON.stringify(filter), /"cluster":"BlackHoleCluster"/);
});

test('it is for those that it selects, in its namespace or the whole mesh, and their own Secrets', () => {
  const header = 'hosts: [a.test], header: { credentialName: key }';
  const made = resources(credential('b', `selector: { matchLabels: { app: b } }, ${header}`)
    + credential('c', header, 'other') + credential('d', header, 'istio-system')
    + secret('key', 'credential: theirs', 'istio-system'));
  assert.deepEqual(filtersOf(made).map(({ name }) => name.split('.').slice(-2)), [['istio-system', 'd']]);
  assert.deepEqual(made.secrets, []);
});

test('a Secret that is missing and a server that the mesh does not know are found', () => {
  const found = (yaml: string): string[] => credentialFindings(viewOf(yaml)).map(findingText);
  const yaml = credential('token', `hosts: [a.test], ${grant()}`);
  assert.deepEqual(found(yaml + entry('idp.test', 80)).map((text) => text.slice(text.indexOf('spec.'))), [
    "spec.clientCredentials.credentialName: no Secret 'idp' has client-secret: requests are 401",
    "spec.clientCredentials.tokenEndpoint: service 'idp.test' has no port 443: no token can be fetched",
  ]);
  const whole = MESH + yaml + secret('idp', 'client-secret: x');
  assert.match(found(whole).join(), /no DestinationRule has TLS for 'idp.test', and the secret is not sent in clear/);
  assert.deepEqual(found(whole + rule('SIMPLE')), []);
});

for (const [what, spec, reason] of [
  ['without hosts', grant(), /needs hosts/],
  ['of neither kind', 'hosts: [a]', /clientCredentials.*header|header/],
  ['of an endpoint with a query', `hosts: [a], ${grant().replace('/token', '/token?x')}`,
    /tokenEndpoint: must be a URL/],
] as const) {
  test(`a credential ${what} is refused`, () => {
    assert.throws(() => inventoryOf(credential('a', spec)), reason);
  });
}
