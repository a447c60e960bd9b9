// Whom a running weft believes: peers of node:tls with every kind of bad certificate, as clients and as servers.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import { friendlyPeers, hostilePeers } from '../harness/hostile-certificates.ts';
import { ShowingServer, believesClient, meshValidation, mutualTlsBootstrap } from '../harness/mutual-tls.ts';
import { TestProxy } from '../harness/weft.ts';

const root = testRoot();
const own = testLeaf(root);
const hostile = hostilePeers(root);

describe('S50 S51 S52 S62 certificates that a mesh refuses', () => {
  let server: ShowingServer;
  let proxy: TestProxy;

  before(async () => {
    server = await ShowingServer.start(own);
    const bootstrap = mutualTlsBootstrap({ own, validation: meshValidation(root), upstream: server.port });
    proxy = await TestProxy.start(bootstrap);
  });

  after(async () => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test('there are 60 of them at least', () => assert.ok(hostile.length >= 60, String(hostile.length)));

  for (const { name, certificate } of hostile) {
    test(`${name}: neither a client nor a server of node:tls is believed`, async () => {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const options = { minVersion: version, maxVersion: version };
        assert.equal(await believesClient(proxy.port('mutual'), certificate, options), false, `client, ${version}`);
      }
      assert.equal(await server.believedBy(proxy.port('plain'), certificate), false, 'server');
    });
  }

  for (const { name, certificate } of friendlyPeers(root)) {
    test(`${name}: client and server of node:tls are believed`, async () => {
      assert.equal(await believesClient(proxy.port('mutual'), certificate), true, 'client');
      assert.equal(await server.believedBy(proxy.port('plain'), certificate), true, 'server');
    });
  }

  test('refusals are counted by their reason, on both sides', () => {
    for (const side of ['cluster.peer', 'listener.mutual']) {
      for (const failure of ['fail_verify_error', 'fail_verify_san']) {
        assert.ok(proxy.stat(`${side}.ssl.${failure}`) > 20, `${side}.ssl.${failure}`);
      }
    }
  });
});
