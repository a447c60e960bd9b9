// Our xDS server drives a real Envoy: it comes up, follows pushes without a failed request, and its refusals are shown.
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { testXdsFaults } from '../harness/xds-faults.ts';
import { testOnDemand } from '../harness/xds-on-demand.ts';
import { testXdsPeer } from '../harness/xds-peer.ts';
import type { XdsPeer } from '../harness/xds-peer.ts';

const envoy = findEnvoy(false);
const baseId = String(20_000 + (process.pid % 10_000));

for (const apiType of ['DELTA_GRPC', 'GRPC'] as const) {
  const peer: XdsPeer = {
    name: `a real Envoy (${apiType === 'GRPC' ? 'state of the world' : 'delta'})`,
    apiType,
    command: envoy,
    args: (file) => ['-c', file, '--concurrency', '1', '-l', 'error', '--base-id', baseId],
    userAgent: /^envoy/,
    skip: reasonToSkip(envoy),
  };
  testXdsPeer(peer);
  testXdsFaults(peer, apiType);
  if (apiType === 'DELTA_GRPC') testOnDemand(peer);
}
