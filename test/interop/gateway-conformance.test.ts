// Upstream's own conformance suite of the Gateway API against weft: a real kube-apiserver holds the objects, weft
// control reads them and writes their status, and a weft router is each Gateway. A few of its tests run with others,
// all of them, minutes long, by `npm run test:gateway-api`.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { CONTROLLER_NAME } from '../../control/gateway-api/gateway-class.ts';
import { makePodNetwork } from '../../examples/demo/pod-network.ts';
import { SUITE_PROOFS } from '../conformance/gateway-case.ts';
import { GatewayCluster } from '../harness/gateway-cluster.ts';
import { findGoTool } from '../harness/go-tools.ts';
import { KubeApiServer } from '../harness/kube-apiserver.ts';
import { KubeControl, rightsYaml } from '../harness/kube-mesh.ts';
import { findKubePeers } from '../harness/kube-peers.ts';
import { configure, inOwnNetwork } from '../harness/own-network.ts';
import { reasonToSkip } from '../harness/peers.ts';
import { ServerProcess } from '../harness/process.ts';

const CLASS_NAME = 'conformance';
const CLASS = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: ${CLASS_NAME} }
spec: { controllerName: ${CONTROLLER_NAME} }
`;
const ALL_MS = 1_500_000;
/** Everything but mirrors and shares, which take their time. */
const FEW = ['BackendTLSPolicySANValidation', 'GRPCExactMethodMatching', 'GatewayObservedGenerationBump',
  'HTTPRouteSimpleSameNamespace', 'ListenerSetReferenceGrant', 'TLSRouteSimpleSameNamespace'];

const peers = findKubePeers();
const suite = findGoTool('gateway-conformance', false);
const echo = findGoTool('echo-basic', false);
const skip = [typeof peers === 'string' ? peers : '', suite, echo].map((one) => reasonToSkip(one)).find(Boolean);

/** `1` is all; anything else a pattern of the suite's names. */
const asked = process.env['WEFT_GATEWAY_CONFORMANCE'];
const wanted = asked === '1' ? '.' : asked ?? `^(${FEW.join('|')})$`;

function defineTests(): void {
  assert.ok(typeof peers !== 'string');
  const found = peers;
  const folder = mkdtempSync(join(tmpdir(), 'weft-conformance-'));
  const ends: (() => unknown)[] = [];
  const context = { after: (end: () => unknown) => ends.push(end) } as never;
  let api: KubeApiServer;
  let cluster: GatewayCluster;

  before(async () => {
    makePodNetwork([]);
    // An API server advertises the address by which the world is reached.
    configure(['ip route add default dev pods']);
    api = await KubeApiServer.start(context, found);
    await api.installCrds('istio', 'gateway-api-experimental');
    await api.apply(`${rightsYaml()}---${CLASS}`);
    const control = await KubeControl.start(context, api);
    cluster = await GatewayCluster.start(api, control, { echo, className: CLASS_NAME, folder });
  });

  after(async () => {
    await cluster.close();
    for (const end of ends.toReversed()) await end();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });

  test('weft passes upstream\'s suite (gateway-api conformance)', { timeout: ALL_MS }, async () => {
    const report = join(folder, 'report.yaml');
    const run = new ServerProcess(suite, [
      '-test.v', `-test.run=TestConformance/${wanted}`, `-gateway-class=${CLASS_NAME}`,
      `-supported-features=${[...SUITE_PROOFS.keys()].join()}`, '-cleanup-base-resources=false', '-allow-crds-mismatch',
      '-conformance-profiles=GATEWAY-HTTP,GATEWAY-GRPC,GATEWAY-TLS', `-report-output=${report}`,
      '-organization=weft', '-project=weft', '-url=https://weft.dev', '-version=0.1.0', '-contact=weft',
    ], { env: { KUBECONFIG: api.kubeconfig() }, name: 'conformance' });
    ends.push(() => run.stop());
    const results = new Map<string, string>();
    const complaints: string[] = [];
    createInterface(run.child.stdout!).on('line', (line) => {
      const [, result = '', name = ''] = /^ +--- (\w+): TestConformance\/(\S+)/.exec(line) ?? [];
      if (name !== '') results.set(name, result);
      if (/^\s+(?:Error:|Test:|Messages:)\s/.test(line) && complaints.length < 100) complaints.push(line.trim());
    });
    const status = await run.ended;
    const failed = [...results].filter(([, result]) => result === 'FAIL').map(([name]) => name);
    assert.deepEqual(cluster.faults, []);
    assert.equal(status, 0, [...failed, ...complaints, run.output.slice(-4000)].join('\n'));
    const proofs = asked === undefined ? FEW : asked === '1' ? SUITE_PROOFS.values() : [];
    for (const name of proofs) assert.equal(results.get(name), 'PASS', name);
    if (asked === '1') process.stdout.write(readFileSync(report, 'utf8'));
  });
}

if (skip !== undefined && skip !== false) void test('upstream\'s Gateway API suite', { skip }, () => undefined);
else inOwnNetwork(import.meta.url, defineTests);
