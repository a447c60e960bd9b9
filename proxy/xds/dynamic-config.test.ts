// The xDS client against a management server that is not ours: grpc-js with @grpc/proto-loader.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { RawXds, RawXdsServer } from '../../test/harness/raw-xds.ts';
import type { Raw, RawAny, RawServerStream } from '../../test/harness/raw-xds.ts';
import { systemClock } from '../base/clock.ts';
import { SeededRandom } from '../base/random.ts';
import { TimerWheel } from '../base/timers.ts';
import { Bootstrap } from '../config/bootstrap.ts';
import { decode } from '../config/decode.ts';
import type { ResourceRefusal } from '../config/discovery.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, SECRET_TYPE, UPSTREAM_TLS_TYPE } from '../config/type-url.ts';
import { Wire } from '../config/wire.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import { Stats } from '../telemetry/stats.ts';
import { statName } from '../telemetry/stat-name.ts';
import { DynamicConfig } from './dynamic-config.ts';
import { discoveryNode } from './node.ts';
import { nameOfType } from './resource-type.ts';
import type { ResourceBatch } from './xds-client.ts';

const xds = new RawXds();
const wire = new Wire();

const cluster = (name: string, more: Raw = {}): RawAny => xds.any('envoy.config.cluster.v3.Cluster', {
  name, type: 'EDS', eds_cluster_config: { eds_config: { ads: {} } }, ...more,
});
const staticCluster = (name: string): RawAny => xds.any('envoy.config.cluster.v3.Cluster', {
  name, type: 'STATIC', load_assignment: { cluster_name: name },
});
const endpoints = (name: string): RawAny => {
  const endpoint = { address: { socket_address: { address: '10.0.0.1', port_value: 80 } } };
  const type = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
  return xds.any(type, { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] });
};
const routes = (name: string, domain = '*'): RawAny => xds.any('envoy.config.route.v3.RouteConfiguration', {
  name,
  virtual_hosts: [{ name: 'all', domains: [domain], routes: [{ match: { prefix: '/' }, route: { cluster: 'a' } }] }],
});
const listener = (name: string, routeName: string, more: Raw = {}): RawAny => {
  const manager = xds.any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'in',
    rds: { route_config_name: routeName, config_source: { ads: {} } },
    http_filters: [{ name: 'router', typed_config: xds.any('envoy.extensions.filters.http.router.v3.Router', {}) }],
    ...more,
  });
  return xds.any('envoy.config.listener.v3.Listener', {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: 1 } },
    filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
  });
};

/** A proxy's supervisor as far as xDS sees it: takes batches, and refuses what a test says. */
class Proxy {
  readonly config: DynamicConfig;
  readonly batches: ResourceBatch[] = [];
  readonly lines: string[] = [];
  readonly stats: Stats;
  readonly refuse = new Map<string, string>();
  /** Resolves for each apply; a test that sets it holds configuration back. */
  hold: Promise<void> = Promise.resolve();
  bug: Error | undefined = undefined;
  initialised = 0;

  constructor(port: number, more: { extra?: Raw; ownSecrets?: string[] } = {}) {
    const file = {
      node: { id: 'sidecar~1', cluster: 'test', metadata: { NAMESPACE: 'default' } },
      dynamicResources: {
        adsConfig: { apiType: 'DELTA_GRPC', grpcServices: [{ envoyGrpc: { clusterName: 'xds' } }] },
        cdsConfig: { ads: {} },
        ldsConfig: { ads: {} },
      },
      staticResources: { clusters: [xdsCluster('xds', port), xdsCluster('sds', port)], ...more.extra },
    };
    const { value: bootstrap, errors } = decode(Bootstrap, file);
    assert.deepEqual(errors, []);
    const say = (line: string): void => void this.lines.push(line);
    const log: ComponentLog = {
      trace: say, debug: say, info: say, warning: say, error: say, critical: say, enabled: () => true,
    };
    this.stats = new Stats({ chunk: () => undefined, register: () => undefined });
    this.config = new DynamicConfig({
      bootstrap: bootstrap!, node: discoveryNode(bootstrap!.node ?? {}, '0.1.0'), handler: this,
      tls: () => { throw new Error('no TLS here'); },
      ownSecrets: new Set(more.ownSecrets ?? []), wire, clock: systemClock, wheel: new TimerWheel(systemClock),
      random: new SeededRandom(7), stats: this.stats, log, onInitialised: () => { this.initialised++; },
    });
  }

