// Tunnels and the connector beneath them, against raw net, unix and TLS servers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { RecordingSink, TestClusters, eventually, loopback, started } from '../../test/harness/upstreams.ts';
import { temporaryFolder } from '../../test/harness/openssl.ts';
import { ManualClock } from '../base/clock.ts';
import { ProxyError } from '../base/error.ts';

/** A raw server and the clusters that know it as their one endpoint. */
class Fixture implements AsyncDisposable {
  readonly server: Server;
  readonly clusters: TestClusters;
  readonly accepted: Socket[] = [];

  constructor(clock?: ManualClock) {
    this.clusters = new TestClusters(clock);
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      this.accepted.push(socket);
      socket.on('error', () => {});
    });
  }

  static async start(clock?: ManualClock): Promise<Fixture> {
    const fixture = new Fixture(clock);
    fixture.server.listen(0, '127.0.0.1');
    await once(fixture.server, 'listening');
    fixture.clusters.apply([fixture.port]);
    return fixture;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  tunnel(sink: RecordingSink) {
    return this.clusters.cluster.startTunnel(this.clusters.pick(), sink);
  }

  /** The server's side of the next connection. */
  async peer(): Promise<Socket> {
    await eventually(() => this.accepted.length > 0);
    return this.accepted.shift()!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.accepted) socket.destroy();
    this.server.close();
  }
}

const IDLE = {
  upstream_cx_active: 0, upstream_rq_active: 0, upstream_rq_pending_active: 0,
  'breaker 0': 0, 'breaker 1': 0, 'breaker 2': 0, 'breaker 3': 0,
};

test('bytes flow both ways after the 200, and each direction ends by itself', async () => {
  await using fixture = await Fixture.start();
  const sink = new RecordingSink();
  const tunnel = started(fixture.tunnel(sink));
  assert.equal(fixture.clusters.pick().activeRequests, 1);
  assert.equal(tunnel.sendData(Buffer.from('early '), false), false);
  const peer = await fixture.peer();
  await sink.until(() => sink.events.includes('drain'));
  assert.deepEqual(sink.events, ['ready', 'head 200', 'drain']);
  assert.equal(sink.localAddress, `127.0.0.1:${peer.remotePort}`);
  tunnel.sendData(Buffer.from('late'), true);
  let received = '';
  peer.on('data', (chunk: Buffer) => (received += chunk.toString()));
  await once(peer, 'end');
  assert.equal(received, 'early late');
  peer.write('after your end');
  peer.end();
  await sink.end();
  assert.equal(sink.body, 'after your end');
  await eventually(() => fixture.clusters.stat('upstream_cx_active') === 0);
  assert.deepEqual(fixture.clusters.held(), IDLE);
  assert.equal(fixture.clusters.pick().activeRequests, 0);
});

test('bytes that came before the connection are copies', async () => {
  await using fixture = await Fixture.start();
  const tunnel = started(fixture.tunnel(new RecordingSink()));
  const chunk = Buffer.from('kept');
  tunnel.sendData(chunk, true);
  chunk.fill('x');
  const peer = await fixture.peer();
  const [data] = await once(peer, 'data');
  assert.equal(String(data), 'kept');
  peer.end();
});

test('cancel while connecting, while open, and twice, leaves nothing behind', async () => {
  await using fixture = await Fixture.start();
  const sink = new RecordingSink();
  started(fixture.tunnel(sink)).cancel();
  assert.deepEqual(fixture.clusters.held(), IDLE);
  const open = started(fixture.tunnel(sink));
  await sink.until(() => sink.events.includes('head 200'));
  open.cancel();
  open.cancel();
  assert.equal(open.sendData(Buffer.from('x'), true), true);
  await eventually(() => fixture.accepted.length > 0 && fixture.accepted.every((socket) => socket.resume().destroyed
    || socket.readableEnded));
  assert.deepEqual(fixture.clusters.held(), IDLE);
  assert.equal(fixture.clusters.timers.size, 0);
  assert.deepEqual(sink.events, ['ready', 'head 200']);
});

test('a reset by the peer is told as upstream-reset', async () => {
  await using fixture = await Fixture.start();
  const sink = new RecordingSink();
  started(fixture.tunnel(sink));
  const peer = await fixture.peer();
  await sink.until(() => sink.events.includes('head 200'));
  peer.resetAndDestroy();
  await sink.end();
  assert.equal(sink.error!.kind, 'upstream-reset');
  assert.deepEqual(fixture.clusters.held(), IDLE);
});

test('back-pressure: a full peer asks to hold back, and a paused reader receives nothing', async () => {
  await using fixture = await Fixture.start();
  const sink = new RecordingSink();
  const tunnel = started(fixture.tunnel(sink));
  const peer = await fixture.peer();
  await sink.until(() => sink.events.includes('head 200'));
  const chunk = Buffer.alloc(1 << 20);
  while (tunnel.sendData(chunk, false));
  peer.resume();
  await sink.until(() => sink.events.includes('drain'));
  tunnel.pauseBody();
  peer.write('held');
  tunnel.sendData(Buffer.alloc(1), false);
  await new Promise((resolve) => peer.once('data', resolve));
  assert.equal(sink.body, '');
  tunnel.resumeBody();
  await sink.until(() => sink.body === 'held');
  tunnel.cancel();
});

