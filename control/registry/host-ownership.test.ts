// Claims to hosts of other namespaces: which there are, what allows them, and what they do under strict ownership.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeOf, objectsOf, viewOf } from '../../test/harness/mesh-fixture.ts';
import { analyze } from '../analysis/analysis.ts';
import { buildMesh } from '../mesh-build.ts';
import { findingText } from '../model/mesh-object.ts';
import { atOnce } from '../model/steps.ts';
import { MESH_DEFAULTS } from '../translate/mesh-settings.ts';
import { Translator } from '../translate/proxy-resources.ts';
import { foreignClaims } from './host-ownership.ts';

const BANK = `
apiVersion: v1
kind: Service
metadata: { name: vault, namespace: bank }
spec: { ports: [{ name: http, port: 80 }], clusterIP: 10.1.0.1 }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api, namespace: bank }
spec: { hosts: [api.bank.example], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: DNS }
`;

const object = (kind: string, namespace: string, spec: string): string => `
---
apiVersion: ${kind === 'ReferenceGrant' ? 'gateway.networking.k8s.io/v1beta1' : 'networking.istio.io/v1'}
kind: ${kind}
metadata: { name: ${kind.toLowerCase()}, namespace: ${namespace} }
spec: ${spec}
`;

const VAULT = 'vault.bank.svc.cluster.local';
const fault = (host: string, more = ''): string => `{ hosts: ['${host}'], http: [{ fault: { abort: { httpStatus: 418,`
  + ` percentage: { value: 100 } } }, route: [{ destination: { host: ${VAULT} } }] }] ${more} }`;
const grant = (kind: string, to = '{ group: "", kind: Service }', group = 'networking.istio.io'): string => (
  object('ReferenceGrant', 'bank', `{ from: [{ group: ${group}, kind: ${kind}, namespace: shop }], to: [${to}] }`));
const GATEWAY = ', gateways: [edge]';
const ENTRY = '{ number: 80, name: http, protocol: HTTP }';

const CASES: readonly (readonly [what: string, yaml: string, owner: string | undefined])[] = [
  ['a VirtualService of its own namespace', object('VirtualService', 'bank', fault('vault')), undefined],
  ['one of another', object('VirtualService', 'shop', fault(VAULT)), 'bank'],
  ['of the root namespace', object('VirtualService', 'istio-system', fault(VAULT)), undefined],
  ['for its own namespace\'s calls', object('VirtualService', 'shop', fault(VAULT, ', exportTo: [.]')), undefined],
  ['for a third namespace\'s calls', object('VirtualService', 'shop', fault(VAULT, ', exportTo: [other]')), 'bank'],
  ['at a gateway', object('VirtualService', 'shop', fault(VAULT, GATEWAY)), undefined],
  ['with a grant', object('VirtualService', 'shop', fault(VAULT)) + grant('VirtualService'), undefined],
  ['with a grant for another kind', object('VirtualService', 'shop', fault(VAULT)) + grant('DestinationRule'), 'bank'],
  ['with a grant for another Service', object('VirtualService', 'shop', fault(VAULT))
    + grant('VirtualService', '{ group: "", kind: Service, name: till }'), 'bank'],
  ['a pattern over it', object('VirtualService', 'shop', fault('*.svc.cluster.local')), 'bank'],
  ['a pattern over its namespace', object('VirtualService', 'shop', fault('*.bank.svc.cluster.local')), 'bank'],
  ['every host', object('VirtualService', 'shop', fault('*')), 'bank'],
  ['a pattern over nobody\'s hosts', object('VirtualService', 'shop', fault('*.nobody.example')), undefined],
  ['a ServiceEntry\'s host', object('VirtualService', 'shop', fault('api.bank.example')), 'bank'],
  ['a host that nobody has', object('VirtualService', 'shop', fault('new.example')), undefined],
  ['a DestinationRule', object('DestinationRule', 'shop', `{ host: ${VAULT} }`), 'bank'],
  ['a DestinationRule for its own calls', object('DestinationRule', 'shop', `{ host: ${VAULT}, exportTo: [.] }`),
    undefined],
  ['a ServiceEntry for a Service\'s name', object('ServiceEntry', 'shop',
    `{ hosts: [safe.bank.svc.cluster.local], ports: [${ENTRY}], resolution: DNS }`), 'bank'],
  ['a second ServiceEntry for a host', object('ServiceEntry', 'shop',
    `{ hosts: [api.bank.example], ports: [${ENTRY}], resolution: DNS }`), 'bank'],
];

for (const [what, yaml, owner] of CASES) {
  test(`S101 a host of namespace bank, claimed by: ${what}: ${owner === undefined ? 'may' : 'may not'}`, () => {
    const view = viewOf(BANK + yaml);
    assert.deepEqual(foreignClaims(view.inventory, MESH_DEFAULTS).map((claim) => claim.owner),
      owner === undefined ? [] : [owner]);
    const warned = analyze(view).map(findingText).filter((line) => line.includes('takes over'));
    assert.equal(warned.length, owner === undefined ? 0 : 1, 'the analyser says it without strict ownership too');
  });
}

test('S101 under strict ownership a claim to another namespace\'s host does nothing, and is said', () => {
  const objects = objectsOf(BANK + object('VirtualService', 'shop', fault(VAULT)));
  const source = { objects, refused: [], warnings: [], units: 1 };
  const node = nodeOf({ NAMESPACE: 'other', WEFT_OUTBOUND_LISTEN: '127.0.0.1:15001' });
  const built = (strictHosts: boolean): [routes: string, findings: string] => {
    const { view, findings } = atOnce(buildMesh(source, {
      settings: { ...MESH_DEFAULTS, strictHosts }, keySets: undefined,
    }));
    const { routes } = new Translator(view).resourcesFor(node);
    return [JSON.stringify(routes), findings.map(findingText).join('\n')];
  };
  const [taken, silent] = built(false);
  assert.match(taken, /418/);
  assert.doesNotMatch(silent, /namespace bank's/);
  const [kept, said] = built(true);
  assert.doesNotMatch(kept, /418/);
  assert.match(kept, /outbound\|80\|\|vault\.bank/);
  assert.match(said, /spec\.hosts\[0\]: has no effect: vault\.bank\.svc\.cluster\.local is namespace bank's/);
});

test('S101 an HTTPRoute leads to a Service of another namespace only where a ReferenceGrant there lets it', () => {
  const route = `
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { ports: [{ name: http, port: 80 }], clusterIP: 10.1.0.2 }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec:
  parentRefs: [{ group: "", kind: Service, name: web }]
  rules: [{ backendRefs: [{ name: vault, namespace: bank, port: 80 }] }]
`;
  const node = nodeOf({ NAMESPACE: 'shop', WEFT_OUTBOUND_LISTEN: '127.0.0.1:15001' });
  const routesOf = (yaml: string): string => {
    const { routes } = new Translator(viewOf(BANK + route + yaml)).resourcesFor(node);
    const web = routes[0]?.virtualHosts?.find(({ name }) => name.startsWith('web.'));
    return JSON.stringify(web?.routes);
  };
  const allows = grant('HTTPRoute', undefined, 'gateway.networking.k8s.io');
  assert.match(routesOf(''), /"status":500/);
  assert.doesNotMatch(routesOf(''), /vault\.bank/);
  assert.match(routesOf(allows), /outbound\|80\|\|vault\.bank/);
});