  async apply(batch: ResourceBatch): Promise<{ refused: ResourceRefusal[] }> {
    await this.hold;
    if (this.bug !== undefined) throw this.bug;
    this.batches.push(batch);
    const refused = batch.updated.filter(({ name }) => this.refuse.has(name));
    return { refused: refused.map(({ name }) => ({ name, reason: this.refuse.get(name)! })) };
  }

  /** `cds +a +b -c` for each batch. */
  get applied(): string[] {
    return this.batches.map(({ type, updated, removed }) => [
      nameOfType(type).service, ...updated.map(({ name }) => `+${name}`), ...removed.map((name) => `-${name}`),
    ].join(' '));
  }

  count(flat: string): number {
    const at = flat.lastIndexOf('.') + 1;
    const scope = { flat: flat.slice(0, at), family: '', labels: [] };
    return this.stats.counter(statName(scope, flat.slice(at))).value;
  }
}

function xdsCluster(name: string, port: number): Raw {
  const address = { socketAddress: { address: '127.0.0.1', portValue: port } };
  const endpoints = [{ lbEndpoints: [{ endpoint: { address } }] }];
  return { name, connectTimeout: '2s', loadAssignment: { clusterName: name, endpoints } };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(2);
}

interface Setting {
  readonly server: RawXdsServer;
  readonly proxy: Proxy;
  readonly stream: RawServerStream;
}

async function connect(t: TestContext, more: { extra?: Raw; ownSecrets?: string[] } = {}): Promise<Setting> {
  const server = new RawXdsServer(xds);
  await server.listen();
  const proxy = new Proxy(server.port, more);
  t.after(() => {
    proxy.config.stop();
    server.kill();
  });
  proxy.config.start();
  return { server, proxy, stream: await server.streams.next() };
}

/** Gives it clusters `a` and `b` with endpoints, and a listener with routes; returns when all is acknowledged. */
async function serveAll(stream: RawServerStream): Promise<void> {
  await stream.answerTo(stream.sendResources('1', { a: cluster('a'), b: cluster('b') }));
  await stream.answerTo(stream.sendResources('1', { a: endpoints('a'), b: endpoints('b') }));
  await stream.answerTo(stream.sendResources('1', { l: listener('l', 'r') }));
  await stream.answerTo(stream.sendResources('1', { r: routes('r') }));
}

test('asks for clusters and listeners, then for what they name, and acknowledges (peer: grpc-js)', async (t) => {
  const { proxy, stream } = await connect(t);
  const first = await stream.requests.next();
  assert.equal(first.type_url, CLUSTER_TYPE);
  assert.deepEqual([first.node?.id, first.node?.user_agent_name], ['sidecar~1', 'weft']);
  assert.deepEqual(first.resource_names_subscribe, []);
  const second = await stream.requests.next();
  assert.deepEqual([second.type_url, second.node], [LISTENER_TYPE, null]);

  const bb = { eds_config: { ads: {} }, service_name: 'bb' };
  const nonce = stream.sendResources('1', { a: cluster('a'), b: cluster('b', { eds_cluster_config: bb }) });
  const ask = await stream.requests.next();
  assert.deepEqual([ask.type_url, ask.resource_names_subscribe], [ENDPOINT_TYPE, ['a', 'bb']]);
  const ack = await stream.requests.next();
  assert.deepEqual([ack.type_url, ack.response_nonce, ack.error_detail], [CLUSTER_TYPE, nonce, null]);

  await stream.answerTo(stream.sendResources('1', { a: endpoints('a'), bb: endpoints('bb') }));
  stream.sendResources('1', { l: listener('l', 'r') });
  assert.deepEqual((await stream.asksFor('RouteConfiguration')).resource_names_subscribe, ['r']);
  await stream.answerTo(stream.sendResources('1', { r: routes('r') }));
  assert.deepEqual(proxy.applied, ['cds +a +b', 'eds +a +bb', 'lds +l', 'rds +r']);
  assert.equal(proxy.initialised, 1);
  assert.equal(proxy.count('cluster_manager.cds.update_success'), 1);
  const scope = { flat: 'control_plane.', family: '', labels: [] };
  assert.equal(proxy.stats.gauge(statName(scope, 'connected_state')).value, 1);
});

