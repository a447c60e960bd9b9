// Ports of unknown protocol whose servers may speak first: node:net through listeners that look at first
// bytes with no limit of time (Istio's default), where waiting for the client alone would be for ever.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { EchoServer } from '../harness/echo-server.ts';
import { serverTls, testIdentities } from '../harness/http2-bootstrap.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster, TestProxy } from '../harness/weft.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters';

function chain(cluster: string, match?: object): unknown {
  const typed = { '@type': `${TYPE}.network.tcp_proxy.v3.TcpProxy`, stat_prefix: cluster, cluster };
  return { filters: [{ name: 'tcp', typed_config: typed }], ...(match !== undefined && { filter_chain_match: match }) };
}

/** HTTP goes to `web`, other bytes to `bytes`. */
function detecting(name: string, bytes: string, fields: object = {}): unknown {
  const { filter_chains: [http] } = httpListener([routeTo('web')], {}, name) as { filter_chains: [object] };
  const plain = { transport_protocol: 'raw_buffer', application_protocols: ['http/1.0', 'http/1.1', 'h2c'] };
  return {
    name, stat_prefix: name, address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    listener_filters: ['tls_inspector.v3.TlsInspector', 'http_inspector.v3.HttpInspector'].map((type) => (
      { name: type, typed_config: { '@type': `${TYPE}.listener.${type}` } })),
    listener_filters_timeout: '0s', continue_on_listener_filters_timeout: true,
    filter_chains: [{ ...http, filter_chain_match: plain }], default_filter_chain: chain(bytes), ...fields,
  };
}

interface Service {
  readonly port: number;
  readonly server: Server;
  readonly open: Set<Socket>;
}

async function serve(t: TestContext, onConnection: (socket: Socket) => void): Promise<Service> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, server, open };
}

function client(t: TestContext, port: number): { readonly socket: Socket; heard: () => string } {
  const socket = connect(port, '127.0.0.1');
  let heard = '';
  socket.on('error', () => {}).on('data', (chunk: Buffer) => { heard += chunk.toString('latin1'); });
  t.after(() => socket.destroy());
  return { socket, heard: () => heard };
}

/** As MySQL does: greets, then echoes. */
const greet = (socket: Socket): void => {
  socket.write('hello\n');
  socket.pipe(socket);
};

void test('a server that speaks first is heard, now and on connections that follow (node:net)', async (t) => {
  const bytes = await serve(t, greet);
  await using web = await EchoServer.start('web');
  await using proxy = await TestProxy.start(bootstrapOf([detecting('any', 'bytes')], [
    staticCluster('bytes', [bytes.port]), staticCluster('web', [web.port]),
  ]));
  const port = proxy.port('any');
  for (let round = 1; round <= 3; round++) {
    const { socket, heard } = client(t, port);
    await until('the greeting is heard', () => heard() === 'hello\n');
    socket.write('ping');
    await until('the echo is heard', () => heard() === 'hello\nping');
    socket.end();
    await once(socket, 'close');
    await until('it is counted', () => proxy.stat('listener.any.downstream_cx_server_first') === round);
  }
  await until('they are over', () => proxy.stat('tcp.bytes.downstream_cx_active') === 0);
  assert.equal(proxy.stat('tcp.bytes.downstream_cx_total'), 3);
  assert.equal(bytes.open.size, 0);
});

void test('a client that takes its time is still told apart: HTTP, or bytes for a server that waits', async (t) => {
  const bytes = await serve(t, (socket) => socket.pipe(socket));
  await using web = await EchoServer.start('web');
  await using proxy = await TestProxy.start(bootstrapOf([detecting('any', 'bytes')], [
    staticCluster('bytes', [bytes.port]), staticCluster('web', [web.port]),
  ]));
  for (const [first, rest, expected] of [
    ['GET / HT', 'TP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', /"server":"web"/],
    ['*1\r\n$4\r', '\nPING\r\n', /PING/],
  ] as const) {
    const { socket, heard } = client(t, proxy.port('any'));
    const closed = once(socket, 'close');
    await until('its server is asked meanwhile', () => bytes.open.size === 1);
    assert.equal(proxy.stat('tcp.bytes.downstream_cx_active'), 0);
    socket.write(first, () => setImmediate(() => socket.write(rest)));
    await until('its answer is heard', () => expected.test(heard()));
    socket.end();
    await closed;
    await until('nothing is left of it', () => bytes.open.size === 0);
  }
  assert.equal(proxy.stat('tcp.bytes.downstream_cx_total'), 1);
  assert.equal(proxy.stat('http.any.downstream_rq_total'), 1);
  await until('nothing is open', () => proxy.stat('listener.any.downstream_cx_active') === 0);
});

