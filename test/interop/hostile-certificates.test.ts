// What a real Envoy makes of the certificates that weft refuses (test/integration/hostile-certificates.test.ts).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import { friendlyPeers, hostilePeers } from '../harness/hostile-certificates.ts';
import { ShowingServer, believesClient, meshValidation, mutualTlsBootstrap } from '../harness/mutual-tls.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';

/** Envoy looks at the names only to match them, at a leaf's uses only for its own side, and at no key of a leaf. */
const BELIEVED_BY_ENVOY = {
  both: [
    'S50 URI name with NUL and more in the path', 'S50 URI name with NUL at the end',
    'S50 URI name with an empty path', 'S50 URI name with an escape in the path', 'S50 URI name with an escaped slash',
    'S50 URI name with an empty segment', 'S50 URI name with a dot segment', 'S50 URI name with segments that go up',
    'S50 URI name with a slash at the end', 'S50 URI name with a query', 'S50 URI name with a fragment',
    'S50 URI name with over 2048 bytes', 'S50 URI name with UTF-8 in the path',
    'S50 URI name with a wildcard in the path', 'S50 URI name with white space', 'S50 URI name with a line end',
    'S50 URI name with a comma that displays as a second name', 'S50 URI name with a backslash',
    'S50 two ids', 'S50 the same id twice', 'S50 an id and another URI', 'S50 another URI and an id',
    'S51 a CA leaf', 'S51 a CA leaf that may sign', 'S51 a leaf that may sign certificates',
    'S51 a leaf that may sign CRLs', 'S51 a leaf without key usage', 'S51 a signature by SHA-1',
    'S51 an RSA key of 1024 bits', 'S51 a chain of 12', 'S62 a chain of 60', 'S51 a signature by SHA-1 of a CA',
  ],
  client: ['S51 a leaf for clients only'],
  server: ['S51 a leaf for servers only'],
};

test('S50 S51 S52 Envoy believes 34 of those that weft refuses', {
  skip: reasonToSkip(findEnvoy(false)),
}, async () => {
  const root = testRoot();
  const own = testLeaf(root);
  await using server = await ShowingServer.start(own);
  const bootstrap = mutualTlsBootstrap({ own, validation: meshValidation(root), upstream: server.port });
  await using envoy = await ProxyProcess.start('envoy', bootstrap);
  for (const { name, certificate } of friendlyPeers(root)) {
    assert.equal(await believesClient(envoy.port('mutual'), certificate), true, `client: ${name}`);
    assert.equal(await server.believedBy(envoy.port('plain'), certificate), true, `server: ${name}`);
  }
  const believed = { both: [] as string[], client: [] as string[], server: [] as string[] };
  for (const { name, certificate } of hostilePeers(root)) {
    const asClient = await believesClient(envoy.port('mutual'), certificate);
    const asServer = await server.believedBy(envoy.port('plain'), certificate);
    if (asClient || asServer) believed[asClient && asServer ? 'both' : asClient ? 'client' : 'server'].push(name);
  }
  assert.deepEqual(believed, BELIEVED_BY_ENVOY);
});