test('listeners and routes wait for the endpoints of new clusters, also when they come first', async (t) => {
  const { proxy, stream } = await connect(t);
  stream.sendResources('1', { l: listener('l', 'r') });
  await stream.answerTo(stream.sendResources('1', { a: cluster('a') }));
  assert.deepEqual(proxy.applied, ['cds +a']);
  assert.equal(proxy.initialised, 0);
  await stream.answerTo(stream.sendResources('1', { a: endpoints('a') }));
  await stream.asksFor('RouteConfiguration');
  assert.deepEqual(proxy.applied, ['cds +a', 'eds +a', 'lds +l']);

  // An update: the route to a new cluster stays back until that has endpoints.
  const held = stream.sendResources('2', { r: routes('r') }, []);
  await stream.answerTo(held);
  await stream.answerTo(stream.sendResources('2', { n: cluster('n') }));
  const route = stream.sendResources('3', { r: routes('r', 'n.example') });
  const eds = stream.sendResources('2', { n: endpoints('n') });
  await stream.answerTo(route);
  await stream.answerTo(eds);
  assert.deepEqual(proxy.applied.slice(3), ['rds +r', 'cds +n', 'eds +n', 'rds +r']);
});

test('a cluster without endpoints at the server does not hold anything up', async (t) => {
  const { proxy, stream } = await connect(t);
  await stream.answerTo(stream.sendResources('1', { a: cluster('a') }));
  await stream.answerTo(stream.sendResources('', {}, ['a'], ENDPOINT_TYPE));
  await stream.answerTo(stream.sendResources('1', { l: listener('l', 'r') }));
  assert.deepEqual(proxy.applied, ['cds +a', 'lds +l']);
  assert.match(proxy.lines.join('\n'), /has no endpoints 'a'; what is in force stays/);
});

test('F03 S103 a refused resource is named with its path, and its neighbours are applied', async (t) => {
  const { proxy, stream } = await connect(t);
  proxy.refuse.set('worker', 'circuitBreakers: a worker says no');
  const broken: RawAny = { type_url: CLUSTER_TYPE, value: Buffer.from([0x0a, 0x7f]) };
  const nonce = stream.sendResources('1', {
    good: staticCluster('good'),
    odd: cluster('odd', { lb_policy: 'MAGLEV' }),
    broken,
    worker: staticCluster('worker'),
    other: staticCluster('name'),
    stranger: endpoints('stranger'),
  });
  const { error_detail: error } = await stream.answerTo(nonce);
  assert.equal(error?.code, status.INVALID_ARGUMENT);
  assert.match(error.message, /cluster 'odd': lbPolicy: .*MAGLEV/);
  assert.match(error.message, /cluster 'broken': is not a valid envoy\.config\.cluster\.v3\.Cluster/);
  assert.match(error.message, /cluster 'worker': circuitBreakers: a worker says no/);
  assert.match(error.message, /cluster 'other': names itself 'name'/);
  assert.match(error.message, /cluster 'stranger': is a .*ClusterLoadAssignment, not a/);
  assert.deepEqual(proxy.applied, ['cds +good +worker']);
  assert.equal(proxy.count('cluster_manager.cds.update_rejected'), 1);

  // The next response is accepted, and after a reconnection only what is in force is told.
  assert.equal((await stream.answerTo(stream.sendResources('2', { odd: staticCluster('odd') }))).error_detail, null);
});

test('F03 the last good version of a refused resource stays, and is what a new stream is told', async (t) => {
  const { proxy, server, stream } = await connect(t);
  await stream.answerTo(stream.sendResources('1', { a: staticCluster('a'), b: staticCluster('b') }));
  assert.notEqual((await stream.answerTo(stream.sendResources('2', {
    a: cluster('a', { lb_policy: 'MAGLEV' }), b: staticCluster('b'),
  }))).error_detail, null);
  stream.end();
  const next = await server.streams.next();
  assert.deepEqual((await next.asksFor('Cluster')).initial_resource_versions, { a: '1', b: '2' });
  assert.deepEqual(proxy.applied, ['cds +a +b', 'cds +b']);
});

