// transport_socket_connect_timeout: a client that does not go on with its handshake is closed, by weft as by Envoy.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { certificateOf, SERVER } from '../harness/tls-listener.ts';
import { candidates, ProxyProcess } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener } from '../harness/weft.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
const COUNTER = 'listener.it.downstream_cx_transport_socket_connect_timeout';

function listener(): unknown {
  const web = httpListener([{ match: { prefix: '/' }, direct_response: { status: 200 } }]) as {
    name: string; filter_chains: object[];
  };
  const common_tls_context = { tls_certificates: [certificateOf(SERVER)] };
  const transport_socket = { name: 'tls', typed_config: { '@type': TYPE, common_tls_context } };
  const chains = web.filter_chains.map((chain) => (
    { ...chain, transport_socket, transport_socket_connect_timeout: '0.2s' }));
  return { ...web, name: 'it', stat_prefix: 'it', filter_chains: chains };
}

for (const { kind, skip } of candidates()) {
  test(`S80 ${kind} ends a handshake at its chain's deadline (node:net, node:tls)`, { skip }, async () => {
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([listener()], []));
    const silent = connect(proxy.port('it'), '127.0.0.1').on('error', () => {}).resume();
    await new Promise<void>((resolve) => { silent.once('close', () => resolve()); });
    await until('it is counted', async () => await proxy.stat(COUNTER) === 1);
    const secure = connectTls({ port: proxy.port('it'), host: '127.0.0.1', rejectUnauthorized: false });
    secure.write('GET / HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n');
    let said = '';
    for await (const chunk of secure) said += String(chunk);
    assert.match(said, /^HTTP\/1\.1 200 /);
    assert.equal(await proxy.stat(COUNTER), 1);
  });
}
