// The xDS client against a management server that is not ours: grpc-js with @grpc/proto-loader.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { RawXdsServer } from '../../test/harness/raw-xds.ts';
import type { RawAny, RawServerStream } from '../../test/harness/raw-xds.ts';
import { until } from '../../test/harness/until.ts';
import { cluster, connect, endpoints, FakeProxy, listener, routes, staticCluster, xds, xdsCluster }
  from '../../test/harness/xds-client-fixture.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE } from '../config/type-url.ts';
import { statName } from '../telemetry/stat-name.ts';

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
    odd: cluster('odd', { lb_policy: 'CLUSTER_PROVIDED' }),
    broken,
    worker: staticCluster('worker'),
    other: staticCluster('name'),
    stranger: endpoints('stranger'),
  });
  const { error_detail: error } = await stream.answerTo(nonce);
  assert.equal(error?.code, status.INVALID_ARGUMENT);
  assert.match(error.message, /cluster 'odd': lbPolicy: .*CLUSTER_PROVIDED/);
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
    a: cluster('a', { lb_policy: 'CLUSTER_PROVIDED' }), b: staticCluster('b'),
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
  await until('lost', () => proxy.config.status()[0]?.state === 'waiting');
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
  const proxy = new FakeProxy(server.port);
  t.after(() => proxy.config.stop());
  proxy.config.start();
  await until('said', () => proxy.lines.length > 0);
  assert.match(proxy.lines[0]!, /ECONNREFUSED.*next attempt in/);
  await server.listen();
  t.after(() => server.kill());
  await server.streams.next();
  await until('connected', () => proxy.lines.at(-1)!.endsWith(': connected'));
});

test('F02 a server that accepts and says nothing is given up after connect_timeout', async (t) => {
  let closed = 0;
  const silent = createServer((socket) => {
    socket.resume();
    socket.on('close', () => closed++);
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  const proxy = new FakeProxy(port, { extra: { clusters: [{ ...xdsCluster('xds', port), connectTimeout: '0.05s' }] } });
  t.after(() => {
    proxy.config.stop();
    silent.close();
  });
  proxy.config.start();
  await until('given up', () => proxy.lines.length > 0);
  assert.match(proxy.lines[0]!, /no connection in time; what is in force stays, next attempt in/);
  await until('its connection is closed', () => closed > 0);
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
  const order: string[] = [];
  const answer = stream.answerTo(nonce).then(() => order.push('acknowledged'));
  await until('the workers are asked', () => proxy.asked === 1);
  order.push('applied');
  release();
  await answer;
  assert.deepEqual(order, ['applied', 'acknowledged']);
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
