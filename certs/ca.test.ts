// Issuing: what is in a certificate comes from the caller's identity and the authority's rules, never from the request.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect, createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { ManualClock, systemClock } from '../proxy/base/clock.ts';
import type { Clock } from '../proxy/base/clock.ts';
import { REVIEWS, ecKey, testRoot } from '../test/harness/certificates.ts';
import { openssl, temporaryFolder, withoutOpenssl } from '../test/harness/openssl.ts';
import { CertificateAuthority, auditLine } from './ca.ts';
import type { Issued, IssuanceRecord, IssueResult } from './ca.ts';
import { CallerRate } from './caller-rate.ts';
import { chainFault, readCertificates } from './chain.ts';
import { createCsr } from './csr.ts';
import { parseSpiffeId } from './spiffe.ts';
import { openStore } from './store.ts';
import { dnsSans, readCertificate, svidFault, uriSans } from './x509.ts';

const DAY_MS = 86_400_000;
const identity = parseSpiffeId(REVIEWS)!;

interface Fixture {
  readonly ca: CertificateAuthority;
  readonly records: IssuanceRecord[];
}

function newAuthority(t: TestContext, clock: Clock = systemClock): Fixture {
  const store = openStore({ dir: join(temporaryFolder(t), 'ca'), clock });
  const records: IssuanceRecord[] = [];
  return { ca: new CertificateAuthority({ store, clock, audit: (record) => records.push(record) }), records };
}

function issued(result: IssueResult): Issued {
  assert.ok('issued' in result, JSON.stringify(result));
  return result.issued;
}

test('a workload gets a 24 h certificate that leads to the root, and one audit line', (t) => {
  const clock = new ManualClock(1_700_000_000_000);
  const { ca, records } = newAuthority(t, clock);
  const key = ecKey();
  const { chain, serial } = issued(ca.issue({ csr: createCsr(key, identity), identity, caller: '127.0.0.1:9' }));
  const leaf = new X509Certificate(chain[0]!);
  assert.equal(leaf.validToDate.getTime(), 1_700_000_000_000 + DAY_MS);
  assert.equal(leaf.validFromDate.getTime(), 1_700_000_000_000 - 60_000);
  assert.ok(leaf.checkPrivateKey(key));
  assert.equal(svidFault(leaf.raw), undefined);
  assert.equal(chainFault([leaf], readCertificates(ca.roots)!, clock.wallMs()), undefined);
  assert.deepEqual(records.map(auditLine), [
    `2023-11-14T22:13:20.000Z issued identity=${REVIEWS} serial=${serial} until=2023-11-15T22:13:20.000Z `
    + 'key="ec prime256v1" caller=127.0.0.1:9',
  ]);
});

test('S59 a request by openssl req that asks for other names, CA:TRUE and a CN gets the caller\'s identity only', {
  skip: withoutOpenssl,
}, (t) => {
  const { ca } = newAuthority(t);
  const file = join(temporaryFolder(t), 'csr.pem');
  openssl(
    'req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', '/dev/null', '-out', file, '-subj', '/CN=istiod',
    '-addext', 'subjectAltName=URI:spiffe://cluster.local/ns/istio-system/sa/istiod,DNS:admin.example',
    '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=keyCertSign',
  );
  const { chain } = issued(ca.issue({ csr: readFileSync(file, 'utf8'), identity, caller: 'test' }));
  const { raw, subject } = new X509Certificate(chain[0]!);
  assert.equal(subject, undefined);
  assert.deepEqual(uriSans(raw), [REVIEWS]);
  assert.deepEqual(dnsSans(raw), []);
  assert.equal(svidFault(raw), undefined);
});

