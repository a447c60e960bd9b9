// A server context over time: sessions and their scope, secrets that come late, change and fail, and malformed ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { testLeaf, testRoot } from '../../test/harness/certificates.ts';
import { craft } from '../../test/harness/crafted-certificate.ts';
import { MESH_NAMES, ROOT, SERVER, TlsListener, certificateOf, closed, credentials, downstream, fetchHello,
  refusal } from '../../test/harness/tls-listener.ts';
import { ManualClock } from '../base/clock.ts';
import type { DownstreamTlsContext } from '../config/tls.ts';

/** The last session that the server gave. */
async function sessionOf(port: number, options: ConnectionOptions): Promise<Buffer | undefined> {
  const socket = tlsConnect({ port, host: '127.0.0.1', ca: ROOT.cert, servername: 'localhost', ...options });
  let session: Buffer | undefined;
  socket.on('session', (ticket: Buffer) => (session = ticket));
  socket.resume();
  await closed(socket);
  return session;
}

test('S53 a session is resumed in the same context, and its certificate is judged again', async () => {
  const clock = new ManualClock(Date.now());
  await using fixture = await TlsListener.start(downstream(), clock);
  const client = credentials(testLeaf(ROOT, { notAfterMs: 600_000 }));
  const session = await sessionOf(fixture.port, client);
  const resumed = await fetchHello(fixture.port, { ...client, session: session! });
  assert.equal(resumed.text, 'hello');
  assert.equal(fixture.stats.sessionReused.value, 1);
  assert.match((await fixture.outcome(1)).info!.peerUriSan!, /bookinfo-reviews/);
  const later = await sessionOf(fixture.port, client);
  clock.advance(700_000);
  assert.equal((await fetchHello(fixture.port, { ...client, session: later! })).text, '');
  assert.match((await fixture.outcome(3)).failure!, /out of date/);
});

test('S53 S51 an authority that ends meanwhile ends sessions below it, though tickets do not name it', async () => {
  const clock = new ManualClock(Date.now());
  await using fixture = await TlsListener.start(downstream(), clock);
  const authority = { ca: {}, keyUsage: 6, uses: [], names: [], subject: [['2.5.4.3', 'middle']] as const };
  const client = credentials(craft(craft(ROOT, { ...authority, notAfterMs: 600_000 })));
  const [first, second] = [await sessionOf(fixture.port, client), await sessionOf(fixture.port, client)];
  assert.equal((await fetchHello(fixture.port, { ...client, session: first! })).text, 'hello');
  assert.equal(fixture.stats.sessionReused.value, 1);
  const { endMs } = (await fixture.outcome(2)).info!;
  assert.ok(endMs! <= Date.now() + 600_000, 'the connection lives no longer either');
  clock.advance(700_000);
  assert.equal((await fetchHello(fixture.port, { ...client, session: second! })).text, '');
  assert.match((await fixture.outcome(3)).failure!, /out of date/);
});

test('S53 a refused client gets no ticket, or one that does not let it in', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await using fixture = await TlsListener.start();
    const stranger = { ...credentials(testLeaf(testRoot())), maxVersion };
    const session = await sessionOf(fixture.port, { ...stranger, rejectUnauthorized: false });
    assert.notEqual((await fixture.outcome()).failure, undefined);
    const again = session === undefined ? stranger : { ...stranger, session, rejectUnauthorized: false };
    assert.equal((await fetchHello(fixture.port, again)).text, '');
    assert.equal(fixture.stats.handshake.value, 0);
  }
});

