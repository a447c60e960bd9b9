// Failover by locality and label, shares by locality, warm-up: what endpoints and clusters say of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from '../../proxy/config/cluster.ts';
import { serviceYaml, viewOf } from '../../test/harness/mesh-fixture.ts';
import { honours } from '../model/data-plane.ts';
import type { LocalityLbSetting } from '../model/traffic-policy.ts';
import { slowStart } from './balancing.ts';
import { localityGroups, localityMatches } from './locality-balancing.ts';
import { serviceClusters } from './outbound-cluster.ts';

const PLACES = ['r1/z1/s1', 'r1/z1/s2', 'r1/z2/s1', 'r2/z1/s1', 'r3/z1/s1'];

const MESH = serviceYaml('a') + PLACES.map((locality, at) => `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: a-${at}, namespace: default }
spec:
  { address: 10.0.0.${at}, ports: { http: 9080 }, labels: { app: a, rack: r${at % 2} }, locality: ${locality},
    weight: 2 }
`).join('');

const OUTLIER = { outlierDetection: {} };

/** `locality priority weight` of each group, for a caller at r1/z1/s1. */
function groups(setting: LocalityLbSetting | undefined, policy: object = OUTLIER, own = 'r1/z1/s1'): string[] {
  const [service] = viewOf(MESH).registry.services;
  const scope = { namespace: 'default', labels: new Map([['rack', 'r0']]), isWeft: true, locality: own };
  const loadBalancer = setting === undefined ? {} : { loadBalancer: { localityLbSetting: setting } };
  return localityGroups(service!.endpoints, { ...policy, ...loadBalancer }, scope)
    .map(({ locality, priority, weight }) => `${locality} ${priority}${weight === undefined ? '' : ` ${weight}`}`);
}

test('with outlier detection the nearest locality is used first, by itself as in Istio', () => {
  const nearest = ['r1/z1/s1 0', 'r1/z1/s2 1', 'r1/z2/s1 2', 'r2/z1/s1 3', 'r3/z1/s1 3'];
  assert.deepEqual(groups(undefined), nearest);
  assert.deepEqual(groups({ enabled: true }), nearest);
  const alike = PLACES.map((place) => `${place} 0`);
  assert.deepEqual(groups(undefined, {}), alike, 'without outlier detection nobody knows what fails');
  assert.deepEqual(groups({ enabled: false }), alike);
  assert.deepEqual(groups(undefined, OUTLIER, ''), alike, 'a caller that knows its own place only');
});

test('a rule says which region is next, and priorities have no gaps', () => {
  assert.deepEqual(groups({ failover: [{ from: 'r1', to: 'r3' }] }).slice(3), ['r3/z1/s1 3', 'r2/z1/s1 4']);
  assert.deepEqual(groups({ failover: [{ from: 'r9', to: 'r3' }] }, OUTLIER, 'r9'),
    ['r3/z1/s1 0', 'r1/z1/s1 1', 'r1/z1/s2 1', 'r1/z2/s1 1', 'r2/z1/s1 1']);
});

test('failoverPriority goes by the first label that differs; a locality counts as labels', () => {
  assert.deepEqual(groups({ failoverPriority: ['topology.kubernetes.io/region', 'rack'] }),
    ['r1/z1/s1 0', 'r1/z2/s1 0', 'r1/z1/s2 1', 'r2/z1/s1 2', 'r3/z1/s1 2']);
  assert.deepEqual(groups({ failoverPriority: ['rack=r1'] }),
    ['r1/z1/s2 0', 'r2/z1/s1 0', 'r1/z1/s1 1', 'r1/z2/s1 1', 'r3/z1/s1 1']);
});

test('distribute gives shares by the first rule for the caller, and nothing to what it does not name', () => {
  const distribute = [
    { from: 'r2/*', to: { r1: 100 } },
    { from: 'r1/z1/*', to: { 'r1/z1/*': 80, 'r2/*': 20, r3: 0 } },
  ];
  assert.deepEqual(groups({ distribute }), ['r1/z1/s1 0 40', 'r1/z1/s2 0 40', 'r2/z1/s1 0 20']);
  assert.deepEqual(groups({ distribute }, {}, 'r9/z1'), PLACES.map((place) => `${place} 0 2`));
});

test('localities match by part; what is left out is any', () => {
  for (const pattern of ['*', 'r1', 'r1/*', 'r1/z1', 'r1/z1/*', 'r1/z1/s1']) {
    assert.ok(localityMatches(pattern, 'r1/z1/s1'), pattern);
  }
  for (const other of ['r2', 'r2/*', 'r1/z2/*', 'r1/z1/s2']) assert.ok(!localityMatches(other, 'r1/z1/s1'), other);
});

const rule = (loadBalancer: string): string => `${MESH}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: a, namespace: default }
spec: { host: a, trafficPolicy: { loadBalancer: ${loadBalancer}, outlierDetection: {} } }
`;

test('endpoints are sent with the priority that their locality has for the caller', () => {
  const view = viewOf(rule('{ localityLbSetting: { failover: [{ from: r1, to: r3 }] } }'));
  const scope = { namespace: 'default', labels: new Map<string, string>(), isWeft: true, locality: 'r1/z1/s1' };
  const [made] = serviceClusters(view, scope, [...view.registry.services][0]!);
  assert.deepEqual(made?.endpoints?.endpoints?.map(({ locality, priority }) => [locality?.region, priority]),
    [['r1', undefined], ['r1', 1], ['r1', 2], ['r3', 3], ['r2', 4]]);
});

test('shares that are no hundred, and what the data plane lacks, are refused with their place', () => {
  const shares = (to: string): string => rule(`{ localityLbSetting: { distribute: [{ from: r1, to: ${to} }] } }`);
  assert.throws(() => viewOf(shares('{ r1: 99 }')), /to: shares must add up to 100, are 99/);
  const honoured = honours(Cluster, 'common_lb_config', 'locality_weighted_lb_config');
  if (!honoured) assert.throws(() => viewOf(shares('{ r1: 100 }')), /distribute: is not supported/);
  else assert.ok(viewOf(shares('{ r1: 100 }')));
  const warms = honours(Cluster, 'least_request_lb_config', 'slow_start_config');
  if (!warms) assert.throws(() => viewOf(rule('{ warmup: { duration: 5s } }')), /warmup: is not supported/);
  else assert.throws(() => viewOf(rule('{ simple: RANDOM, warmup: { duration: 5s } }')), /warmup: is for LEAST/);
});

test('warm-up is slow start, from a tenth; its aggression needs a key of the runtime for Envoy alone', () => {
  assert.deepEqual(slowStart({ duration: '5s' }, true), { slowStartWindow: '5s', minWeightPercent: { value: 10 } });
  assert.deepEqual(slowStart({ duration: '5s', minimumPercent: 50, aggression: 2 }, false), {
    slowStartWindow: '5s', minWeightPercent: { value: 50 },
    aggression: { defaultValue: 2, runtimeKey: 'warmup.aggression' },
  });
});
