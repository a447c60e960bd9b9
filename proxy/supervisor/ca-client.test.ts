// The agent's call to a real authority over gRPC and TLS, and to a grpc-js server that is not one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { istioCaService } from '../../certs/istio-ca-service.ts';
import { createCsr } from '../../certs/csr.ts';
import { startCaServer } from '../../certs/server.ts';
import { parseSpiffeId } from '../../certs/spiffe.ts';
import { AgentFixture } from '../../test/harness/agent-fixture.ts';
import { REVIEWS, ecKey, serverLeaf, testRoot } from '../../test/harness/certificates.ts';
import { requestCertificate } from './ca-client.ts';
import type { CertificateRequest } from './ca-client.ts';

const identity = parseSpiffeId(REVIEWS)!;

function requestTo(address: string, roots: string, token = 'none'): CertificateRequest {
  return { address, roots, token, csr: createCsr(ecKey(), identity), signal: new AbortController().signal };
}

async function authority(t: TestContext, listen = '127.0.0.1:0'): Promise<[AgentFixture, string]> {
  const fixture = new AgentFixture(t);
  const { ca, tokens, clock, wheel } = fixture;
  const server = await startCaServer({ ca, authenticator: tokens, clock, wheel, listen });
  t.after(() => server.close());
  return [fixture, server.address];
}

test('the agent gets its certificate from a real authority by address', async (t) => {
  const [fixture, address] = await authority(t);
  fixture.answer = (request) => requestCertificate({ ...request, address });
  await fixture.start();
  assert.equal(fixture.agent.state, 'holding', fixture.lines.join('\n'));
});

test('an authority is reached by name and by IPv6', async (t) => {
  const [fixture, address] = await authority(t);
  const token = await fixture.newToken();
  const byName = address.replace('127.0.0.1', 'localhost');
  assert.equal((await requestCertificate(requestTo(byName, fixture.ca.roots, token))).length, 2);
  if (!Object.values(networkInterfaces()).flat().some((own) => own?.address === '::1')) {
    t.diagnostic('there is no IPv6 loopback here');
    return;
  }
  const [six, address6] = await authority(t, '[::1]:0');
  assert.equal((await requestCertificate(requestTo(address6, six.ca.roots, await six.newToken()))).length, 2);
});

test('F22 refusals and dead authorities are told in words', async (t) => {
  const [fixture, address] = await authority(t);
  const { roots } = fixture.ca;
  await assert.rejects(requestCertificate(requestTo(address, roots)), {
    message: `the authority at ${address} answered UNAUTHENTICATED: the token is not a JWT that can be read`,
  });
  const otherRoot = testRoot().cert;
  await assert.rejects(requestCertificate(requestTo(address, otherRoot)), /UNAVAILABLE, is it running and is root_/);
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  await assert.rejects(requestCertificate(requestTo(`127.0.0.1:${port}`, roots)), /UNAVAILABLE.*ECONNREFUSED/);
});

test('S59 a server with a good certificate for another address is not given the token', async (t) => {
  const root = testRoot();
  const leaf = serverLeaf(root, [{ ip: '127.0.0.2' }, { dns: 'localhost' }]);
  const server = new Server();
  let called = false;
  server.addService(istioCaService, {
    createCertificate: (_call: unknown, answer: (error: null, value: object) => void) => {
      called = true;
      answer(null, { certChain: [] });
    },
  });
  const pair = { cert_chain: Buffer.from(leaf.cert), private_key: Buffer.from(leaf.key) };
  const credentials = ServerCredentials.createSsl(null, [pair]);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
  t.after(() => server.forceShutdown());
  const wrong = requestCertificate(requestTo(`127.0.0.1:${port}`, root.cert));
  await assert.rejects(wrong, /does not match certificate's altnames/);
  assert.equal(called, false);
  await requestCertificate(requestTo(`localhost:${port}`, root.cert));
  assert.equal(called, true);
});

test('a request that is no longer wanted ends at once', async (t) => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const abort = new AbortController();
  const { port } = silent.address() as AddressInfo;
  const answer = requestCertificate({ ...requestTo(`127.0.0.1:${port}`, testRoot().cert), signal: abort.signal });
  const [socket] = await once(silent, 'connection') as [Socket];
  abort.abort();
  await assert.rejects(answer, /CANCELLED/);
  socket.destroy();
});

test('F22 an authority that says nothing is given up in time', async (t) => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const sockets: Socket[] = [];
  silent.on('connection', (socket) => sockets.push(socket));
  const { port } = silent.address() as AddressInfo;
  const request = { ...requestTo(`127.0.0.1:${port}`, testRoot().cert), deadlineMs: 100 };
  await assert.rejects(requestCertificate(request), /answered (DEADLINE_EXCEEDED|UNAVAILABLE)/);
  for (const socket of sockets) socket.destroy();
});
