// Connections whose first line tells HTTP from other bytes, through weft as through a real Envoy: who takes them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { bootstrapOf } from '../harness/weft.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters';
const PROTOCOLS = ['http/1.0', 'http/1.1', 'h2c', 'bytes'] as const;

/** First bytes, in the pieces in which they come, and the chain that takes them. */
const CASES: readonly (readonly [readonly string[], (typeof PROTOCOLS)[number]])[] = [
  [['GET / HTTP/1.1\r\n'], 'http/1.1'],
  [['G', 'ET / HT', 'TP/1.1', '\r\n'], 'http/1.1'],
  [['POST http://a/ HTTP/1.0\r\n\r\n'], 'http/1.0'],
  [['UPDATEREDIRECTREF / HTTP/1.1\r\n'], 'http/1.1'],
  [['\r\nGET / HTTP/1.1\r\n'], 'bytes'],
  [['GET / HTTP/1.1\n'], 'http/1.1'],
  [['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], 'h2c'],
  [['PRI * HT', 'TP/2.0\r\n\r\n', 'SM\r\n\r\n'], 'h2c'],
  [['hello world\r\n'], 'bytes'],
  [['\x00\x00\x00\x10binary'], 'bytes'],
  [['*1\r\n$4\r\nPING\r\n'], 'bytes'],
  [['SSH-2.0-OpenSSH_9.2\r\n'], 'bytes'],
  [['GET / SPDY/3.1\r\n'], 'bytes'],
  [['\x16\x02\x00'], 'bytes'],
];

function chain(protocol: string): unknown {
  const typed = { '@type': `${TYPE}.network.tcp_proxy.v3.TcpProxy`, stat_prefix: protocol, cluster: protocol };
  const match = { transport_protocol: 'raw_buffer', application_protocols: [protocol] };
  return {
    filters: [{ name: 'tcp', typed_config: typed }], ...(protocol !== 'bytes' && { filter_chain_match: match }),
  };
}

const LISTENER = {
  name: 'any', address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
  listener_filters: ['tls_inspector.v3.TlsInspector', 'http_inspector.v3.HttpInspector'].map((type) => (
    { name: type, typed_config: { '@type': `${TYPE}.listener.${type}` } })),
  listener_filters_timeout: '0.3s', continue_on_listener_filters_timeout: true,
  filter_chains: PROTOCOLS.slice(0, 3).map(chain), default_filter_chain: chain('bytes'),
};

/** Says its name to each connection, before it is asked anything. Its port. */
async function greeter(t: TestContext, name: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.resume();
    socket.write(`${name}\n`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** What the server behind says first; the pieces are sent one event of the loop apart. */
function served(port: number, pieces: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let heard = '';
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => resolve(heard.trim()));
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString('latin1');
      if (heard.endsWith('\n')) socket.destroy();
    });
    const send = ([piece, ...rest]: readonly string[]): void => {
      if (piece !== undefined) socket.write(Buffer.from(piece, 'latin1'), () => setImmediate(send, rest));
    };
    send(pieces);
  });
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} chooses chains by the first line (node:net)`, { skip }, async (t) => {
    const ports = await Promise.all(PROTOCOLS.map((name) => greeter(t, name)));
    const clusters = PROTOCOLS.map((name, i) => ({ name, load_assignment: { cluster_name: name, endpoints: [
      { lb_endpoints: [{ endpoint: { address: {
        socket_address: { address: '127.0.0.1', port_value: ports[i]! } } } }] }] } }));
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([LISTENER], clusters));
    const found = new Map<string, string>();
    for (const [pieces] of CASES) found.set(JSON.stringify(pieces), await served(proxy.port('any'), pieces));
    assert.deepEqual(found, new Map(CASES.map(([pieces, protocol]) => [JSON.stringify(pieces), protocol])));
    // HTTP/0.9, which neither speaks: Envoy calls it HTTP/1.0.
    assert.equal(await served(proxy.port('any'), ['GET /\r\n']), kind === 'weft' ? 'bytes' : 'http/1.0');
    // A client that waits for the server to speak.
    assert.equal(await served(proxy.port('any'), []), 'bytes');
  });
}