test('F02 a control plane that dies changes nothing; the client comes back with what it has', async (t) => {
  const { proxy, server, stream } = await connect(t);
  await serveAll(stream);
  const before = [...proxy.applied];
  server.kill();
  await until(() => proxy.config.status()[0]?.state === 'waiting');
  assert.deepEqual(proxy.applied, before);
  assert.match(proxy.lines.at(-1)!,
    /^management server xds at 127\.0\.0\.1:\d+: .*; what is in force stays, next attempt in \d/);
  await server.listen();
  const next = await server.streams.next();
  const clusters = await next.asksFor('Cluster');
  assert.equal(clusters.node?.id, 'sidecar~1');
  assert.deepEqual(clusters.initial_resource_versions, { a: '1', b: '1' });
  const eds = await next.asksFor('ClusterLoadAssignment');
  assert.deepEqual([eds.resource_names_subscribe, eds.initial_resource_versions], [['a', 'b'], { a: '1', b: '1' }]);
  assert.deepEqual((await next.asksFor('RouteConfiguration')).resource_names_subscribe, ['r']);
  assert.deepEqual(proxy.applied, before);
  // What was removed meanwhile is told by the server, from the versions.
  await next.answerTo(next.sendResources('', {}, ['b'], CLUSTER_TYPE));
  assert.deepEqual(proxy.applied.slice(before.length), ['cds -b', 'eds -b']);
});

test('F02 an unreachable control plane is said once, and tried again', async (t) => {
  const server = new RawXdsServer(xds);
  await server.listen();
  server.kill();
  const proxy = new Proxy(server.port);
  t.after(() => proxy.config.stop());
  proxy.config.start();
  await until(() => proxy.lines.length > 0);
  assert.match(proxy.lines[0]!, /ECONNREFUSED.*next attempt in/);
  await server.listen();
  t.after(() => server.kill());
  await server.streams.next();
  await until(() => proxy.lines.at(-1)!.endsWith(': connected'));
});

test('what nobody names any more is unsubscribed and taken away', async (t) => {
  const { proxy, stream } = await connect(t);
  await serveAll(stream);
  stream.sendResources('2', { l: listener('l', 'r2') }, []);
  const change = await stream.asksFor('RouteConfiguration');
  assert.deepEqual(change.resource_names_subscribe, ['r']);
  const next = await stream.asksFor('RouteConfiguration');
  assert.deepEqual([next.resource_names_subscribe, next.resource_names_unsubscribe], [['r2'], ['r']]);
  await stream.answerTo(stream.sendResources('2', {}, ['b'], CLUSTER_TYPE));
  assert.deepEqual(proxy.applied.slice(4), ['lds +l', 'rds -r', 'cds -b', 'eds -b']);
});

test('the acknowledgement waits for the workers', async (t) => {
  const { proxy, stream } = await connect(t);
  let release: () => void = () => undefined;
  proxy.hold = new Promise((resolve) => { release = resolve; });
  await stream.requests.next();
  await stream.requests.next();
  const nonce = stream.sendResources('1', { a: staticCluster('a') });
  await until(() => proxy.config.status()[0]?.state === 'connected');
  await delay(20);
  assert.equal(stream.requests.size, 0);
  release();
  assert.equal((await stream.answerTo(nonce)).error_detail, null);
});

test('F20 a handler that throws refuses the batch and the stream lives on', async (t) => {
  const { proxy, stream } = await connect(t);
  proxy.bug = new Error('a bug');
  const answer = await stream.answerTo(stream.sendResources('1', { a: staticCluster('a') }));
  assert.match(answer.error_detail?.message ?? '', /cluster 'a': could not be applied/);
  proxy.bug = undefined;
  assert.equal((await stream.answerTo(stream.sendResources('2', { a: staticCluster('a') }))).error_detail, null);
});

test('a source that does not exist refuses who names it', async (t) => {
  const { stream } = await connect(t);
  const services = [{ envoy_grpc: { cluster_name: 'nowhere' } }];
  const source = { api_config_source: { api_type: 'DELTA_GRPC', grpc_services: services } };
  const odd = cluster('a', { eds_cluster_config: { eds_config: source } });
  const { error_detail: error } = await stream.answerTo(stream.sendResources('1', { a: odd }));
  assert.match(error?.message ?? '', /cluster 'a': its source 'nowhere' is no cluster of static_resources/);
});

