// Our xDS server drives `weft proxy` as a user starts it, from the same bootstrap that starts a real Envoy.
import { fileURLToPath } from 'node:url';
import { testXdsFaults } from '../harness/xds-faults.ts';
import { testOnDemand } from '../harness/xds-on-demand.ts';
import { testXdsPeer } from '../harness/xds-peer.ts';
import type { XdsPeer } from '../harness/xds-peer.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));

for (const apiType of ['DELTA_GRPC', 'GRPC'] as const) {
  const peer: XdsPeer = {
    name: `weft proxy (${apiType === 'GRPC' ? 'state of the world' : 'delta'})`,
    apiType,
    command: process.execPath,
    args: (file) => [WEFT, 'proxy', '-c', file, '--concurrency', '1', '-l', 'warning'],
    userAgent: /^weft/,
    skip: false,
  };
  testXdsPeer(peer);
  testXdsFaults(peer, apiType);
  if (apiType === 'DELTA_GRPC') testOnDemand(peer);
}