void test('a server that cannot be reached, or closes, ends the silent client, and the other way round', async (t) => {
  const closing = await serve(t, (socket) => socket.end());
  const silent = await serve(t, (socket) => socket.on('end', () => socket.end()).resume());
  const gone = await serve(t, () => {});
  gone.server.close();
  await using web = await EchoServer.start('web');
  const listeners = ['closing', 'silent', 'gone'].map((name) => detecting(name, name));
  await using proxy = await TestProxy.start(bootstrapOf(listeners, [
    staticCluster('closing', [closing.port]), staticCluster('silent', [silent.port]),
    staticCluster('gone', [gone.port]), staticCluster('web', [web.port]),
  ]));
  for (const name of ['closing', 'gone']) {
    const { socket, heard } = client(t, proxy.port(name));
    await once(socket, 'close');
    assert.equal(heard(), '');
    await until('it is over', () => proxy.stat(`tcp.${name}.downstream_cx_active`) === 0);
    assert.equal(proxy.stat(`tcp.${name}.downstream_cx_total`), 1);
  }
  const { socket } = client(t, proxy.port('silent'));
  await until('its server is asked meanwhile', () => silent.open.size === 1);
  socket.resetAndDestroy();
  await until('nothing is left of it', () => silent.open.size === 0);
  assert.equal(proxy.stat('tcp.silent.downstream_cx_total'), 0);
});

void test('no connection is begun early where a silent client would be closed, or has to speak TLS', async (t) => {
  const bytes = await serve(t, greet);
  await using web = await EchoServer.start('web');
  const strict = { continue_on_listener_filters_timeout: false, listener_filters_timeout: '0.3s' };
  const tlsOnly = { default_filter_chain: undefined, listener_filters_timeout: '0.3s' };
  await using proxy = await TestProxy.start(bootstrapOf([
    detecting('strict', 'bytes', strict), detecting('tls', 'bytes', tlsOnly),
  ], [staticCluster('bytes', [bytes.port]), staticCluster('web', [web.port])]));
  for (const name of ['strict', 'tls']) {
    const { socket, heard } = client(t, proxy.port(name));
    await once(socket, 'close');
    assert.equal(heard(), '');
  }
  assert.equal(proxy.stat('cluster.bytes.upstream_cx_total'), 0);
});

void test('a handshake that is late is not spoiled by a server that is known to speak first (node:tls)', async (t) => {
  const bytes = await serve(t, greet);
  await using web = await EchoServer.start('web');
  const identities = testIdentities();
  const match = { transport_protocol: 'tls' };
  const secured = { ...chain('bytes', match) as object, transport_socket: serverTls(identities) };
  const either = detecting('either', 'bytes') as { filter_chains: object[] };
  await using proxy = await TestProxy.start(bootstrapOf([
    { ...either, filter_chains: [...either.filter_chains, secured] }, detecting('plain', 'bytes'),
  ], [staticCluster('bytes', [bytes.port]), staticCluster('web', [web.port])]));
  for (const name of ['either', 'plain', 'either']) {
    const { socket, heard } = client(t, proxy.port(name));
    await until('the greeting is heard in plaintext', () => heard() === 'hello\n');
    socket.destroy();
  }
  for (let round = 0; round < 3; round++) {
    const late = connect(proxy.port('either'), '127.0.0.1');
    await once(late, 'connect');
    // As long as another client takes that is greeted at once.
    const other = client(t, proxy.port('plain'));
    await until('another client is greeted', () => other.heard() === 'hello\n');
    other.socket.destroy();
    const secure = connectTls({ socket: late, ca: identities.root.cert, servername: 'localhost' });
    t.after(() => secure.destroy());
    const [word] = await once(secure, 'data') as [Buffer];
    assert.equal(word.toString(), 'hello\n');
    secure.destroy();
  }
});
