// Revocation lists at a listener of weft and of Envoy: who gets in is the same (S63).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { clusterOf, listenerTo } from '../harness/agent-mesh.ts';
import { testIntermediate, testLeaf, testRoot } from '../harness/certificates.ts';
import type { TestCertificate } from '../harness/certificates.ts';
import { withoutOpenssl } from '../harness/openssl.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { crlOf } from '../harness/revocation-list.ts';

const top = testRoot();
const middle = testIntermediate(top);
const [server, good, bad, direct] = [testLeaf(top), testLeaf(middle), testLeaf(middle), testLeaf(top)];

function listenerWith(name: string, crl: string): object {
  const tls = {
    name: 'tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
      require_client_certificate: true,
      common_tls_context: {
        tls_certificates: [{
          certificate_chain: { inline_string: server.chain }, private_key: { inline_string: server.key },
        }],
        validation_context: { trusted_ca: { inline_string: top.cert }, crl: { inline_string: crl } },
      },
    },
  };
  return { ...listenerTo('app', tls), name };
}

/** Whether a request with this certificate is answered. */
async function getsIn(port: number, { chain, key }: TestCertificate): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, cert: chain, key });
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.on('error', () => {});
  socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  await new Promise((resolve) => socket.once('close', resolve));
  return text.startsWith('HTTP/1.1 200');
}

for (const { kind, skip } of candidates()) {
  test(`S63 ${kind} lets in whom no list revokes, and nobody for whose authority a list is missing or over`,
    { skip: skip || withoutOpenssl }, async (t) => {
      const upstream = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1');
      await once(upstream, 'listening');
      t.after(() => upstream.close());
      const [ofTop, ofMiddle] = [crlOf(t, top, []), crlOf(t, middle, [bad])];
      const lists = {
        both: ofTop + ofMiddle, top: ofTop, middle: ofMiddle, above: crlOf(t, top, [middle]) + ofMiddle,
        over: ofTop + crlOf(t, middle, [], -1),
      };
      await using proxy = await ProxyProcess.start(kind, {
        static_resources: {
          listeners: Object.entries(lists).map(([name, crl]) => listenerWith(name, crl)),
          clusters: [clusterOf('app', (upstream.address() as AddressInfo).port)],
        },
      });
      const found: Record<string, boolean[]> = {};
      for (const name of Object.keys(lists)) {
        found[name] = [];
        for (const client of [good, bad, direct]) found[name].push(await getsIn(proxy.port(name), client));
      }
      // By the list: good leaf below the intermediate, revoked leaf below it, leaf of the root itself.
      assert.deepEqual(found, {
        both: [true, false, true], top: [false, false, true], middle: [false, false, false],
        above: [false, false, true], over: [false, false, true],
      });
    });
}
