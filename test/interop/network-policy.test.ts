// NetworkPolicies under a real Envoy by the same translation: the gate is Envoy's own filter.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { POLICY_CASES } from '../harness/network-policy-cases.ts';
import { judgeEgress } from '../harness/network-policy-egress.ts';
import { judgeIdentities, PolicyProxy } from '../harness/network-policy-proxy.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';

const skip = reasonToSkip(findEnvoy(false));

void test('Envoy lets in whom NetworkPolicies let in (node:net)', { skip }, async (t) => {
  await using proxy = await PolicyProxy.start(t, 'envoy', POLICY_CASES);
  for (const one of POLICY_CASES) {
    await t.test(one.name, async () => assert.deepEqual(await proxy.allowed(one), one.allowed));
  }
});

void test('Envoy believes a certificate before an address (node:tls)', { skip }, (t) => judgeIdentities(t, 'envoy'));

void test('Envoy reaches what NetworkPolicies let out (undici)', { skip }, (t) => judgeEgress(t, 'envoy'));
