// SPIFFE federation by weft and by a real Envoy: the same bundles, the same peers, the same answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  EAST_SERVER, crossedPeer, federatedPeers, federatedValidation, strangePeers,
} from '../harness/federation.ts';
import { ShowingServer, believesClient, mutualTlsBootstrap } from '../harness/mutual-tls.ts';
import { candidates, ProxyProcess } from '../harness/proxy-process.ts';

for (const { kind, skip } of candidates()) {
  test(`S52 ${kind} judges each trust domain by its own bundle, on both sides`, { skip }, async () => {
    await using server = await ShowingServer.start(EAST_SERVER);
    const validation = federatedValidation();
    await using proxy = await ProxyProcess.start(
      kind, mutualTlsBootstrap({ own: EAST_SERVER, validation, upstream: server.port }),
    );
    const peers = [...federatedPeers(), ...strangePeers(), crossedPeer()];
    const believed: string[] = [];
    for (const { name, certificate } of peers) {
      if (await believesClient(proxy.port('mutual'), certificate)) believed.push(`client: ${name}`);
      if (await server.believedBy(proxy.port('plain'), certificate)) believed.push(`server: ${name}`);
    }
    assert.deepEqual(believed, federatedPeers().flatMap(({ name }) => [`client: ${name}`, `server: ${name}`]));
  });
}
