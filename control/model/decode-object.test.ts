// Kinds, versions and fields: what is taken, what is named in a refusal, and where.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from '../../proxy/config/yaml-file.ts';
import { decodeObjects, type DecodedObjects } from './decode-object.ts';
import { findingText } from './mesh-object.ts';

function decodeText(yaml: string): DecodedObjects {
  const text = parseYaml(yaml, 'a.yaml');
  assert.deepEqual(text.errors, []);
  return decodeObjects(text.documents, 'a.yaml');
}

function errorsOf(yaml: string): string[] {
  return decodeText(yaml).errors.map(findingText);
}

const head = (kind: string, version = 'networking.istio.io/v1') => `apiVersion: ${version}
kind: ${kind}
metadata: { name: x }
`;

test('an unknown kind is named with file, line and the nearest kind', () => {
  const [error = ''] = errorsOf(`${head('Service', 'v1')}spec: {}
---
apiVersion: networking.istio.io/v1
kind: VirtualServise
metadata: { name: x }
`);
  assert.match(error, /^a\.yaml:7: .*unknown kind 'VirtualServise'; did you mean 'VirtualService'\?/);
});

test('every version that Istio serves is taken, others are named with the known ones', () => {
  for (const version of ['v1', 'v1beta1', 'v1alpha3']) {
    const { objects } = decodeText(`${head('DestinationRule', `networking.istio.io/${version}`)}spec: { host: a }\n`);
    assert.equal(objects.length, 1);
  }
  const [error = ''] = errorsOf(`${head('DestinationRule', 'networking.istio.io/v2')}spec: { host: a }\n`);
  assert.match(error, /^a\.yaml:1: .*use networking\.istio\.io\/v1 or /);
});

test('an unknown field is refused with file, line, path and the nearest name', () => {
  const [error = ''] = errorsOf(`${head('VirtualService')}spec:
  hosts: [a]
  http:
    - route:
        - destinaton: { host: a }
`);
  assert.match(error, /^a\.yaml:8: VirtualService default\/x spec\.http\[0\]\.route\[0\]/);
  assert.match(error, /destinaton.*did you mean 'destination'/);
});

test('kinds and fields that would change traffic or security are refused by name', () => {
  assert.match(errorsOf(head('UDPRoute', 'gateway.networking.k8s.io/v1'))[0] ?? '', /UDP is not carried/);
  const fault = 'fault: { delay: { exponentialDelay: 1s, fixedDelay: 1s } }';
  const spec = `spec: { hosts: [a], http: [{ route: [{ destination: { host: a } }], ${fault} }] }\n`;
  const [refused] = errorsOf(head('VirtualService') + spec);
  assert.match(refused ?? '', /http\[0\]\.fault\.delay\.exponentialDelay: is not supported/);
});

test('kinds without a bearing on the mesh are left alone with a warning', () => {
  const { objects, errors, warnings } = decodeText(head('Deployment', 'apps/v1'));
  assert.deepEqual([objects.length, errors.length], [0, 0]);
  assert.match(warnings.map(findingText)[0] ?? '', /^a\.yaml:1: Deployment: is left alone/);
});

test('a field without effect is warned about by name', () => {
  const spec = 'spec: { hosts: [a], http: [{ match: [{ uri: { exact: /a }, statPrefix: s }], route: [{ destination: '
    + '{ host: a } }] }] }\n';
  const { warnings, objects } = decodeText(head('VirtualService') + spec);
  assert.equal(objects.length, 1);
  assert.match(warnings.map(findingText)[0] ?? '', /match\[0\]\.statPrefix: is ignored/);
});

test('two objects of one name in a file are refused', () => {
  const twice = `${head('Service', 'v1')}spec: {}\n`;
  const [error = ''] = errorsOf(`${twice}---\n${twice}`);
  assert.match(error, /^a\.yaml:6: Service default\/x: is already defined in a\.yaml:1/);
});

test('a List, as kubectl writes it, is its items', () => {
  const { objects } = decodeText(`apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Namespace
    metadata: { name: a }
  - apiVersion: v1
    kind: Service
    metadata: { name: b, namespace: a, labels: { app: b } }
    spec: { ports: [{ port: 80, name: http }] }
`);
  assert.deepEqual(objects.map(({ kind, name, namespace, origin }) => [kind, name, namespace, origin.line]),
    [['Namespace', 'a', '', 4], ['Service', 'b', 'a', 7]]);
  assert.equal(objects[1]?.labels.get('app'), 'b');
});

test('S90 names like __proto__ and constructor are only names', () => {
  const text = parseYaml(`${head('Service', 'v1')}spec: { selector: { __proto__: a } }\n`, 'a.yaml');
  assert.match(text.errors[0]?.message ?? '', /not allowed as a key/);
  const { objects } = decodeText(`apiVersion: v1
kind: Service
metadata: { name: x, labels: { constructor: a, toString: b } }
spec: {}
`);
  assert.equal(objects[0]?.labels.get('constructor'), 'a');
  assert.equal(objects[0]?.labels.get('hasOwnProperty'), undefined);
  assert.equal(({} as Record<string, unknown>)['a'], undefined);
});

