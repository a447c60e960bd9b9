// The server side of TLS against independent clients: who gets in, who doesn't, and that refusals leave nothing behind.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, connect as tcpConnect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { caLeaf, expiredLeaf, futureLeaf, serverLeaf, testLeaf, testRoot,
  twoUriLeaf } from '../../test/harness/certificates.ts';
import type { TestCertificate } from '../../test/harness/certificates.ts';
import { temporaryFolder, withoutOpenssl } from '../../test/harness/openssl.ts';
import { findProgram } from '../../test/harness/peers.ts';
import { ROOT, SERVER, TlsListener, closed, credentials, downstream, fetchHello,
  refusal } from '../../test/harness/tls-listener.ts';
import { ManualClock } from '../base/clock.ts';
import { LIMITS } from '../config/limits.ts';
import type { SubjectAltNameMatcher } from '../config/tls.ts';
import { acceptTls } from './accept-tls.ts';
import { HANDSHAKE_DEADLINE_MS } from './server-context.ts';

test('a workload of the mesh gets in by node:tls, and its identity is known', async () => {
  await using fixture = await TlsListener.start();
  const client = testLeaf(ROOT, { identity: 'spiffe://cluster.local/ns/default/sa/client' });
  const { text } = await fetchHello(fixture.port, { ...credentials(client), ALPNProtocols: ['http/1.1'] });
  assert.equal(text, 'hello');
  const { peerCertificates, endMs, peerTrust, ...info } = (await fixture.outcome()).info!;
  assert.deepEqual(peerCertificates!.map(String), [client.cert, ROOT.cert]);
  assert.equal(endMs, client.x509.validToDate.getTime());
  assert.notEqual(peerTrust, undefined);
  assert.deepEqual(info, {
    version: 'TLSv1.3',
    cipher: 'TLS_AES_256_GCM_SHA384',
    alpn: 'http/1.1',
    peerUriSan: 'spiffe://cluster.local/ns/default/sa/client',
    peerUriSans: ['spiffe://cluster.local/ns/default/sa/client'],
    peerDnsSans: [],
    peerSubject: undefined,
    peerCertificateHash: new X509Certificate(client.cert).fingerprint256.replaceAll(':', '').toLowerCase(),
    localUriSan: 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews',
  });
  assert.equal(fixture.stats.handshake.value, 1);
});

/** Runs a program until it ends; resolves with all that it printed. */
async function output(program: string, args: readonly string[], input: string): Promise<string> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  await once(child, 'close');
  return text;
}

function files(t: TestContext, certificate: TestCertificate): { cert: string; key: string; root: string } {
  const folder = temporaryFolder(t);
  const paths = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), root: join(folder, 'root.pem') };
  writeFileSync(paths.cert, certificate.chain);
  writeFileSync(paths.key, certificate.key, { mode: 0o600 });
  writeFileSync(paths.root, ROOT.cert);
  return paths;
}

test('openssl s_client gets in over TLS 1.2 and 1.3, and not over 1.1', { skip: withoutOpenssl }, async (t) => {
  await using fixture = await TlsListener.start();
  const { cert, key, root } = files(t, testLeaf(ROOT));
  const sClient = (version: string) => output('openssl', ['s_client', '-connect', `127.0.0.1:${fixture.port}`,
    '-cert', cert, '-key', key, '-CAfile', root, '-verify_return_error', '-quiet', '-ign_eof', version], '');
  assert.match(await sClient('-tls1_3'), /hello/);
  assert.match(await sClient('-tls1_2'), /hello/);
  assert.doesNotMatch(await sClient('-tls1_1'), /hello/);
  assert.deepEqual(fixture.outcomes.map(({ info }) => info?.version), ['TLSv1.3', 'TLSv1.2', undefined]);
});

const withoutCurl = findProgram('curl') === undefined;

test('curl is refused without a certificate and gets in with one', { skip: withoutCurl }, async (t) => {
  await using fixture = await TlsListener.start();
  const { cert, key, root } = files(t, testLeaf(ROOT));
  const url = `https://localhost:${fixture.port}/`;
  const address = ['--noproxy', '*', '--resolve', `localhost:${fixture.port}:127.0.0.1`];
  const args = ['-sS', '--http1.1', '--http0.9', '--cacert', root, ...address];
  assert.doesNotMatch(await output('curl', [...args, url], ''), /hello/);
  assert.match((await fixture.outcome()).failure!, /no certificate/);
  assert.match(await output('curl', [...args, '--cert', cert, '--key', key, url], ''), /hello/);
});

