// Revocation lists in the validation context: enforced for the whole chain, or refused when they are read (S63).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { testIntermediate, testLeaf, testRoot } from '../../test/harness/certificates.ts';
import type { TestCertificate } from '../../test/harness/certificates.ts';
import { withoutOpenssl } from '../../test/harness/openssl.ts';
import { crlOf } from '../../test/harness/revocation-list.ts';
import {
  SERVER, TlsListener, certificateOf, credentials, downstream, fetchHello,
} from '../../test/harness/tls-listener.ts';
import type { CertificateValidationContext, DownstreamTlsContext } from '../config/tls.ts';
import { SecretStore } from './secret-store.ts';

const top = testRoot();
const middle = testIntermediate(top);

function contextOf(crl: string): DownstreamTlsContext {
  const validationContext: CertificateValidationContext = {
    trustedCa: { inlineString: top.cert }, crl: { inlineString: crl },
  };
  return downstream({ commonTlsContext: { tlsCertificates: [certificateOf(SERVER)], validationContext } });
}

/** 'hello', or why a node:tls client with this certificate was not let in. */
async function outcome(listener: TlsListener, client: TestCertificate): Promise<string> {
  const index = listener.outcomes.length;
  const { text } = await fetchHello(listener.port, credentials(client));
  return (await listener.outcome(index)).failure ?? text;
}

test('S63 a list of every authority: node:tls peers get in unless their leaf or an authority above is revoked',
  { skip: withoutOpenssl }, async (t) => {
    const [good, bad] = [testLeaf(middle), testLeaf(middle)];
    const ofTop = crlOf(t, top, []);
    await using listener = await TlsListener.start(contextOf(ofTop + crlOf(t, middle, [bad])));
    assert.equal(await outcome(listener, good), 'hello');
    assert.match(await outcome(listener, bad), /CERT_REVOKED/);
    assert.equal(listener.stats.handshake.value, 1);
    await using above = await TlsListener.start(contextOf(crlOf(t, top, [middle]) + crlOf(t, middle, [])));
    assert.match(await outcome(above, good), /CERT_REVOKED/, 'the authority above is revoked');
  });

test('S63 a chain for which a list is missing or over is not let in', { skip: withoutOpenssl }, async (t) => {
  const good = testLeaf(middle);
  const cases: [string, RegExp][] = [
    [crlOf(t, top, []), /UNABLE_TO_GET_CRL/],
    [crlOf(t, middle, []), /UNABLE_TO_GET_CRL/],
    [crlOf(t, top, []) + crlOf(t, middle, [], -1), /CRL_HAS_EXPIRED/],
    [crlOf(t, top, []) + crlOf(t, testIntermediate(top), []), /UNABLE_TO_GET_CRL/],
  ];
  for (const [crl, expected] of cases) {
    await using listener = await TlsListener.start(contextOf(crl));
    assert.match(await outcome(listener, good), expected);
  }
});

test('S63 lists that cannot be read, or have no roots to go by, are refused when they come', { skip: withoutOpenssl },
  async (t) => {
    const good = crlOf(t, top, []);
    const broken = good.replace(/\n[A-Za-z0-9+/]{20}/, '\nAAAA');
    const secrets = new SecretStore();
    const trustedCa = { inlineString: top.cert };
    for (const inlineString of ['', 'nonsense', broken, good + broken, top.cert]) {
      const validationContext = { trustedCa, crl: { inlineString } };
      assert.throws(() => secrets.apply({ name: 'roots', validationContext }), { message: /crl: / }, inlineString);
    }
    const pinned = { crl: { inlineString: good }, verifyCertificateHash: ['00'.repeat(32)] };
    const config = downstream({
      commonTlsContext: { tlsCertificates: [certificateOf(SERVER)], validationContext: pinned },
    });
    await assert.rejects(TlsListener.start(config), { message: /crl: needs trusted_ca/ });
    assert.equal(secrets.get('roots'), undefined);
    secrets.apply({ name: 'roots', validationContext: { trustedCa, crl: { inlineString: good } } });
  });

test('S63 S53 a new list holds for the next handshake, also of who has a session from before', { skip: withoutOpenssl },
  async (t) => {
    const client = testLeaf(top);
    const validation = (revoked: readonly TestCertificate[]): CertificateValidationContext => ({
      trustedCa: { inlineString: top.cert }, crl: { inlineString: crlOf(t, top, revoked) },
    });
    const named = { name: 'roots', sdsConfig: { ads: {} } };
    const config = downstream({
      commonTlsContext: { tlsCertificates: [certificateOf(SERVER)], validationContextSdsSecretConfig: named },
    });
    await using listener = await TlsListener.start(config);
    listener.secrets.apply({ name: 'roots', validationContext: validation([]) });
    let session: Buffer | undefined;
    const index = listener.outcomes.length;
    const options = { ...credentials(client), port: listener.port, host: '127.0.0.1', rejectUnauthorized: false };
    const first = connect(options);
    first.on('session', (ticket: Buffer) => {
      session = ticket;
    });
    first.resume();
    await new Promise((resolve) => first.once('close', resolve));
    assert.equal((await listener.outcome(index)).failure, undefined);
    assert.notEqual(session, undefined);
    listener.secrets.apply({ name: 'roots', validationContext: validation([client]) });
    await fetchHello(listener.port, { ...options, session });
    assert.match((await listener.outcome(index + 1)).failure!, /CERT_REVOKED/);
  });
