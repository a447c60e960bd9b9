// The Gateway API's HTTP conformance cases against a weft gateway under our control plane (undici).
import { test } from 'node:test';
import { runHttpCases, runMeshCases } from '../harness/gateway-cases-run.ts';

test('a weft gateway answers as Gateway API conformance asks (undici)', async (t) => {
  await runHttpCases(t, 'weft');
});

test('a weft sidecar answers as Gateway API mesh conformance asks (undici)', async (t) => {
  await runMeshCases(t, 'weft');
});
