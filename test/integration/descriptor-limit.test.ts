// A proxy that may open few files (sh, ulimit) under more connections than that: node:net opens and holds them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { test } from 'node:test';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import { startNamed } from '../harness/named-server.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, staticCluster } from '../harness/weft.ts';

const LISTENER = {
  name: 'bytes', address: { socket_address: { address: '127.0.0.1', port_value: 0 } }, stat_prefix: 'bytes',
  filter_chains: [{ filters: [{ name: 'tcp', typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', stat_prefix: 'to',
    cluster: 'bytes',
  } }] }],
};
const OPEN_FILES = 200;
/** Half of what is left of them without the proxy's own and its worker's. */
const PLACES = 52;
const FLOOD = 400;

async function echoes(socket: Socket, word: string): Promise<void> {
  let heard = '';
  const onData = (chunk: Buffer): void => {
    heard += String(chunk);
  };
  socket.on('data', onData).write(word);
  await until(`the echo of ${word}`, () => heard.includes(word));
  socket.off('data', onData);
}

test('S84 F27 node:net: idle connections beyond the limit of files are closed, once each, and others served', {
  skip: process.platform !== 'linux' && 'the limit is read from /proc',
}, async (t) => {
  const upstream = await startNamed(t, 'bytes');
  const bootstrap = bootstrapOf([LISTENER], [staticCluster('bytes', [upstream])]);
  await using proxy = await ProxyProcess.start('weft', bootstrap, OPEN_FILES);
  const stat = (name: string): Promise<number> => proxy.stat(`listener.bytes.${name}`);
  const sockets = new Set<Socket>();
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  const open = async (): Promise<Socket> => {
    const socket = connect({ host: '127.0.0.1', port: proxy.port('bytes') });
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket)).resume();
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
    return socket;
  };

  const first = await open();
  await echoes(first, 'before');
  await Promise.all(Array.from({ length: FLOOD }, open));
  await until('those without a place are closed', () => sockets.size === PLACES);
  await echoes(first, 'during');
  // Each connection was met once: an accept that fails over and over would count on, and so would one that is hidden.
  assert.equal(await stat('downstream_cx_total'), FLOOD + 1);
  assert.equal(await stat('downstream_global_cx_overflow'), FLOOD + 1 - PLACES);
  assert.equal(await stat('downstream_accept_error'), 0);
  assert.equal(await proxy.stat('cluster.bytes.upstream_cx_connect_fail'), 0);
  assert.equal(proxy.process.output.split(`all ${PLACES} places for connections are taken`).length, 2);
  assert.match(proxy.process.output, new RegExp(`${OPEN_FILES} open files are allowed, so that ${PLACES} conn`));

  for (const socket of sockets) if (socket !== first) socket.destroy();
  await until('the flood is gone', async () => await stat('downstream_cx_active') === 1);
  for (let i = 1; i < PLACES; i++) await echoes(await open(), `after ${i}`);
  assert.equal(await stat('downstream_global_cx_overflow'), FLOOD + 1 - PLACES);
  assert.equal(await proxy.stat('server.worker_deaths'), 0);
});

const ROOT = testRoot();
const SERVER = testLeaf(ROOT, { more: [{ dns: 'localhost' }] });

/** The same with TLS. */
function secureListener(): object {
  const certificate = {
    certificate_chain: { inline_string: SERVER.chain }, private_key: { inline_string: SERVER.key },
  };
  const transport = {
    name: 'tls', typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
      common_tls_context: { tls_certificates: [certificate] },
    },
  };
  const [chain] = LISTENER.filter_chains;
  return { ...LISTENER, filter_chains: [{ ...chain, transport_socket: transport }] };
}

/** Ways in which a client's TLS connection ends; each resolves when the client has nothing left to do. */
const ENDS: Readonly<Record<string, (port: number) => Promise<void>>> = {
  'in order': async (port) => {
    const socket = tlsConnect({ host: '127.0.0.1', port, ca: ROOT.cert, servername: 'localhost' });
    socket.once('secureConnect', () => socket.write('x'));
    socket.once('data', () => socket.end()).on('error', () => undefined);
    await once(socket, 'close');
  },
  'by a reset': async (port) => {
    const raw = connect({ host: '127.0.0.1', port });
    const socket = tlsConnect({ socket: raw, ca: ROOT.cert, servername: 'localhost' });
    socket.on('error', () => undefined);
    raw.on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.write('x');
    raw.resetAndDestroy();
  },
  'by a handshake that fails': async (port) => {
    const socket = connect({ host: '127.0.0.1', port }).on('error', () => undefined);
    socket.end('\x16\x03\x01\x00\x05hello');
    await once(socket.resume(), 'close');
  },
  'within the ClientHello': async (port) => {
    const socket = connect({ host: '127.0.0.1', port }).on('error', () => undefined);
    await once(socket, 'connect');
    socket.write('\x16\x03\x01');
    socket.resetAndDestroy();
  },
  'by the deadline of the handshake': async (port) => {
    const socket = connect({ host: '127.0.0.1', port }).on('error', () => undefined);
    await once(socket.resume(), 'close');
  },
};

/** Each way takes more places than there would be left if the one before kept its own. */
const ROUNDS = [...Object.keys(ENDS), 'in order'].map((end) => [end, PLACES - 12] as const);

test('S84 node:tls: a connection gives its place back however it ends', {
  skip: process.platform !== 'linux' && 'the limit is read from /proc',
}, async (t) => {
  const upstream = await startNamed(t, 'bytes');
  const bootstrap = bootstrapOf([secureListener()], [staticCluster('bytes', [upstream])]);
  await using proxy = await ProxyProcess.start('weft', bootstrap, OPEN_FILES);
  const stat = (name: string): Promise<number> => proxy.stat(`listener.bytes.${name}`);
  for (const [end, count] of ROUNDS) {
    await Promise.all(Array.from({ length: count }, () => ENDS[end]!(proxy.port('bytes'))));
    await until(`none is left that ended ${end}`, async () => await stat('downstream_cx_active') === 0);
    assert.equal(await stat('downstream_global_cx_overflow'), 0, `ended ${end}`);
  }
});
