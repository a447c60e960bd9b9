// When certificates end, as Envoy tells it and as weft does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterOf, listenerTo } from '../harness/agent-mesh.ts';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import type { TestCertificate } from '../harness/certificates.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';

const DAY_MS = 86_400_000;
const root = testRoot();
const [named, inline] = [testLeaf(root, { notAfterMs: 9.5 * DAY_MS }), testLeaf(root, { notAfterMs: 5.5 * DAY_MS })];

function certificate({ chain, key }: TestCertificate): object {
  return { certificate_chain: { inline_string: chain }, private_key: { inline_string: key } };
}

function tls(kind: string, common: object): object {
  const type = `type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.${kind}`;
  return { name: 'tls', typed_config: { '@type': type, common_tls_context: common } };
}

for (const { kind, skip } of candidates()) {
  test(`S58 ${kind} tells when the certificate of a listener and the first of all end`, { skip }, async () => {
    const bySecret = tls('DownstreamTlsContext', { tls_certificate_sds_secret_configs: [{ name: 'web' }] });
    const byFile = tls('UpstreamTlsContext', {
      tls_certificates: [certificate(inline)], validation_context: { trusted_ca: { inline_string: root.cert } },
    });
    await using proxy = await ProxyProcess.start(kind, {
      node: { id: 'x', cluster: 'x' },
      static_resources: {
        secrets: [{ name: 'web', tls_certificate: certificate(named) }],
        listeners: [{ ...listenerTo('c', bySecret), stat_prefix: 'front' }], clusters: [clusterOf('c', 1, byFile)],
      },
    });
    const name = 'listener.front.ssl.certificate.web.expiration_unix_time_seconds';
    assert.equal(await proxy.stat(name), named.x509.validToDate.getTime() / 1000);
    assert.equal(await proxy.stat('server.days_until_first_cert_expiring'), 5);
    const text = await proxy.admin('/stats/prometheus');
    const [line = ''] = text.split('\n').filter((row) => (
      row.startsWith('envoy_listener_ssl_certificate_expiration_unix_time_seconds{') && row.includes('"web"')
    ));
    assert.match(line, /envoy_tls_certificate="web"/);
    assert.match(line, /envoy_listener_address="front"/);
    if (kind === 'weft') {
      const left = await proxy.stat('secret.web.seconds_to_expiry');
      assert.ok(left > 9 * 86_400 && left < 9.5 * 86_400, String(left));
      assert.match(text, /^weft_secret_seconds_to_expiry\{secret="web"\} \d+$/m);
    }
  });
}