test('S57 plaintext to a STRICT port is closed without an answer of HTTP', async () => {
  await using fixture = await TlsListener.start();
  const socket = tcpConnect(fixture.port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await closed(socket);
  // At most a TLS alert, which is seven bytes.
  const answer = Buffer.concat(chunks);
  assert.ok(answer.length === 0 || (answer.length === 7 && answer[0] === 21), answer.toString('latin1'));
  assert.equal((await fixture.outcome()).failure, 'http request');
  assert.equal(fixture.stats.connectionError.value, 1);
});

test('a client without a certificate is refused', async () => {
  await using fixture = await TlsListener.start();
  assert.match(await refusal(fixture, {}), /no certificate/);
});

test('a client of another root is refused', async () => {
  await using fixture = await TlsListener.start();
  const reason = await refusal(fixture, credentials(testLeaf(testRoot())));
  assert.match(reason, /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT/);
});

test('a self-signed client is refused', async () => {
  await using fixture = await TlsListener.start();
  assert.match(await refusal(fixture, credentials(testRoot())), /SELF_SIGNED|INVALID_PURPOSE/);
});

test('S51 expired, future, CA and server-only leaves are refused', async (t) => {
  const { template } = serverOnly();
  const cases: [string, TestCertificate, RegExp][] = [
    ['expired', expiredLeaf(ROOT), /EXPIRED/],
    ['not yet valid', futureLeaf(ROOT), /NOT_YET_VALID/],
    ['CA', caLeaf(ROOT), /CA certificate|INVALID/],
    ['server use only', testLeaf(ROOT, { template }), /INVALID_PURPOSE|unsuitable|clientAuth/],
  ];
  for (const [name, leaf, expected] of cases) {
    await t.test(name, async () => {
      await using fixture = await TlsListener.start();
      assert.match(await refusal(fixture, credentials(leaf)), expected);
    });
  }
});

function serverOnly() {
  return { template: { extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'] } };
}

test('S50 two URI names, NUL in one, a bare trust domain and a scheme in upper case are refused', async (t) => {
  const cases: [string, TestCertificate][] = [
    ['two SPIFFE ids', twoUriLeaf(ROOT)],
    ['NUL', testLeaf(ROOT, { names: [{ uri: 'spiffe://cluster.local/ns/a/sa/b\0.evil' }] })],
    ['bare trust domain', testLeaf(ROOT, { names: [{ uri: 'spiffe://cluster.local' }] })],
    ['upper case', testLeaf(ROOT, { names: [{ uri: 'SPIFFE://cluster.local/ns/a/sa/b' }] })],
    ['id beside another URI', testLeaf(ROOT, {
      names: [{ uri: 'spiffe://cluster.local/ns/a/sa/b' }, { uri: 'https://example.com/' }],
    })],
  ];
  for (const [name, leaf] of cases) {
    await t.test(name, async () => {
      await using fixture = await TlsListener.start();
      assert.match(await refusal(fixture, credentials(leaf)), /URI name/);
      assert.equal(fixture.stats.connectionError.value, 1);
    });
  }
});

test('S50 a DNS name that looks like the SPIFFE id is no identity', async () => {
  await using fixture = await TlsListener.start();
  const leaf = testLeaf(ROOT, { names: [{ dns: 'spiffe://cluster.local/ns/a/sa/b' }] });
  assert.match(await refusal(fixture, credentials(leaf)), /no accepted name/);
});

test('S52 a name of another trust domain under the same root is refused', async () => {
  await using fixture = await TlsListener.start();
  const leaf = testLeaf(ROOT, { identity: 'spiffe://other.domain/ns/a/sa/b' });
  assert.match(await refusal(fixture, credentials(leaf)), /no accepted name among "spiffe:\/\/other.domain/);
});

test('several roots in one bundle are all trusted', async () => {
  const other = testRoot();
  const config = downstream();
  config.commonTlsContext.validationContext!.trustedCa = { inlineString: ROOT.cert + other.cert };
  await using fixture = await TlsListener.start(config);
  for (const root of [ROOT, other]) {
    assert.equal((await fetchHello(fixture.port, credentials(testLeaf(root)))).text, 'hello');
  }
});

test('where no certificate is required a client without one gets in nameless, with a wrong one not', async () => {
  await using fixture = await TlsListener.start(downstream({ requireClientCertificate: false }, []));
  assert.equal((await fetchHello(fixture.port)).text, 'hello');
  assert.equal((await fixture.outcome()).info!.peerUriSan, undefined);
  assert.equal(fixture.stats.noCertificate.value, 1);
  assert.equal((await fetchHello(fixture.port, credentials(testLeaf(testRoot())))).text, '');
  assert.notEqual((await fixture.outcome(1)).failure, undefined);
});

test('names and hashes are asked of everybody, whether a certificate is required or not, as in Envoy', async () => {
  const names = downstream({ requireClientCertificate: false });
  const pins = structuredClone(names);
  pins.commonTlsContext.validationContext = { verifyCertificateHash: [SERVER.x509.fingerprint256] };
  for (const config of [names, pins]) {
    await using fixture = await TlsListener.start(config);
    assert.match(await refusal(fixture, {}), /no certificate/);
  }
});

test('a server without validation asks for no certificate and believes none', async () => {
  const config = downstream({ requireClientCertificate: false });
  delete config.commonTlsContext.validationContext;
  await using fixture = await TlsListener.start(config);
  assert.equal((await fetchHello(fixture.port, credentials(testLeaf(testRoot())))).text, 'hello');
  assert.equal((await fixture.outcome()).info!.peerUriSan, undefined);
});

test('DNS names match exactly or by wildcard', async () => {
  const names: SubjectAltNameMatcher[] = [{ sanType: 'DNS', matcher: { exact: 'api.example.com' } }];
  const cases = { 'api.example.com': true, 'API.example.com': true, '*.example.com': true, '*.com': false, '*': false };
  for (const [dns, accepted] of Object.entries(cases)) {
    await using fixture = await TlsListener.start(downstream({}, names));
    const { text } = await fetchHello(fixture.port, credentials(serverLeaf(ROOT, [{ dns }])));
    assert.equal(text, accepted ? 'hello' : '', dns);
  }
});

test('a pinned certificate is accepted without roots, another is not', async () => {
  const pinned = testLeaf(testRoot());
  const hash = pinned.x509.fingerprint256;
  const config = downstream();
  config.commonTlsContext.validationContext = { verifyCertificateHash: [hash] };
  await using fixture = await TlsListener.start(config);
  assert.equal((await fetchHello(fixture.port, credentials(pinned))).text, 'hello');
  assert.equal((await fetchHello(fixture.port, credentials(testLeaf(ROOT)))).text, '');
  assert.match((await fixture.outcome(1)).failure!, /pin/);
});

test('SNI is required where the context says so', async () => {
  await using fixture = await TlsListener.start(downstream({ requireSni: true }));
  assert.equal((await fetchHello(fixture.port, { ...credentials(testLeaf(ROOT)), servername: '' })).text, '');
  assert.equal((await fetchHello(fixture.port, credentials(testLeaf(ROOT)))).text, 'hello');
});

test('a peeked ClientHello is given back, in pieces of one byte as well (S54)', async () => {
  await using fixture = await TlsListener.start();
  const relay = createServer((client) => {
    const server = tcpConnect(fixture.port, '127.0.0.1');
    server.setNoDelay(true);
    client.on('data', (chunk: Buffer) => chunk.forEach((_, i) => server.write(chunk.subarray(i, i + 1))));
    server.on('data', (chunk) => client.write(chunk));
    server.on('end', () => client.end());
    client.on('error', () => {});
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const { text } = await fetchHello((relay.address() as AddressInfo).port, credentials(testLeaf(ROOT)));
  relay.close();
  assert.equal(text, 'hello');
});

test('bytes that protocol detection has read are the first of the handshake', async () => {
  const fixture = new TlsListener(downstream());
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    socket.once('readable', () => {
      const initial = socket.read() as Buffer;
      socket.removeAllListeners('readable');
      acceptTls(socket, fixture.context, (secure) => secure.end('hello'), (reason) => assert.fail(reason), { initial });
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { text } = await fetchHello((server.address() as AddressInfo).port, credentials(testLeaf(ROOT)));
  server.close();
  assert.equal(text, 'hello');
});

test('an ALPN offer with nothing of ours goes on without ALPN where the offer is known, as in Envoy', async () => {
  await using fixture = await TlsListener.start();
  const options = { ...credentials(testLeaf(ROOT)), ALPNProtocols: ['istio-x'] };
  assert.equal((await fetchHello(fixture.port, options)).text, '');
  fixture.options = { offeredAlpn: ['istio-x'] };
  assert.equal((await fetchHello(fixture.port, options)).text, 'hello');
  assert.equal((await fixture.outcome(1)).info!.alpn, undefined);
});

test('S80 a client that sends a byte now and then is cut off after 10 s in all', async () => {
  const clock = new ManualClock(Date.now());
  await using fixture = await TlsListener.start(downstream(), clock);
  const socket = tcpConnect(fixture.port, '127.0.0.1');
  await once(socket, 'connect');
  const end = closed(socket);
  socket.resume();
  socket.write(Buffer.from([22]));
  while (fixture.timers.size === 0) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(HANDSHAKE_DEADLINE_MS / 2);
  fixture.timers.advance();
  socket.write(Buffer.from([3]));
  clock.advance(HANDSHAKE_DEADLINE_MS / 2 + 10);
  fixture.timers.advance();
  await end;
  assert.match((await fixture.outcome()).failure!, /took too long/);
});

test('a client of node:tls may end its side after the handshake, and is still answered', async () => {
  const fixture = new TlsListener(downstream());
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    acceptTls(socket, fixture.context, (secure) => {
      secure.on('error', () => {}).on('end', () => secure.end('late')).resume();
    }, (reason) => assert.fail(reason));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const tcp = tcpConnect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  const socket = tlsConnect({ socket: tcp, rejectUnauthorized: false, ...credentials(testLeaf(ROOT)) });
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString())).end('x');
  await once(socket, 'end');
  assert.equal(text, 'late');
  socket.destroy();
  server.close();
});

test('S62 beyond so many handshakes in a second connections are closed, unanswered', async () => {
  const clock = new ManualClock(Date.now());
  await using fixture = await TlsListener.start(downstream(), clock);
  const { budget } = fixture.context.deps;
  let taken = 0;
  while (budget.take()) taken++;
  assert.equal(taken, LIMITS.handshakesPerSecondMax);
  assert.match(await refusal(fixture, credentials(testLeaf(ROOT))), /too many handshakes/);
  assert.equal(fixture.stats.handshakeOverflow.value, 1);
  clock.advance(1);
  assert.equal((await fetchHello(fixture.port, credentials(testLeaf(ROOT)))).text, 'hello');
  clock.advance(60_000);
  for (taken = 0; budget.take();) taken++;
  assert.equal(taken, LIMITS.handshakesPerSecondMax);
});

test('S62 a client of node:tls that renegotiates is not obeyed', async () => {
  await using fixture = await TlsListener.start();
  fixture.waitsForData = true;
  const socket = tlsConnect({
    port: fixture.port, host: '127.0.0.1', maxVersion: 'TLSv1.2', rejectUnauthorized: false,
    ...credentials(testLeaf(ROOT)),
  });
  await once(socket, 'secureConnect');
  const outcome = await new Promise<string>((resolve) => {
    socket.on('error', ({ message }) => resolve(message));
    socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error?.message ?? 'renegotiated'));
  });
  assert.match(outcome, /no renegotiation|renegotiation/i);
  assert.notEqual(outcome, 'renegotiated');
  socket.destroy();
});

test('S62 openssl s_client gets in by no weak cipher and no old version', { skip: withoutOpenssl }, async (t) => {
  await using fixture = await TlsListener.start();
  const { cert, key } = files(t, testLeaf(ROOT));
  const weak = [['-tls1'], ['-tls1_1'], ['-tls1_2', '-cipher', 'RC4:aNULL:eNULL:3DES:@SECLEVEL=0']];
  for (const args of weak) {
    const said = await output('openssl', ['s_client', '-connect', `127.0.0.1:${fixture.port}`, '-cert', cert,
      '-key', key, '-quiet', '-ign_eof', ...args], '');
    assert.doesNotMatch(said, /hello/, args.join(' '));
  }
  assert.equal(fixture.stats.handshake.value, 0);
});

test('S55 broken handshakes leave no socket and no timer behind', async () => {
  await using fixture = await TlsListener.start();
  const garbage = ['', '\x16\x03\x01\x00\x05hello', 'SSH-2.0-x\r\n', '\xff'.repeat(300)];
  for (let i = 0; i < 200; i++) {
    const socket = tcpConnect(fixture.port, '127.0.0.1');
    const end = closed(socket);
    socket.resume();
    const bytes = Buffer.from(garbage[i % garbage.length]!, 'latin1');
    if (bytes.length === 0) socket.destroy();
    else if (i % 3 === 0) socket.end(bytes);
    else socket.write(bytes, () => i % 3 === 1 && socket.resetAndDestroy());
    await end;
  }
  // Connections that were closed before they were accepted may never have been seen.
  while (fixture.accepted.size > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(fixture.timers.size, 0);
  assert.ok(fixture.outcomes.every(({ failure }) => failure !== undefined));
  assert.equal((await fetchHello(fixture.port, credentials(testLeaf(ROOT)))).text, 'hello');
});

test('S55 a defect in the owner costs the connection only', async () => {
  const fixture = new TlsListener(downstream());
  const failures: string[] = [];
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    acceptTls(socket, fixture.context, () => { throw new Error('defect'); }, (reason) => failures.push(reason));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { text } = await fetchHello((server.address() as AddressInfo).port, credentials(testLeaf(ROOT)));
  server.close();
  assert.equal(text, '');
  assert.deepEqual(failures, ['internal error: defect']);
});
