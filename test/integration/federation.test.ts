// A weft that believes two trust domains, each about itself: peers of node:tls on both sides.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { craft, uriName } from '../harness/crafted-certificate.ts';
import {
  EAST, EAST_SERVER, WEST, crossedPeer, federatedPeers, federatedValidation, strangePeers,
} from '../harness/federation.ts';
import { ShowingServer, believesClient, mutualTlsBootstrap } from '../harness/mutual-tls.ts';
import { TestProxy } from '../harness/weft.ts';

test('S52 each trust domain is judged by its own bundle, for clients and servers of node:tls', async (t) => {
  await using server = await ShowingServer.start(EAST_SERVER);
  await using proxy = await TestProxy.start(
    mutualTlsBootstrap({ own: EAST_SERVER, validation: federatedValidation(), upstream: server.port }),
  );
  const believed = async (certificate: Parameters<typeof believesClient>[1]): Promise<readonly boolean[]> => [
    await believesClient(proxy.port('mutual'), certificate), await server.believedBy(proxy.port('plain'), certificate),
  ];
  for (const { name, certificate } of federatedPeers()) {
    await t.test(name, async () => assert.deepEqual(await believed(certificate), [true, true]));
  }
  for (const { name, certificate } of [...strangePeers(), crossedPeer()]) {
    await t.test(name, async () => assert.deepEqual(await believed(certificate), [false, false]));
  }
});

test('S52 names are matched among ids alone, of whichever trust domain', async () => {
  const names = [
    { sanType: 'URI', matcher: { exact: 'spiffe://west.example/ns/a/sa/b' } },
    { sanType: 'DNS', matcher: { exact: 'a.example' } },
  ];
  await using server = await ShowingServer.start(EAST_SERVER);
  await using proxy = await TestProxy.start(
    mutualTlsBootstrap({ own: EAST_SERVER, validation: federatedValidation(names), upstream: server.port }),
  );
  const dns = Buffer.concat([Buffer.of(0x82, 9), Buffer.from('a.example')]);
  const cases = [
    [craft(WEST, { names: [uriName('spiffe://west.example/ns/a/sa/b')] }), true],
    [craft(WEST, { names: [uriName('spiffe://west.example/ns/a/sa/c')] }), false],
    [craft(EAST, { names: [uriName('spiffe://east.example/ns/a/sa/b'), dns] }), false],
  ] as const;
  for (const [certificate, expected] of cases) {
    assert.equal(await believesClient(proxy.port('mutual'), certificate), expected);
  }
});
