// Objects of the Gateway API as files hold them: what is taken, in which versions, and what is refused by its place.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from '../../../proxy/config/yaml-file.ts';
import { decodeObjects } from '../decode-object.ts';
import { findingText, titleOf } from '../mesh-object.ts';

function read(yaml: string): { titles: string[]; errors: string[] } {
  const { objects, errors } = decodeObjects(parseYaml(yaml, 'a.yaml').documents, 'a.yaml');
  return { titles: objects.map(titleOf), errors: errors.map(findingText) };
}

const object = (kind: string, spec: string, version = 'v1'): string => `---
apiVersion: gateway.networking.k8s.io/${version}
kind: ${kind}
metadata: { name: x, namespace: infra }
spec: ${spec}
`;
const route = (rule: string): string => object('HTTPRoute', `{ rules: [${rule}] }`);

test("the Gateway API's Gateway and Istio's are two kinds, whose names may be the same", () => {
  const { titles, errors } = read(`${object('Gateway', `{ gatewayClassName: weft,
  listeners: [{ name: http, port: 80, protocol: HTTP }] }`)}---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: x, namespace: infra }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ['*'] }] }
${object('GatewayClass', '{ controllerName: weft.dev/gateway-controller }')}`);
  assert.deepEqual({ titles, errors }, {
    titles: ['KubernetesGateway infra/x', 'Gateway infra/x', 'GatewayClass /x'], errors: [],
  });
  assert.match(read('{ apiVersion: v1, kind: KubernetesGateway, metadata: { name: x } }').errors[0] ?? '',
    /unknown kind/);
});

test('versions are those that the API serves', () => {
  const rules = '{ hostnames: [a.test], rules: [{ backendRefs: [{ name: a, port: 443 }] }] }';
  for (const version of ['v1', 'v1alpha2', 'v1alpha3']) {
    assert.deepEqual(read(object('TLSRoute', rules, version)).errors, []);
  }
  const [older = ''] = read(object('HTTPRoute', '{}', 'v1alpha2')).errors;
  assert.match(older, /not a version of HTTPRoute; use .*v1beta1/);
});

const BAD: readonly [string, string, RegExp][] = [
  ['a Service without a port', route('{ backendRefs: [{ name: a }] }'), /backendRefs\[0\]: needs port/],
  ['a filter that is not what its type says', route('{ filters: [{ type: CORS, urlRewrite: {} }] }'), /needs cors/],
  ['a filter twice', route('{ filters: [{ type: CORS, cors: {} }, { type: CORS, cors: {} }] }'), /stands twice: CORS/],
  ['a redirect with a backend', route(`{ filters: [{ type: RequestRedirect, requestRedirect: {} }],
  backendRefs: [{ name: a, port: 80 }] }`), /beside RequestRedirect/],
  ['a prefix to replace without a prefix', route(`{ matches: [{ path: { type: Exact, value: /a } }], filters: [
  { type: URLRewrite, urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: / } } }] }`),
    /one PathPrefix/],
  ['a path with empty parts', route('{ matches: [{ path: { value: /a//b } }] }'), /path\.value: must be a path/],
  ['an expression that is none', route(`{ matches: [{ path: { type: RegularExpression, value: '(' } }] }`),
    /path\.value/],
  ['a try that is longer than the whole', route('{ timeouts: { request: 1s, backendRequest: 2s } }'), /longer than/],
  ['a permanent cookie without a life', route(`{ sessionPersistence: { cookieConfig: { lifetimeType: Permanent } } }`),
    /absoluteTimeout/],
  ['an unknown field', route('{ matchs: [] }'), /did you mean 'matches'/],
  ['listeners of one name', object('Gateway', `{ gatewayClassName: weft, listeners: [
  { name: a, port: 80, protocol: HTTP }, { name: a, port: 81, protocol: HTTP }] }`), /'a' stands twice/],
  ['TLS where there is none', object('Gateway', `{ gatewayClassName: weft, listeners: [
  { name: a, port: 80, protocol: HTTP, tls: {} }] }`), /must not be set for HTTP/],
  ['a policy without roots', object('BackendTLSPolicy', `{ targetRefs: [{ group: '', kind: Service, name: a }],
  validation: { hostname: a.test } }`), /needs either/],
  ['UDP', object('UDPRoute', '{ rules: [] }'), /UDP is not carried/],
];

for (const [what, yaml, wanted] of BAD) {
  test(`refuses ${what}, by its place`, () => {
    const { errors } = read(yaml);
    assert.match(errors[0] ?? '', wanted);
    assert.match(errors[0] ?? '', /^a\.yaml:\d+: /);
  });
}

test('of a ConfigMap nothing but roots is kept', () => {
  const { objects } = decodeObjects(parseYaml(`{ apiVersion: v1, kind: ConfigMap, metadata: { name: a },
    data: { ca.crt: roots, other: text } }`, 'a.yaml').documents, 'a.yaml');
  const [found] = objects;
  assert.deepEqual(found?.kind === 'ConfigMap' ? { ...(found.body as { data?: object }).data } : undefined,
    { 'ca.crt': 'roots' });
});