test('S59 the life asked for is cut to the longest, and to the issuer\'s own', (t) => {
  const clock = new ManualClock();
  const { ca } = newAuthority(t, clock);
  const csr = createCsr(ecKey(), identity);
  const lifeOf = (ttlMs: number): number => {
    return issued(ca.issue({ csr, identity, caller: 'test', ttlMs })).notAfterMs - clock.wallMs();
  };
  assert.equal(lifeOf(3_600_000), 3_600_000);
  assert.equal(lifeOf(0), DAY_MS);
  assert.equal(lifeOf(-5), DAY_MS);
  assert.equal(lifeOf(400 * DAY_MS), DAY_MS);
  assert.equal(lifeOf(Number.NaN), DAY_MS);
  clock.advance(3650 * DAY_MS - 1_000_000);
  assert.equal(lifeOf(0), 1_000_000);
});

test('S59 a caller of another trust domain gets nothing', (t) => {
  const { ca, records } = newAuthority(t);
  const other = parseSpiffeId('spiffe://other/ns/a/sa/b')!;
  const result = ca.issue({ csr: createCsr(ecKey(), other), identity: other, caller: 'test' });
  assert.match('fault' in result ? result.fault : '', /of trust domain other, not of cluster\.local/);
  assert.equal(records.length, 0);
});

test('S60 no certificate leaves without its audit line', (t) => {
  const store = openStore({ dir: join(temporaryFolder(t), 'ca') });
  const audit = (): void => {
    throw new Error('disk full');
  };
  const ca = new CertificateAuthority({ store, clock: systemClock, audit });
  assert.throws(() => ca.issue({ csr: createCsr(ecKey(), identity), identity, caller: 'test' }), /disk full/);
});

test('serial numbers are 128 bits and differ', (t) => {
  const { ca } = newAuthority(t);
  const csr = createCsr(ecKey(), identity);
  const serials = Array.from({ length: 50 }, () => issued(ca.issue({ csr, identity, caller: 'test' })).serial);
  assert.equal(new Set(serials).size, 50);
  for (const serial of serials) assert.match(serial, /^[89a-f][0-9a-f]{31}$/);
});

test('a server certificate has its hosts beside its identity', (t) => {
  const { ca } = newAuthority(t);
  const server = ca.issueServer(identity, ['localhost', '127.0.0.1', '::1']);
  const { raw } = readCertificates(server.chain)![0]!;
  assert.deepEqual(uriSans(raw), [REVIEWS]);
  assert.deepEqual(dnsSans(raw), ['localhost']);
  assert.equal(readCertificate(raw)!.ipSans.length, 2);
});

test('node:tls completes a mutual handshake with issued certificates, and refuses another root\'s', async (t) => {
  const { ca } = newAuthority(t);
  const [server, client] = [ca.issueServer(identity, ['localhost']), ca.issueServer(identity, [])];
  const listener = createServer({ key: server.key, cert: server.chain, ca: ca.roots, requestCert: true });
  listener.on('secureConnection', (socket: TLSSocket) => socket.end(socket.getPeerX509Certificate()!.raw));
  listener.on('tlsClientError', () => undefined);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => listener.close());
  const options = { port: (listener.address() as AddressInfo).port, host: '127.0.0.1', servername: 'localhost' };
  const socket = connect({ ...options, ca: ca.roots, cert: client.chain, key: client.key });
  const [seen] = await once(socket, 'data') as [Buffer];
  assert.deepEqual(uriSans(seen), [REVIEWS]);
  socket.destroy();
  const stranger = connect({ ...options, ca: testRoot().cert });
  const [error] = await once(stranger, 'error') as [Error & { code: string }];
  assert.match(error.code, /SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO/);
});

test('a caller is limited by a bucket of its own, and the memory of callers is bounded', () => {
  const clock = new ManualClock();
  const rate = new CallerRate(clock, { burst: 2, perSecond: 1, callersMax: 3 });
  assert.deepEqual([rate.take('a'), rate.take('a'), rate.take('a'), rate.take('b')], [true, true, false, true]);
  clock.advance(1000);
  assert.deepEqual([rate.take('a'), rate.take('a')], [true, false]);
  for (let index = 0; index < 10; index++) rate.take(`c${index}`);
  assert.equal(rate.callers, 3);
});
