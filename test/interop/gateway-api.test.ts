// The Gateway API's HTTP conformance cases against a real Envoy under our control plane (undici).
import { test } from 'node:test';
import { runHttpCases, runMeshCases } from '../harness/gateway-cases-run.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';

test('an Envoy under our control plane answers as Gateway API conformance asks', {
  skip: reasonToSkip(findEnvoy(false)),
}, async (t) => {
  await runHttpCases(t, 'envoy');
});

test('an Envoy sidecar under our control plane answers as Gateway API mesh conformance asks', {
  skip: reasonToSkip(findEnvoy(false)),
}, async (t) => {
  await runMeshCases(t, 'envoy');
});
