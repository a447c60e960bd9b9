// TLS sessions that are carried to where they were not made, and what many handshakes leave behind: node:tls clients.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'node:tls';
import type { ConnectionOptions, SecureVersion } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import type { TestCertificate } from '../harness/certificates.ts';
import { meshValidation, mutualTlsListener, tenantListener } from '../harness/mutual-tls.ts';
import { ROOT, TlsListener, credentials, fetchHello } from '../harness/tls-listener.ts';
import { TestProxy } from '../harness/weft.ts';

const root = testRoot();
const own = testLeaf(root, { more: [{ dns: '*.example' }] });
const client = testLeaf(root);
/** Of the harness's own root. */
const meshClient = testLeaf(ROOT);

interface Visit {
  readonly status: string;
  readonly resumed: boolean;
  readonly session: Buffer | undefined;
}

/** One request; its session is what the server gave, if anything. */
async function visit(
  port: number, servername: string, version: SecureVersion, shown: TestCertificate | undefined, session?: Buffer,
): Promise<Visit> {
  const options: ConnectionOptions = { minVersion: version, maxVersion: version, rejectUnauthorized: false };
  const socket = connect({
    port, host: '127.0.0.1', servername, ...options, ...(shown !== undefined && credentials(shown)),
    ...(session !== undefined && { session }),
  });
  let [text, given, resumed] = ['', undefined as Buffer | undefined, false];
  socket.on('error', () => {}).on('session', (next: Buffer) => (given = next));
  socket.on('secureConnect', () => {
    resumed = socket.isSessionReused();
    socket.write('GET / HTTP/1.1\r\nhost: ' + servername + '\r\nconnection: close\r\n\r\n');
  });
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return { status: text.slice(9, 12), resumed, session: given };
}

/** Bootstrap of tenants on one listener, and of a second listener that asks for another identity. */
function bootstrap(): object {
  const answer = { directResponse: { status: 200, body: { inlineString: 'ok' } } };
  const trustedCa = { inlineString: root.cert };
  const other = [{ sanType: 'URI', matcher: { exact: 'spiffe://cluster.local/ns/default/sa/other' } }];
  return {
    staticResources: {
      listeners: [
        tenantListener('tenants', [
          ['open.example', mutualTlsListener('open', answer, {
            own, validation: { trustedCa }, requiresCertificate: false })],
          ['closed.example', mutualTlsListener('closed', answer, { own, validation: meshValidation(root) })],
        ]),
        mutualTlsListener('elsewhere', answer, { own, validation: { trustedCa, matchTypedSubjectAltNames: other } }),
      ],
    },
  };
}

test('S53 a session is good where it was made, and opens no other chain and no other listener', async (t) => {
  await using proxy = await TestProxy.start(bootstrap());
  const [tenants, elsewhere] = [proxy.port('tenants'), proxy.port('elsewhere')];
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    await t.test(version, async () => {
      const open = await visit(tenants, 'open.example', version, undefined);
      const closed = await visit(tenants, 'closed.example', version, client);
      assert.deepEqual([open.status, closed.status], ['200', '200']);
      assert.ok(open.session !== undefined && closed.session !== undefined, 'sessions were given');
      const again = await visit(tenants, 'open.example', version, undefined, open.session);
      assert.deepEqual([again.status, again.resumed], ['200', true]);
      const crossings: readonly (readonly [string, number, string, Buffer])[] = [
        ['of the open tenant, at the closed one', tenants, 'closed.example', open.session],
        ['of the closed tenant, where another identity is asked for', elsewhere, 'closed.example', closed.session],
        ['of the open tenant, where another identity is asked for', elsewhere, 'open.example', open.session],
      ];
      for (const [name, port, servername, session] of crossings) {
        const { status, resumed } = await visit(port, servername, version, undefined, session);
        assert.deepEqual([status, resumed], ['', false], name);
      }
    });
  }
});

test('S56 a thousand handshakes with certificates leave no memory behind', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await using listener = await TlsListener.start();
  const settled = async (handshakes: number): Promise<number> => {
    for (let i = 0; i < handshakes; i++) {
      assert.equal((await fetchHello(listener.port, credentials(meshClient))).text, 'hello');
    }
    listener.outcomes.length = 0;
    collect();
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = await settled(200);
  const after = await settled(800);
  // A leaked certificate is two kilobytes, a leaked socket ten.
  assert.ok(after - before < 800 * 1024, `${after - before} bytes more after 800 handshakes`);
});