test('a refused connection is a connect-failure that is safe to retry, with the reason', async () => {
  const clusters = new TestClusters();
  clusters.apply(await freePorts(1));
  const sink = new RecordingSink();
  started(clusters.cluster.startTunnel(clusters.pick(), sink));
  await sink.end();
  const { kind, retry, cause } = sink.error!;
  assert.deepEqual([kind, retry, cause], ['connect-failure', 'safe', 'delayed_connect_error:_Connection_refused']);
  assert.equal(clusters.stat('upstream_cx_connect_fail'), 1);
  assert.equal(clusters.endpointStat(clusters.pick().address, 'cx_connect_fail'), 1);
  assert.deepEqual(clusters.held(), IDLE);
});

test('F07 a connection that is never accepted ends by connect_timeout', async () => {
  const clock = new ManualClock();
  await using fixture = await Fixture.start(clock);
  const { clusters } = fixture;
  clusters.apply([fixture.port], { connectTimeout: '0.250s' });
  const sink = new RecordingSink();
  started(fixture.tunnel(sink));
  // No event of the socket can come before the test gives up the thread: the peer is as good as silent.
  clock.advance(240);
  clusters.timers.advance();
  assert.equal(sink.ended, false);
  clock.advance(20);
  clusters.timers.advance();
  assert.equal(sink.error!.kind, 'connect-timeout');
  assert.equal(sink.error!.retry, 'safe');
  assert.equal(clusters.stat('upstream_cx_connect_timeout'), 1);
  assert.equal(clusters.stat('upstream_cx_connect_fail'), 1);
  assert.deepEqual(clusters.held(), IDLE);
});

test('a server that accepts and says nothing to TLS ends by connect_timeout too', async () => {
  const clock = new ManualClock();
  await using fixture = await Fixture.start(clock);
  const { clusters } = fixture;
  clusters.apply([fixture.port], { transportSocket: tls({}) });
  const sink = new RecordingSink();
  started(fixture.tunnel(sink));
  const peer = await fixture.peer();
  await once(peer, 'readable');
  clock.advance(5000);
  clusters.timers.advance();
  assert.equal(sink.error!.kind, 'connect-timeout');
  assert.equal(sink.error!.cause, 'TLS_handshake_timeout');
});

function tls(context: object) {
  return {
    name: 'tls',
    typedConfig: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext' as const,
      commonTlsContext: {},
      ...context,
    },
  };
}

test('S57 a server that answers TLS with plaintext is a TLS error, and nothing of it is passed on', async () => {
  await using fixture = await Fixture.start();
  fixture.clusters.apply([fixture.port], { transportSocket: tls({}) });
  const sink = new RecordingSink();
  started(fixture.tunnel(sink));
  const peer = await fixture.peer();
  peer.write('HTTP/1.1 200 OK\r\n\r\n');
  await sink.end();
  assert.equal(sink.error!.kind, 'upstream-tls');
  assert.match(String(sink.error!.cause), /^TLS_error:_(wrong_version_number|packet_length_too_long)$/);
  assert.deepEqual(sink.events, ['error upstream-tls']);
  assert.equal(fixture.clusters.stat('ssl.connection_error'), 1);
});

test('max_connections limits tunnels', async () => {
  await using fixture = await Fixture.start();
  fixture.clusters.apply([fixture.port], { circuitBreakers: { thresholds: [{ maxConnections: 1 }] } });
  const first = started(fixture.tunnel(new RecordingSink()));
  const second = fixture.tunnel(new RecordingSink());
  assert.ok(second instanceof ProxyError);
  assert.deepEqual([second.kind, second.retry], ['overflow', 'safe']);
  assert.equal(fixture.clusters.stat('upstream_cx_overflow'), 1);
  first.cancel();
  started(fixture.tunnel(new RecordingSink())).cancel();
});

test('a unix socket is an endpoint', async (t) => {
  const path = join(temporaryFolder(t), 'socket');
  const fixture = new Fixture();
  fixture.server.listen(path);
  await once(fixture.server, 'listening');
  fixture.clusters.apply([{ endpoint: { address: { pipe: { path } } } }]);
  assert.equal(fixture.clusters.pick().address, path);
  const sink = new RecordingSink();
  const tunnel = started(fixture.tunnel(sink));
  const peer = await fixture.peer();
  peer.end('hello');
  await sink.end();
  assert.equal(sink.body, 'hello');
  tunnel.cancel();
  fixture.server.close();
});

test('connections come from the configured source address', async () => {
  await using fixture = await Fixture.start();
  const sourceAddress = { address: '127.0.0.1', portValue: 0 };
  fixture.clusters.apply([fixture.port], { upstreamBindConfig: { sourceAddress } });
  const sink = new RecordingSink();
  const tunnel = started(fixture.tunnel(sink));
  await sink.until(() => sink.events.includes('head 200'));
  assert.match(sink.localAddress, /^127\.0\.0\.1:/);
  tunnel.cancel();
});

test('IPv6 endpoints have brackets in their address', async (t) => {
  const server = createServer((socket) => socket.end('six'));
  try {
    server.listen(0, '::1');
    await once(server, 'listening');
  } catch {
    t.skip('this machine has no ::1');
    return;
  }
  const { port } = server.address() as AddressInfo;
  const clusters = new TestClusters();
  clusters.apply([loopback(port, { endpoint: { address: { socketAddress: { address: '::1', portValue: port } } } })]);
  assert.equal(clusters.pick().address, `[::1]:${port}`);
  const sink = new RecordingSink();
  const tunnel = started(clusters.cluster.startTunnel(clusters.pick(), sink));
  await sink.end();
  assert.match(sink.localAddress, /^\[::1\]:\d+$/);
  tunnel.cancel();
  server.close();
});
