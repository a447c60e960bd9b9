// The agent's SDS socket: whom it lets in, what it gives, and what lies in its place.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Client, credentials } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { secretService, unpackSecret } from '../../certs/sds-service.ts';
import type { SecretResponse, SecretValue } from '../../certs/sds-service.ts';
import { REVIEWS } from '../../test/harness/certificates.ts';
import { temporaryFolder } from '../../test/harness/openssl.ts';
import { Stats } from '../telemetry/stats.ts';
import { AgentSds } from './agent-sds.ts';
import { listenPrivately } from './private-socket.ts';

const silent = (): undefined => undefined;

async function start(t: TestContext): Promise<[AgentSds, string]> {
  const path = join(temporaryFolder(t), 'sds');
  const sds = new AgentSds({
    path, spiffeId: () => REVIEWS, trustDomain: 'cluster.local',
    stats: new Stats({ chunk: silent, register: silent }), log: { info: silent, warning: silent, error: silent },
  });
  await sds.start();
  t.after(() => sds.stop());
  return [sds, path];
}

/** FetchSecrets, once. */
function fetch(path: string, names: readonly string[]): Promise<(SecretValue | undefined)[]> {
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  const { path: method, requestSerialize, responseDeserialize } = secretService.fetchSecrets;
  const request = { versionInfo: '', resourceNames: names, typeUrl: '', responseNonce: '' };
  return new Promise((resolve, reject) => {
    const answer = (error: ServiceError | null, response?: SecretResponse): void => {
      client.close();
      if (error === null) resolve(response!.resources.map(unpackSecret));
      else reject(error);
    };
    client.makeUnaryRequest(method, requestSerialize, responseDeserialize, request, answer);
  });
}

test('grpc-js gets the agent\'s own identity, under Istio\'s names and SPIFFE\'s, and no other', async (t) => {
  const [sds, path] = await start(t);
  sds.take({ name: 'ROOTCA', validationContext: { trustedCa: { inlineString: 'roots' } } });
  const tlsCertificate = { certificateChain: { inlineString: 'chain' }, privateKey: { inlineString: 'key' } };
  sds.take({ name: 'default', tlsCertificate });
  const other = 'spiffe://cluster.local/ns/default/sa/other';
  const found = await fetch(path, ['default', REVIEWS, 'ROOTCA', 'spiffe://cluster.local', other, 'x']);
  assert.deepEqual(found.map((secret) => [secret!.name, secret!.privateKey, secret!.trustedCa]), [
    ['default', 'key', ''], [REVIEWS, 'key', ''], ['ROOTCA', '', 'roots'], ['spiffe://cluster.local', '', 'roots'],
  ]);
});

test('S61 the socket is 0600 whatever the umask is, nothing else is left, and it goes with the agent', async (t) => {
  const umask = process.umask(0);
  t.after(() => process.umask(umask));
  const [sds, path] = await start(t);
  assert.equal((lstatSync(path).mode & 0o777).toString(8), '600');
  assert.deepEqual(readdirSync(join(path, '..')), ['sds']);
  sds.stop();
  assert.equal(existsSync(path), false);
});

test('S61 a link in its place is replaced and not followed; a file and another agent\'s socket are left', async (t) => {
  const folder = temporaryFolder(t);
  const [target, path] = [join(folder, 'precious'), join(folder, 'sds')];
  writeFileSync(target, 'precious');
  symlinkSync(target, path);
  const [first, second] = [createServer(), createServer()];
  const remove = await listenPrivately(first, path);
  t.after(() => first.close());
  assert.ok(lstatSync(path).isSocket() && lstatSync(target).isFile());
  await assert.rejects(listenPrivately(second, path), { name: 'ConfigError', message: /is served by another process/ });
  await assert.rejects(listenPrivately(second, target), { message: /is there and is no socket: move it away/ });
  remove();
  assert.equal(existsSync(path), false);
  // The socket of an agent that died without a word.
  first.close();
  const dead = createServer().listen(path);
  await once(dead, 'listening');
  t.after(() => dead.close());
  symlinkSync(path, join(folder, 'link'));
  (await listenPrivately(second, join(folder, 'link')))();
  second.close();
});

test('S61 a folder in which others could put a socket of their own is refused', async (t) => {
  const folder = join(temporaryFolder(t), 'open');
  mkdirSync(folder);
  const server = createServer();
  for (const mode of [0o777, 0o770, 0o702]) {
    chmodSync(folder, mode);
    const refusal = { name: 'ConfigError', message: /open to other users.*chmod go-w/ };
    await assert.rejects(listenPrivately(server, join(folder, 's')), refusal);
  }
  await assert.rejects(listenPrivately(server, join(folder, 'none', 's')), { message: /cannot hold a socket/ });
  await assert.rejects(listenPrivately(server, join(folder, 's'.repeat(100))), { message: /too long/ });
  chmodSync(folder, 0o1777);
  (await listenPrivately(server, join(folder, 's')))();
  server.close();
});
