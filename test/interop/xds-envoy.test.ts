// Our xDS server drives a real Envoy: it comes up, follows pushes without a failed request, and its refusals are shown.
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { testXdsPeer } from '../harness/xds-peer.ts';

const envoy = findEnvoy(false);
const baseId = String(20_000 + (process.pid % 10_000));

testXdsPeer({
  name: 'a real Envoy',
  command: envoy,
  args: (file) => ['-c', file, '--concurrency', '1', '-l', 'error', '--base-id', baseId],
  userAgent: /^envoy/,
  skip: reasonToSkip(envoy),
});