test('S53 sessions do not outlive a change of the secrets, nor cross contexts, and can be turned off', async () => {
  const config = downstream();
  delete config.commonTlsContext.validationContext;
  config.commonTlsContext.validationContextSdsSecretConfig = { name: 'ROOTCA' };
  await using fixture = await TlsListener.start(config);
  await using other = await TlsListener.start();
  await using off = await TlsListener.start(downstream({ disableStatelessSessionResumption: true }));
  const roots = { name: 'ROOTCA', validationContext: { trustedCa: { inlineString: ROOT.cert } } };
  fixture.secrets.apply(roots);
  const client = credentials(testLeaf(ROOT));
  const session = await sessionOf(fixture.port, client);
  assert.equal((await fetchHello(other.port, { ...client, session: session! })).text, 'hello');
  fixture.secrets.apply(roots);
  assert.equal((await fetchHello(fixture.port, { ...client, session: session! })).text, 'hello');
  const unresumable = await sessionOf(off.port, client);
  await fetchHello(off.port, { ...client, ...(unresumable !== undefined && { session: unresumable }) });
  for (const each of [fixture, other, off]) assert.equal(each.stats.sessionReused.value, 0);
});

test('F23 a context without its secrets closes connections, and is ready when they arrive', async () => {
  const config = downstream();
  delete config.commonTlsContext.tlsCertificates;
  config.commonTlsContext.tlsCertificateSdsSecretConfigs = [{ name: 'default' }];
  await using fixture = await TlsListener.start(config);
  assert.equal(fixture.context.ready, false);
  assert.deepEqual(fixture.context.missingSecrets(), ['default']);
  assert.match(await refusal(fixture, credentials(testLeaf(ROOT))), /secrets are not there yet: default/);
  fixture.secrets.apply({ name: 'default', tlsCertificate: certificateOf(SERVER) });
  assert.equal(fixture.context.ready, true);
  assert.equal((await fetchHello(fixture.port, credentials(testLeaf(ROOT)))).text, 'hello');
  fixture.secrets.remove('default');
  assert.equal((await fetchHello(fixture.port, credentials(testLeaf(ROOT)))).text, 'hello');
});

test('F05 a rotated certificate serves the next handshake; a bad one is refused and the old one stays', async () => {
  const config = downstream();
  delete config.commonTlsContext.tlsCertificates;
  config.commonTlsContext.tlsCertificateSdsSecretConfigs = [{ name: 'default' }];
  await using fixture = await TlsListener.start(config);
  const served = async (): Promise<string> => {
    const { socket } = await fetchHello(fixture.port, credentials(testLeaf(ROOT)));
    return socket.authorized ? 'trusted' : String(socket.authorizationError);
  };
  fixture.secrets.apply({ name: 'default', tlsCertificate: certificateOf(SERVER) });
  assert.equal(await served(), 'trusted');
  const mixed = { ...certificateOf(SERVER), privateKey: { inlineString: testLeaf(ROOT).key } };
  assert.throws(() => fixture.secrets.apply({ name: 'default', tlsCertificate: mixed }), /private key cannot be used/);
  assert.equal(await served(), 'trusted');
  fixture.secrets.apply({ name: 'default', tlsCertificate: certificateOf(testLeaf(testRoot())) });
  assert.match(await served(), /UNABLE_TO_VERIFY|UNABLE_TO_GET|SELF_SIGNED/);
});

test('malformed contexts are refused with the field', () => {
  const build = (config: DownstreamTlsContext) => () => new TlsListener(config);
  assert.throws(build(downstream({ commonTlsContext: {} })), /needs a certificate/);
  const unverified = downstream();
  unverified.commonTlsContext.validationContext = {};
  assert.throws(build(unverified), /lets anybody in/);
  const nothing = downstream();
  delete nothing.commonTlsContext.validationContext;
  assert.throws(build(nothing), /requireClientCertificate: needs a validation context/);
  const names = downstream({ requireClientCertificate: false });
  names.commonTlsContext.validationContext = { matchTypedSubjectAltNames: MESH_NAMES };
  assert.throws(build(names), /verifies none/);
  const garbage = downstream();
  garbage.commonTlsContext.validationContext!.trustedCa = { inlineString: 'no certificate' };
  assert.throws(build(garbage), /validationContext\.trustedCa: holds no PEM certificate/);
  const key = downstream();
  key.commonTlsContext.tlsCertificates![0]!.privateKey = { inlineString: 'secret words' };
  assert.throws(build(key), /tlsCertificates\[0\]: the private key cannot be used/);
  assert.throws(build(key), (error: Error) => !error.message.includes('secret words'));
});
