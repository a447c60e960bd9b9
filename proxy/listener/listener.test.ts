// What a listener holds of connections that are no further than their first bytes: they count among its connections.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { credentials, ROOT, SERVER, TlsListener } from '../../test/harness/tls-listener.ts';
import { until } from '../../test/harness/until.ts';
import { systemClock } from '../base/clock.ts';
import { NamedCounts } from '../base/named-counts.ts';
import { TimerWheel } from '../base/timers.ts';
import { ListenerStats } from '../telemetry/listener-stats.ts';
import { listenerScope } from '../telemetry/stat-name.ts';
import { Stats } from '../telemetry/stats.ts';
import { ConnectionPlaces } from './connection-places.ts';
import { Listener } from './listener.ts';
import type { ListenerHost } from './listener.ts';
import { ServerFirstMemory } from './server-first.ts';
import type { CompiledChain, CompiledListener } from './compiled-listener.ts';
import { ProxyProtocolFilter } from './proxy-protocol.ts';

const NO_COUNTS = new NamedCounts(new ArrayBuffer(NamedCounts.bytesFor(1)), 1, 0);
const NO_STATS = new Stats({ chunk: () => {}, register: () => {} });

type Fields = Partial<CompiledListener> & Pick<CompiledListener, 'stats'>;

function compiledOf(fields: Fields): CompiledListener {
  return {
    name: 'l', inbound: false, host: '127.0.0.1', port: 0, ipv6Only: false, binds: true, handsOn: false,
    findOriginal: undefined, transparent: undefined, originalSource: undefined, matchers: [], defaultChain: undefined,
    served: new Map(), backlog: 16,
    proxyProtocol: undefined, proxyHeaderTimeoutMs: 1000, inspectsAt: undefined, inspectTimeoutMs: 0,
    continueOnInspectTimeout: false, connectionsMax: 100, ...fields,
  };
}

function hostOf(): ListenerHost {
  return {
    clock: systemClock, timers: new TimerWheel(systemClock), reusePort: false,
    places: new ConnectionPlaces(NO_COUNTS.count('all'), Infinity, systemClock, () => {}),
    serverFirst: new ServerFirstMemory(systemClock, NO_STATS), nextConnectionId: () => 1,
    onHandshakeFailure: () => {},
  };
}

function listenerOf(fields: Fields): Listener {
  return new Listener(compiledOf(fields), hostOf(), () => undefined);
}

test('S48 a header of the PROXY protocol that does not end is not waited for beyond its deadline', async () => {
  const all = new Stats({ chunk: () => {}, register: () => {} });
  const stats = new ListenerStats(all, listenerScope('l'), 0);
  const proxyProtocol = new ProxyProtocolFilter({ allowRequestsWithoutProxyProtocol: true }, all);
  const listener = listenerOf({ stats, proxyProtocol, proxyHeaderTimeoutMs: 30 });
  const port = await listener.listen();
  for (const begun of ['P', 'PROXY TCP4 1.1.1.1', '\r\n\r\n', '']) {
    const socket = connect(port, '127.0.0.1').on('error', () => {}).resume();
    socket.write(begun);
    await once(socket, 'close');
  }
  assert.equal(stats.inspectTimeout.value, 4);
  assert.equal(stats.noFilterChainMatch.value, 0);
  listener.stop();
});

test('S84 S54 connections that say nothing take places, and give them back', async () => {
  const stats = new ListenerStats(new Stats({ chunk: () => {}, register: () => {} }), listenerScope('l'), 0);
  const inspectsAt = () => ({ tls: true, http: false });
  const listener = listenerOf({ inspectsAt, inspectTimeoutMs: 0, connectionsMax: 2, stats });
  const port = await listener.listen();
  const open = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1').on('error', () => {}).resume();
    await once(socket, 'connect');
    return socket;
  };
  const held = [await open(), await open()];
  await until('both are accepted', () => stats.connectionsTotal.value === 2);
  await once(await open(), 'close');
  assert.equal(stats.connectionOverflow.value, 1);
  held.pop()!.destroy();
  const next = await open();
  await until('the next one is accepted', () => stats.connectionsTotal.value === 4);
  assert.equal(stats.connectionOverflow.value, 1);
  for (const socket of [...held, next]) socket.destroy();
  listener.stop();
});

/** Passes a ClientHello on, and keeps what the client says after it until it is told to go on. */
async function startRelay(t: TestContext, port: number): Promise<{ port: number; goOn(): void }> {
  let goOn = (): void => {};
  const relay = createServer((near) => {
    const far = connect(port, '127.0.0.1').on('error', () => {}).on('close', () => near.destroy());
    far.pipe(near);
    near.on('error', () => {}).on('close', () => far.destroy()).once('data', (hello) => {
      far.write(hello);
      near.pause();
      goOn = () => void near.pipe(far);
    });
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  t.after(() => relay.close());
  return { port: (relay.address() as AddressInfo).port, goOn: () => goOn() };
}

test('a chain that goes while a node:tls client shakes hands: its connection is told to end', async (t) => {
  await using tls = await TlsListener.start();
  const drained: string[] = [];
  const chainOf = (name: string): CompiledChain => ({
    name, tls: tls.context, handshakeMs: 10_000,
    network: { name, accept: (_transport, _info, onClose) => {
      const connection = { drain: () => void drained.push(name), destroy: () => onClose(connection) };
      return connection;
    } },
  });
  const stats = new ListenerStats(new Stats({ chunk: () => {}, register: () => {} }), listenerScope('l'), 0);
  const compiled = compiledOf({ stats, defaultChain: chainOf('old') });
  const listener = new Listener(compiled, hostOf(), () => undefined);
  t.after(() => listener.stop());
  const relay = await startRelay(t, await listener.listen());
  const open = (port: number): void => {
    const client = connectTls({ port, ca: ROOT.cert, servername: 'localhost', ...credentials(SERVER) });
    t.after(() => client.on('error', () => {}).destroy());
  };
  open(relay.port);
  await until('the handshake has begun', () => listener.connections === 1);
  listener.replace({ ...compiled, defaultChain: chainOf('new') });
  assert.deepEqual(drained, []);
  relay.goOn();
  await until('it is secure', () => stats.connectionsActive.value === 1);
  assert.deepEqual(drained, ['old']);
});