function tlsCluster(name: string, secret: string, apiType: string, clusterName: string): Raw {
  const sdsConfig = { apiConfigSource: { apiType, grpcServices: [{ envoyGrpc: { clusterName } }] } };
  const commonTlsContext = { tlsCertificateSdsSecretConfigs: [{ name: secret, sdsConfig }] };
  const typedConfig = { '@type': UPSTREAM_TLS_TYPE, commonTlsContext };
  const address = { socketAddress: { address: '127.0.0.1', portValue: 1 } };
  return {
    name, loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }] },
    transportSocket: { name: 'tls', typedConfig },
  };
}

const secret = (name: string): RawAny => xds.any('envoy.extensions.transport_sockets.tls.v3.Secret', {
  name, validation_context: { trusted_ca: { inline_string: 'PEM' } },
});

test('secrets come over streams of their own, of both variants; own ones are not asked for', async (t) => {
  const server = new RawXdsServer(xds);
  await server.listen();
  const proxy = new Proxy(server.port, {
    ownSecrets: ['default'],
    extra: {
      clusters: [
        xdsCluster('xds', server.port), xdsCluster('sds', server.port),
        tlsCluster('one', 'by-delta', 'DELTA_GRPC', 'sds'), tlsCluster('two', 'by-sotw', 'GRPC', 'sds'),
        tlsCluster('three', 'default', 'GRPC', 'sds-grpc'),
      ],
    },
  });
  t.after(() => {
    proxy.config.stop();
    server.kill();
  });
  proxy.config.start();
  const streams = [await server.streams.next(), await server.streams.next()];
  const first = await Promise.all(streams.map((stream) => stream.requests.next()));
  const delta = streams[first.findIndex(({ type_url: type }) => type === SECRET_TYPE)]!;
  assert.deepEqual(first.find(({ type_url: type }) => type === SECRET_TYPE)?.resource_names_subscribe, ['by-delta']);
  await delta.answerTo(delta.sendResources('1', { 'by-delta': secret('by-delta') }));

  const call = await server.sotwStreams.next();
  const requests: Raw[] = [];
  call.on('data', (request: Raw) => requests.push(request));
  await until(() => requests.length === 1);
  assert.deepEqual(requests[0]!['resource_names'], ['by-sotw']);
  call.write({ type_url: SECRET_TYPE, version_info: '5', nonce: 'x', resources: [secret('by-sotw')] });
  await until(() => requests.length === 2);
  const { version_info: version, response_nonce: nonce, error_detail: error } = requests[1]!;
  assert.deepEqual([version, nonce, error], ['5', 'x', null]);
  const bad = { type_url: SECRET_TYPE, value: Buffer.from([0xff]) };
  call.write({ type_url: SECRET_TYPE, version_info: '6', nonce: 'y', resources: [bad] });
  await until(() => requests.length === 3);
  assert.deepEqual([requests[2]!['version_info'], requests[2]!['response_nonce']], ['5', 'y']);
  assert.match((requests[2]!['error_detail'] as Raw)['message'] as string, /is not a valid/);
  assert.deepEqual(proxy.applied.toSorted(), ['sds +by-delta', 'sds +by-sotw']);
});

test('a static resource with a source that cannot be used is told at once', () => {
  const extra = { clusters: [xdsCluster('xds', 1), tlsCluster('a', 'default', 'GRPC', 'sds-grpc')] };
  assert.throws(() => new Proxy(1, { extra }), /cluster a: static_resources: of sds-grpc this proxy answers nothing/);
});

test('S92 bytes that are no response end the stream, which is opened again', async (t) => {
  const { proxy, server, stream } = await connect(t);
  // A lone surrogate is written as bytes that are no UTF-8.
  stream.send({ type_url: CLUSTER_TYPE, resources: [{ name: '\uD800', version: '', resource: cluster('a') }] });
  const next = await server.streams.next();
  assert.match(proxy.lines.join('\n'), /sent what cannot be read: is not a valid .*DeltaDiscoveryResponse/);
  next.send({ type_url: 'type.googleapis.com/acme.Unknown', resources: [] });
  await next.answerTo(next.sendResources('1', { a: staticCluster('a') }));
  assert.deepEqual(proxy.applied, ['cds +a']);
});
