// The authority over gRPC, asked by a grpc-js client whose messages come from Istio's own field numbers as .proto text.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Client, Metadata, credentials, status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { ManualClock, systemClock } from '../proxy/base/clock.ts';
import type { Clock } from '../proxy/base/clock.ts';
import { grpcTarget } from '../proxy/base/grpc-target.ts';
import { TimerWheel } from '../proxy/base/timers.ts';
import { REVIEWS, ecKey, testRoot } from '../test/harness/certificates.ts';
import { temporaryFolder } from '../test/harness/openssl.ts';
import { CertificateAuthority } from './ca.ts';
import { createCsr } from './csr.ts';
import type { RateOptions } from './caller-rate.ts';
import { serverHosts, startCaServer } from './server.ts';
import type { CaServer } from './server.ts';
import { parseSpiffeId } from './spiffe.ts';
import { openStore } from './store.ts';
import { TokenAuthority } from './token.ts';
import { svidFault, uriSans } from './x509.ts';

const identity = parseSpiffeId(REVIEWS)!;

// An independent declaration: text by the full parser, where the server's is JSON by the light build.
const schema = protobuf.parse(`
  syntax = "proto3";
  package istio.v1.auth;
  import "google/protobuf/struct.proto";
  message IstioCertificateRequest {
    string csr = 1; int64 validity_duration = 3; google.protobuf.Struct metadata = 4;
  }
  message IstioCertificateResponse { repeated string cert_chain = 1; }
`, { keepCase: true }).root.addJSON(protobuf.common.get('google/protobuf/struct.proto')!.nested!);
const requestType = schema.lookupType('istio.v1.auth.IstioCertificateRequest');
const responseType = schema.lookupType('istio.v1.auth.IstioCertificateResponse');

interface Fixture {
  readonly server: CaServer;
  readonly ca: CertificateAuthority;
  readonly tokens: TokenAuthority;
  /** The same authority with its clock at this time. */
  readonly tokensAt: (wallMs: number) => TokenAuthority;
  readonly client: Client;
  readonly refusals: string[];
  readonly wheel: TimerWheel;
}

async function start(t: TestContext, clock: Clock = systemClock, rate?: RateOptions): Promise<Fixture> {
  const store = openStore({ dir: join(temporaryFolder(t), 'ca'), clock });
  const ca = new CertificateAuthority({ store, clock, audit: () => undefined });
  const tokensWith = (ofClock: Clock): TokenAuthority => {
    return new TokenAuthority({ key: store.tokenKey, trustDomain: store.trustDomain, clock: ofClock });
  };
  const tokens = tokensWith(clock);
  const refusals: string[] = [];
  const wheel = new TimerWheel(clock);
  const server = await startCaServer({
    ca, authenticator: tokens, clock, wheel, listen: '127.0.0.1:0', ...(rate === undefined ? {} : { rate }),
    onRefusal: (caller, reason) => refusals.push(`${caller}: ${reason}`),
  });
  const client = newClient(server.address, ca.roots);
  t.after(async () => {
    client.close();
    await server.close();
  });
  const tokensAt = (wallMs: number): TokenAuthority => tokensWith(new ManualClock(wallMs));
  return { server, ca, tokens, tokensAt, client, refusals, wheel };
}

function newClient(address: string, roots: string): Client {
  const { channel, verify } = grpcTarget(address);
  return new Client(address, credentials.createSsl(Buffer.from(roots), null, null, verify), channel);
}

interface Asked {
  readonly csr?: string;
  readonly seconds?: number;
  /** Empty for no such header. */
  readonly authorization?: string;
}

async function ask({ client, tokens }: Fixture, asked: Asked = {}): Promise<string[]> {
  const metadata = new Metadata();
  const authorization = asked.authorization ?? `Bearer ${await tokens.mint(identity)}`;
  if (authorization !== '') metadata.set('authorization', authorization);
  const signer = { fields: { CertSigner: { stringValue: 'other' } } };
  const csr = asked.csr ?? createCsr(ecKey(), identity);
  const message = { csr, validity_duration: asked.seconds ?? 3600, metadata: signer };
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      '/istio.v1.auth.IstioCertificateService/CreateCertificate',
      (value: object) => Buffer.from(requestType.encode(value).finish()),
      (bytes: Buffer) => responseType.toObject(responseType.decode(bytes)) as { cert_chain: string[] },
      message, metadata, {},
      (error: ServiceError | null, value?: { cert_chain: string[] }) => {
        if (error === null) resolve(value!.cert_chain);
        else reject(error);
      },
    );
  });
}

function refused(fixture: Fixture, asked: Asked, code: status, details: RegExp): Promise<void> {
  return assert.rejects(ask(fixture, asked), { code, details });
}

test('a grpc-js client with Istio\'s messages gets leaf and root', async (t) => {
  const fixture = await start(t);
  const key = ecKey();
  const chain = await ask(fixture, { csr: createCsr(key, identity), seconds: 600 });
  assert.equal(chain.length, 2);
  const leaf = new X509Certificate(chain[0]!);
  assert.ok(leaf.checkPrivateKey(key));
  assert.equal(svidFault(leaf.raw), undefined);
  assert.deepEqual(uriSans(leaf.raw), [REVIEWS]);
  assert.equal(leaf.validToDate.getTime() - leaf.validFromDate.getTime(), 660_000);
  assert.ok(leaf.verify(new X509Certificate(chain[1]!).publicKey));
  const counters = { issued: 1, unauthenticated: 0, invalid: 0, limited: 0, failed: 0 };
  assert.deepEqual({ ...fixture.server.counters }, counters);
});

