// What is said of NetworkPolicies that shut out whom an AuthorizationPolicy lets in, or that name what is not there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serviceYaml, viewOf, workloadYaml } from '../../test/harness/mesh-fixture.ts';
import { findingText } from '../model/mesh-object.ts';
import { analyze } from './analysis.ts';

const MESH = serviceYaml('a') + serviceYaml('b') + workloadYaml('a-1', 'a', 'v1', '10.0.0.1')
  + workloadYaml('b-1', 'b', 'v1', '10.0.0.2') + workloadYaml('c-1', 'c', 'v1', '10.0.0.3');

const ALLOW = `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: allow, namespace: default }
spec:
  selector: { matchLabels: { app: a } }
  rules:
    - from: [{ source: { principals: [cluster.local/ns/default/sa/bookinfo-b] } }]
      to: [{ operation: { ports: ['9080'] } }]
`;

const policy = (spec: string): string => `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: p, namespace: default }
spec:
  podSelector: { matchLabels: { app: a } }
  ${spec}
`;
const from = (labels: string, ports = ''): string =>
  policy(`ingress: [{ from: [{ podSelector: { matchLabels: { ${labels} } } }]${ports} }]`);

/** `level line: what` of each finding, lines counted from the first after the mesh. */
function said(yaml: string): string[] {
  const before = MESH.split('\n').length - 1;
  return analyze(viewOf(MESH + yaml)).map((finding) => {
    const [, line = '0', text = ''] = /^test\.yaml:([0-9]+): (.*)$/.exec(findingText(finding)) ?? [];
    return `${finding.level ?? 'warning'} ${Number(line) - before}: ${text}`;
  });
}

const SHUT_OUT = 'error 8: AuthorizationPolicy default/allow spec.rules[0].from[0].source.principals[0]: '
  + 'lets in nobody: NetworkPolicy default/p (test.yaml:57) shuts cluster.local/ns/default/sa/bookinfo-b out';

const CASES: readonly (readonly [title: string, yaml: string, expected: readonly string[]])[] = [
  ['an ALLOW that a policy lets in', ALLOW + from('app: b'), []],
  ['an ALLOW that default deny shuts out', ALLOW + policy('policyTypes: [Ingress]'), [SHUT_OUT]],
  ['an ALLOW that a policy for others shuts out', ALLOW + from('app: c'), [SHUT_OUT]],
  ['an ALLOW on another port', ALLOW + from('app: b', ', ports: [{ port: 1 }]'), [SHUT_OUT]],
  ['an ALLOW on the port by its name', ALLOW + from('app: b', ', ports: [{ port: http }]'), []],
  ['an ALLOW by address', ALLOW + policy('ingress: [{ from: [{ ipBlock: { cidr: 10.0.0.0/29 } }] }]'), []],
  ['an ALLOW by another address',
    ALLOW + policy('ingress: [{ from: [{ ipBlock: { cidr: 10.0.0.0/29, except: [10.0.0.2] } }] }]'), [SHUT_OUT]],
  ['a DENY is no contradiction',
    ALLOW.replace('spec:', 'spec:\n  action: DENY') + policy('policyTypes: [Ingress]'), []],
  ['a policy that selects nothing', policy('policyTypes: [Ingress]').replace('app: a', 'app: z'),
    ['warning 6: NetworkPolicy default/p spec.podSelector: has no effect: no pod of namespace default fits']],
  ['a peer that nobody is', from('app: z'),
    ['warning 7: NetworkPolicy default/p spec.ingress[0].from[0]: means nobody: no pod has these labels']],
  ['a namespace that there is not', policy('ingress: [{ from: [{ namespaceSelector: { matchLabels: { z: y } } }] }]'),
    ['warning 7: NetworkPolicy default/p spec.ingress[0].from[0]: means nobody: no namespace has these labels']],
  ['a port that no pod names', from('app: b', ', ports: [{ port: htp }]'),
    ["warning 7: NetworkPolicy default/p spec.ingress[0].ports[0].port: no pod that is called has a port named 'htp'"]],
  ['egress to a port that the called pods name',
    policy('egress: [{ to: [{ podSelector: { matchLabels: { app: b } } }], ports: [{ port: http }] }]'), []],
  ['rules of a direction that is not isolated', policy('policyTypes: [Ingress]\n  egress: [{}]'),
    ['warning 8: NetworkPolicy default/p spec.egress[0]: has no effect: policyTypes has no Egress']],
];

for (const [title, yaml, expected] of CASES) test(title, () => assert.deepEqual(said(yaml), expected));