const REFUSED: readonly (readonly [string, string, string, RegExp])[] = [
  ['VirtualService', 'an empty match', 'hosts: [a]\n  http: [{ match: [{}], route: [{ destination: { host: a } }] }]',
    /match\[0\]: must not be empty/],
  ['VirtualService', 'no action', 'hosts: [a]\n  http: [{ name: x }]', /http\[0\]: needs a route/],
  ['VirtualService', 'two actions', 'hosts: [a]\n  http: [{ route: [{ destination: { host: a } }], redirect: {} }]',
    /has route and redirect/],
  ['VirtualService', 'weights of nothing',
    'hosts: [a]\n  http: [{ route: [{ destination: { host: a } }, { destination: { host: b } }] }]',
    /weights must add up/],
  ['VirtualService', 'a bad regular expression',
    "hosts: [a]\n  http: [{ match: [{ uri: { regex: '(' } }], route: [{ destination: { host: a } }] }]", /uri\.regex/],
  ['VirtualService', 'an unknown retry word',
    'hosts: [a]\n  http: [{ retries: { attempts: 1, retryOn: conect-failure }, '
      + 'route: [{ destination: { host: a } }] }]',
    /unknown condition 'conect-failure'/],
  ['VirtualService', 'retries without attempts',
    'hosts: [a]\n  http: [{ retries: { retryOn: 5xx }, route: [{ destination: { host: a } }] }]',
    /needs attempts above 0/],
  ['VirtualService', 'a duration without unit',
    "hosts: [a]\n  http: [{ timeout: '5', route: [{ destination: { host: a } }] }]", /timeout: must be a duration/],
  ['VirtualService', 'a header that is none',
    "hosts: [a]\n  http: [{ match: [{ headers: { 'x y': {} } }], route: [{ destination: { host: a } }] }]",
    /not a header name/],
  ['VirtualService', 'tcp rules without a route', 'hosts: [a]\n  tcp: [{}]', /tcp\[0\]\.route: is missing|route/],
  ['DestinationRule', 'two subsets of one name', 'host: a\n  subsets: [{ name: v1 }, { name: v1 }]', /used twice/],
  ['DestinationRule', 'roots beside a Secret',
    'host: a\n  trafficPolicy: { tls: { mode: SIMPLE, credentialName: a, caCertificates: /ca.pem } }',
    /tls.caCertificates: must not be set beside credentialName/],
  ['Gateway', 'HTTPS without a certificate',
    'servers: [{ hosts: ["*"], port: { number: 443, name: https, protocol: HTTPS }, tls: { mode: SIMPLE } }]',
    /tls: needs serverCertificate/],
  ['ServiceEntry', 'a wildcard by DNS', 'hosts: ["*.a.test"]\n  ports: [{ number: 80, name: http }]\n  resolution: DNS',
    /wildcard cannot be looked up/],
];

for (const [kind, what, spec, reason] of REFUSED) {
  test(`${kind}: ${what} is refused`, () => {
    assert.match(errorsOf(`${head(kind)}spec:\n  ${spec}\n`).join('\n'), reason);
  });
}

const POLICIES: readonly (readonly [string, string, RegExp])[] = [
  ['a star in the middle', 'rules: [{ to: [{ operation: { paths: [/a/*/b] } }] }]', /must be a path/],
  ['a principal with its scheme',
    "rules: [{ from: [{ source: { principals: ['spiffe://a/ns/b/sa/c'] } }] }]", /without 'spiffe/],
  ['an address that is none', 'rules: [{ from: [{ source: { ipBlocks: [10.0.0.0/40] } }] }]', /ipBlocks\[0\]/],
  ['an empty source', 'rules: [{ from: [{ source: {} }] }]', /must not be empty/],
  ['an unknown condition', 'rules: [{ when: [{ key: source.ipp, values: [a] }] }]', /unknown key 'source\.ipp'/],
  ['a claim that is none', "rules: [{ when: [{ key: 'request.auth.claims[a', values: [a] }] }]", /unknown key/],
  ['CUSTOM without a provider', 'action: CUSTOM\n  rules: [{}]', /needs provider\.name/],
  ['CUSTOM without rules', 'action: CUSTOM\n  provider: { name: p }', /without rules is never asked/],
  ['CUSTOM by tokens', "action: CUSTOM\n  provider: { name: p }\n  rules: [{ when: [{ key: request.auth.principal, "
    + "values: [a] }] }]", /read after CUSTOM/],
  ['a provider of another action', 'provider: { name: p }', /belongs to action CUSTOM/],
];

for (const [kind, version, spec] of [
  ['EnvoyFilter', 'networking.istio.io/v1alpha3', '{ configPatches: [{ applyTo: HTTP_FILTER }] }'],
  ['WasmPlugin', 'extensions.istio.io/v1alpha1', '{ url: oci://registry.example/plugin:1 }'],
  ['TrafficExtension', 'extensions.istio.io/v1alpha1', '{ lua: { inlineCode: os.exit() } }'],
] as const) {
  test(`S102 ${kind}, code or patches from elsewhere: refused by name, and nothing is made of it`, () => {
    const { objects, errors } = decodeText(`${head(kind, version)}spec: ${spec}\n`);
    assert.deepEqual(objects, []);
    assert.match(errors.map(findingText).join('\n'), new RegExp(`^a\\.yaml:\\d+: .*${kind} is not supported: `));
  });
}

for (const [what, spec, reason] of POLICIES) {
  test(`AuthorizationPolicy: ${what} is refused`, () => {
    const text = `${head('AuthorizationPolicy', 'security.istio.io/v1')}spec:\n  ${spec}\n`;
    assert.match(errorsOf(text).join('\n'), reason);
  });
}