test('S59 who shows no good token is told why, and gets nothing', async (t) => {
  const fixture = await start(t);
  const { UNAUTHENTICATED } = status;
  const good = await fixture.tokens.mint(identity);
  const key = ecKey();
  const foreign = await new TokenAuthority({ key, trustDomain: 'cluster.local', clock: systemClock }).mint(identity);
  const expired = await fixture.tokensAt(Date.now() - 7_200_000).mint(identity);
  await refused(fixture, { authorization: '' }, UNAUTHENTICATED, /send the workload token once/);
  await refused(fixture, { authorization: good }, UNAUTHENTICATED, /Bearer TOKEN/);
  await refused(fixture, { authorization: 'Bearer x' }, UNAUTHENTICATED, /not a JWT/);
  await refused(fixture, { authorization: `Bearer ${foreign}` }, UNAUTHENTICATED, /not signed by a key/);
  await refused(fixture, { authorization: `Bearer ${expired}` }, UNAUTHENTICATED, /has expired/);
  assert.equal(fixture.server.counters.unauthenticated, 5);
  assert.equal(fixture.server.counters.issued, 0);
  assert.match(fixture.refusals[2]!, /^127\.0\.0\.1:\d+: the token is not a JWT/);
});

test('S59 a request for another identity gets the caller\'s own', async (t) => {
  const fixture = await start(t);
  const admin = parseSpiffeId('spiffe://cluster.local/ns/istio-system/sa/istiod')!;
  const [leaf] = await ask(fixture, { csr: createCsr(ecKey(), admin), seconds: 1e9 });
  const { raw, validToDate } = new X509Certificate(leaf!);
  assert.deepEqual(uriSans(raw), [REVIEWS]);
  assert.ok(validToDate.getTime() <= Date.now() + 86_400_000);
});

test('a request that cannot be read is an invalid argument, and the log says whose', async (t) => {
  const fixture = await start(t);
  await refused(fixture, { csr: 'nonsense' }, status.INVALID_ARGUMENT, /one PEM block/);
  assert.ok(fixture.refusals.some((line) => line.includes(`(${REVIEWS}): expected one PEM block`)));
});

test('a message over the limit is refused, and a caller that asks too often', async (t) => {
  const fixture = await start(t, systemClock, { burst: 2, perSecond: 0 });
  await refused(fixture, { csr: 'x'.repeat(300_000) }, status.RESOURCE_EXHAUSTED, /larger than max/);
  await ask(fixture);
  await ask(fixture);
  await refused(fixture, {}, status.RESOURCE_EXHAUSTED, /bookinfo-reviews asks too often/);
  assert.equal(fixture.server.counters.limited, 1);
});

test('a client that does not know the root does not connect', async (t) => {
  const fixture = await start(t);
  const client = newClient(fixture.server.address, testRoot().cert);
  t.after(() => client.close());
  await refused({ ...fixture, client }, {}, status.UNAVAILABLE, /self-signed|certificate/);
});

test('a port in use is named in one line', async (t) => {
  const fixture = await start(t);
  const options = { ca: fixture.ca, authenticator: fixture.tokens, clock: systemClock, wheel: fixture.wheel };
  await assert.rejects(startCaServer({ ...options, listen: fixture.server.address }), {
    name: 'ConfigError', message: `${fixture.server.address}: cannot listen here: another process has this port`,
  });
});

test('the server\'s own certificate is replaced at half of its life while it runs', async (t) => {
  const clock = new ManualClock(Date.now() - 14 * 3_600_000); // so that all of it is valid for node:tls now
  const fixture = await start(t, clock);
  const [host, port] = fixture.server.address.split(':');
  const served = async (): Promise<string> => {
    const socket = connectTls({ host: host!, port: Number(port), ca: fixture.ca.roots, ALPNProtocols: ['h2'] });
    await once(socket, 'secureConnect');
    const { fingerprint256, raw } = socket.getPeerX509Certificate()!;
    assert.deepEqual(uriSans(raw), ['spiffe://cluster.local/ns/weft-system/sa/weft-control']);
    socket.destroy();
    return fingerprint256;
  };
  const first = await served();
  clock.advance(11 * 3_600_000);
  fixture.wheel.advance();
  assert.equal(await served(), first);
  clock.advance(2 * 3_600_000);
  fixture.wheel.advance();
  assert.notEqual(await served(), first);
});

test('closing does not wait for ever for a peer that never finishes its handshake', async (t) => {
  const clock = new ManualClock(Date.now());
  const { server, wheel } = await start(t, clock);
  const [host, port] = server.address.split(':');
  const socket = connectTcp(Number(port), host);
  await once(socket, 'connect');
  const closed = server.close();
  clock.advance(3100);
  wheel.advance();
  socket.destroy();
  await closed;
});

test('the server\'s hosts are where it listens, this machine and loopback', () => {
  const hosts = serverHosts('[::1]:0', ['CA.example', 'bad name', '10.0.0.1']);
  for (const host of ['::1', 'localhost', '127.0.0.1', 'ca.example', '10.0.0.1']) assert.ok(hosts.includes(host), host);
  assert.ok(!hosts.includes('bad name') && !serverHosts('0.0.0.0:1').includes('0.0.0.0'));
  assert.equal(new Set(hosts).size, hosts.length);
});
