// load_balancing_policy as it comes by xDS: policies that nobody knows are passed over, with a warning, in any form.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chosenPolicy } from './chosen-policy.ts';
import { Cluster } from './cluster.ts';
import { decode } from './decode.ts';
import { Wire } from './wire.ts';

const POLICY = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const NAME = 'envoy.config.cluster.v3.Cluster';

function policies(...configs: readonly object[]): object {
  return { policies: configs.map((config) => ({ typedExtensionConfig: { name: 'policy', typedConfig: config } })) };
}

function clusterOf(loadBalancingPolicy: object): object {
  return { name: 'a', loadAssignment: { clusterName: 'a' }, loadBalancingPolicy };
}

const ROUND_ROBIN = { '@type': `${POLICY}.round_robin.v3.RoundRobin` };
const ZONES = { forceLocalZone: { minSize: 2 }, localityBasis: 'HEALTHY_HOSTS_WEIGHT' };

for (const [name, config] of [
  ['least_request', { '@type': `${POLICY}.least_request.v3.LeastRequest`, selectionMethod: 'FULL_SCAN',
    localityLbConfig: { zoneAwareLbConfig: ZONES } }],
  ['ring_hash', { '@type': `${POLICY}.ring_hash.v3.RingHash`, hashFunction: 'XX_HASH', minimumRingSize: 64 }],
  ['peak_ewma', { '@type': `${POLICY}.peak_ewma.v3alpha.PeakEwma`, decayTime: '5s', penaltyValue: 9 }],
  ['subset', { '@type': `${POLICY}.subset.v3.Subset`, subsetSelectors: [{ keys: ['a'], fallbackPolicy: 'NO_FALLBACK' }],
    defaultSubset: { b: [1, true] }, allowRedundantKeys: true, subsetLbPolicy: policies(ROUND_ROBIN) }],
  ['wrr_locality', { '@type': `${POLICY}.wrr_locality.v3.WrrLocality`, endpointPickingPolicy: policies(ROUND_ROBIN) }],
] as const) {
  test(`${name} comes over the wire as it is written`, () => {
    const wire = new Wire();
    const { value, errors } = decode(Cluster, wire.decode(NAME, wire.encode(NAME, clusterOf(policies(config)))));
    assert.deepEqual(errors.map(String), []);
    const chosen = chosenPolicy(value!.loadBalancingPolicy!)?.config;
    assert.deepEqual(JSON.parse(JSON.stringify(chosen)), config);
  });
}

test('a policy of bytes that nobody can read is passed over, and told', () => {
  const custom = { '@type': 'type.googleapis.com/example.Custom', value: 'AAEC' };
  const { value, errors, warnings } = decode(Cluster, clusterOf(policies(custom, ROUND_ROBIN)));
  assert.deepEqual(errors.map(String), []);
  assert.match(warnings.map(String).join('\n'), /example\.Custom is ignored: it is not supported/);
  assert.equal(chosenPolicy(value!.loadBalancingPolicy!)?.config['@type'], ROUND_ROBIN['@type']);
});

test('a policy of localities with none within is passed over', () => {
  const custom = { '@type': `${POLICY}.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin` };
  const outer = { '@type': `${POLICY}.wrr_locality.v3.WrrLocality`, endpointPickingPolicy: policies(custom) };
  const { value } = decode(Cluster, clusterOf(policies(outer, ROUND_ROBIN)));
  assert.equal(chosenPolicy(value!.loadBalancingPolicy!)?.config['@type'], ROUND_ROBIN['@type']);
  assert.match(decode(Cluster, clusterOf(policies(outer))).errors.map(String).join(), /none of its policies/);
});
