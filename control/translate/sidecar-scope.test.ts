// Sidecar objects: which of them holds for a caller, and what it then knows of the mesh.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeOf, serviceYaml, viewOf } from '../../test/harness/mesh-fixture.ts';
import { sidecarFindings } from '../analysis/sidecar-use.ts';
import { findingText } from '../model/mesh-object.ts';
import { Translator } from './proxy-resources.ts';

const inTeam = (yaml: string): string => yaml.replaceAll('namespace: default', 'namespace: team');

const MESH = serviceYaml('a') + serviceYaml('b') + inTeam(serviceYaml('c') + serviceYaml('d'));

const sidecar = (name: string, spec: string, namespace = 'default'): string => `
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ${spec} }
`;

const egress = (...hosts: string[]): string => `egress: [{ hosts: [${hosts.map((host) => `'${host}'`).join()}] }]`;

/** Short names of the services that a proxy has clusters and virtual hosts for. */
function known(yaml: string, labels: Record<string, string> = {}, kind = 'sidecar'): string {
  const node = nodeOf({ LABELS: labels, WEFT_OUTBOUND_LISTEN: '127.0.0.1:15001' }, { kind });
  const { clusters, routes } = new Translator(viewOf(MESH + yaml)).resourcesFor(node);
  const byName = (one: string, other: string): number => (one < other ? -1 : 1);
  const names = clusters.map(({ name }) => name.split('|')[3]?.split('.')[0] ?? '').sort(byName).join('');
  if (kind === 'sidecar') {
    const hosts = (routes[0]?.virtualHosts ?? []).map(({ name }) => name.split('.')[0] ?? '')
      .filter((name) => name.length === 1);
    assert.equal(hosts.sort(byName).join(''), names, 'routes and clusters agree');
  }
  return names;
}

test('egress hosts choose by namespace and host: own, named, all, none', () => {
  assert.equal(known(''), 'abcd');
  assert.equal(known(sidecar('s', egress('./*'))), 'ab');
  assert.equal(known(sidecar('s', egress('team/*'))), 'cd');
  assert.equal(known(sidecar('s', egress('./a.default.svc.cluster.local', '*/*.team.svc.cluster.local'))), 'acd');
  assert.equal(known(sidecar('s', egress('~/*'))), '');
  assert.equal(known(sidecar('s', 'outboundTrafficPolicy: { mode: REGISTRY_ONLY }')), 'abcd');
});

test("the workload's own Sidecar goes before the namespace's, and that before the mesh's; gateways have none", () => {
  const root = sidecar('root', egress('team/*'), 'istio-system');
  const own = sidecar('own', egress('./*'));
  const one = sidecar('one', `workloadSelector: { labels: { app: x } }, ${egress('./b.default.svc.cluster.local')}`);
  assert.equal(known(root), 'cd');
  assert.equal(known(root + own), 'ab');
  assert.equal(known(root + own + one, { app: 'x' }), 'b');
  assert.equal(known(root + own + one, { app: 'y' }), 'ab');
  assert.equal(known(root + own, {}, 'router'), 'abcd');
});

test('where the rules of a known VirtualService lead is known too', () => {
  const rule = `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: v, namespace: default }
spec: { hosts: [a], http: [{ route: [{ destination: { host: d.team.svc.cluster.local } }] }] }
`;
  assert.equal(known(rule + sidecar('s', egress('./a.default.svc.cluster.local'))), 'ad');
  assert.equal(known(rule + sidecar('s', egress('./b.default.svc.cluster.local'))), 'b');
});

test('what a sidecar cannot do is refused by name', () => {
  const spec = (text: string): (() => unknown) => () => viewOf(sidecar('s', text));
  const ingress = (more: string): string => `ingress: [{ port: { number: 1, protocol: HTTPS }, ${more} }]`;
  assert.throws(spec('outboundTrafficPolicy: { egressProxy: { host: a } }'), /egressProxy: is for ALLOW_ANY/);
  assert.throws(spec("egress: [{ hosts: ['a'] }]"), /hosts\[0\]: must be 'namespace\/host'/);
  assert.throws(spec("egress: [{ hosts: ['./*'], bind: 127.0.0.1 }]"), /bind: needs a port/);
  assert.throws(spec(ingress('captureMode: IPTABLES')), /captureMode: .*goes by the egress without a port/);
  assert.throws(spec(ingress("bind: 'unix:///a'")), /bind: must be an IP address/);
  assert.throws(spec(ingress("defaultEndpoint: '10.0.0.1:80'")), /defaultEndpoint: must be '127/);
  assert.throws(spec(ingress('tls: { mode: PASSTHROUGH }')), /tls.mode: must be SIMPLE or MUTUAL/);
  assert.throws(spec(ingress('tls: { mode: SIMPLE }')), /tls: needs serverCertificate/);
  assert.throws(spec(`${ingress('')}`.replace(']', ', { port: { number: 1, protocol: TCP } }]')),
    /ingress\[1\]\.port: is used twice/);
});

test('a second Sidecar of a namespace, and an import of nothing, are found', () => {
  const yaml = MESH + sidecar('s', egress('./*')) + sidecar('t', egress('./a', 'nowhere/*'));
  const findings = sidecarFindings(viewOf(yaml)).map(findingText);
  assert.equal(findings.length, 3);
  assert.match(findings[0] ?? '', /Sidecar default\/t: has no effect: test\.yaml:\d+ is for the whole namespace/);
  assert.match(findings[1] ?? '', /hosts\[0\]: brings in no service; hosts are written in full here/);
  assert.match(findings[2] ?? '', /hosts\[1\]: brings in no service$/);
});
