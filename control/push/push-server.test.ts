// The xDS server against a client that is not ours: grpc-js with @grpc/proto-loader.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { ServerCredentials, status } from '@grpc/grpc-js';
import { systemClock } from '../../proxy/base/clock.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import type { Address } from '../../proxy/config/address.ts';
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { DiscoveryNode } from '../../proxy/config/discovery.ts';
import type { ClusterLoadAssignment } from '../../proxy/config/endpoint.ts';
import type { Listener } from '../../proxy/config/listener.ts';
import type { RouteConfiguration } from '../../proxy/config/route.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../proxy/config/type-url.ts';
import { Wire } from '../../proxy/config/wire.ts';
import { RawXds, RawXdsClient } from '../../test/harness/raw-xds.ts';
import type { Raw, RawDeltaResponse } from '../../test/harness/raw-xds.ts';
import { listenXds, makeXdsServer } from './listen.ts';
import type { PushServerOptions } from './push-server.ts';
import { PushServer } from './push-server.ts';
import { SnapshotBuilder } from './snapshot.ts';
import type { SnapshotInput } from './snapshot.ts';

const xds = new RawXds();
const wire = new Wire();

const eds = (name: string): Cluster => ({ name, type: 'EDS', edsClusterConfig: { edsConfig: { ads: {} } } });
const addressOf = (portValue: number): Address => ({ socketAddress: { address: '10.0.0.1', portValue } });
const endpoints = (clusterName: string, port = 80): ClusterLoadAssignment => (
  { clusterName, endpoints: [{ lbEndpoints: [{ endpoint: { address: addressOf(port) } }] }] }
);
const listener = (name: string): Listener => ({ name, address: addressOf(1) });
const routes = (name: string, domain = '*'): RouteConfiguration => (
  { name, virtualHosts: [{ name: 'v', domains: [domain] }] }
);

/** A control plane whose mesh is one value that a test sets. */
class Control {
  mesh: SnapshotInput | string = {};
  readonly lines: string[] = [];
  readonly nodes: DiscoveryNode[] = [];
  readonly push: PushServer;
  readonly builder = new SnapshotBuilder(wire);
  address = '';

  constructor(more: More = {}) {
    const say = (line: string): void => void this.lines.push(line);
    this.push = new PushServer({
      wire, clock: systemClock, wheel: new TimerWheel(systemClock), log: { info: say, warning: say },
      snapshotFor: (node) => {
        this.nodes.push(node);
        return typeof this.mesh === 'string' ? this.mesh : this.builder.build(this.mesh);
      },
      ...more,
    });
  }

  set(mesh: SnapshotInput | string): void {
    this.mesh = mesh;
    this.push.refresh();
  }
}

type More = Partial<PushServerOptions>;

async function start(t: TestContext, mesh: SnapshotInput | string, more: More = {}): Promise<Control> {
  const control = new Control(more);
  control.mesh = mesh;
  const server = makeXdsServer(control.push);
  control.address = `127.0.0.1:${await listenXds(server, '127.0.0.1:0', ServerCredentials.createInsecure())}`;
  t.after(() => server.forceShutdown());
  return control;
}

function connect(t: TestContext, { address }: Control): RawXdsClient {
  const client = new RawXdsClient(xds, address);
  t.after(() => client[Symbol.dispose]());
  return client;
}

const metadata = { fields: { A: { stringValue: 'b' } } };
const node = { id: 'sidecar~1', cluster: 'test', metadata, user_agent_name: 'other' };
const subscribe = (type: string, names: string[] = [], more: Raw = {}): Raw => (
  { type_url: type, resource_names_subscribe: names, ...more }
);

function names(response: RawDeltaResponse): string[] {
  return response.resources.map(({ name }) => name);
}

/** A client that has clusters, endpoints, a listener and routes, all acknowledged. */
async function settled(t: TestContext, control: Control): Promise<RawXdsClient> {
  const client = connect(t, control);
  client.send(subscribe(CLUSTER_TYPE, [], { node }));
  const clusters = await client.next('Cluster');
  client.send(subscribe(ENDPOINT_TYPE, names(clusters)));
  client.ack(clusters);
  client.ack(await client.next('ClusterLoadAssignment'));
  client.send(subscribe(LISTENER_TYPE));
  client.ack(await client.next('Listener'));
  client.send(subscribe(ROUTE_TYPE, ['r']));
  client.ack(await client.next('RouteConfiguration'));
  return client;
}

const mesh = {
  clusters: [eds('a'), eds('b')],
  endpoints: [endpoints('a'), endpoints('b')],
  listeners: [listener('l')],
  routes: [routes('r')],
};

/** Resolves when the server has handled everything that the client sent so far. */
async function handled(control: Control, accepted: number): Promise<void> {
  const { push } = control;
  while (push.counts.accepted + push.counts.refused < accepted) await turn();
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test('serves a node its snapshot: all of what is listed, and what is asked for by name (peer: grpc-js)', async (t) => {
  const control = await start(t, mesh);
  const client = connect(t, control);
  client.send(subscribe(CLUSTER_TYPE, [], { node }));
  const clusters = await client.next('Cluster');
  assert.deepEqual(names(clusters), ['a', 'b']);
  assert.deepEqual(xds.decode(clusters.resources[0]!.resource)['type'], 'EDS');
  assert.deepEqual(control.nodes[0]?.metadata, { __proto__: null, A: 'b' });
  client.send(subscribe(ENDPOINT_TYPE, ['a', 'nowhere']));
  const assignments = await client.next('ClusterLoadAssignment');
  assert.deepEqual([names(assignments), assignments.removed_resources], [['a'], ['nowhere']]);
});

test('after a change only what changed is sent, with versions that are of the content', async (t) => {
  const control = await start(t, mesh);
  const client = await settled(t, control);
  await handled(control, 4);
  control.set({ ...mesh, endpoints: [endpoints('a', 81), endpoints('b')] });
  const changed = await client.next('ClusterLoadAssignment');
  assert.deepEqual(names(changed), ['a']);
  client.ack(changed);
  // Equal content in new objects is not sent; a change back has the version of before.
  control.set(JSON.parse(JSON.stringify(mesh)) as SnapshotInput);
  const back = await client.next('ClusterLoadAssignment');
  client.ack(back);
  assert.notEqual(back.resources[0]!.version, changed.resources[0]!.version);
  await handled(control, 6);
  assert.equal(client.responses.size, 0);
});

test('a changed cluster is followed by its endpoints, for which Envoys wait (peer: grpc-js)', async (t) => {
  const control = await start(t, mesh);
  const client = await settled(t, control);
  await handled(control, 4);
  control.set({ ...mesh, clusters: [{ ...eds('a'), connectTimeout: '3s' }, eds('b')] });
  const cluster = await client.responses.next();
  assert.deepEqual([cluster.type_url, names(cluster)], [CLUSTER_TYPE, ['a']]);
  client.ack(cluster);
  const again = await client.responses.next();
  assert.deepEqual([again.type_url, names(again)], [ENDPOINT_TYPE, ['a']]);
  client.ack(again);
  await handled(control, 6);
  assert.equal(client.responses.size, 0);
});

test('F04 make before break: a new cluster, its endpoints, the route to it, and removals at last', async (t) => {
  const control = await start(t, mesh);
  const client = await settled(t, control);
  await handled(control, 4);
  control.set({
    ...mesh, clusters: [eds('a'), eds('c')], endpoints: [endpoints('a'), endpoints('c')], routes: [routes('r', 'c')],
  });
  const clusters = await client.responses.next();
  assert.deepEqual([clusters.type_url, names(clusters), clusters.removed_resources], [CLUSTER_TYPE, ['c'], []]);
  client.ack(clusters);
  client.send(subscribe(ENDPOINT_TYPE, ['c']));
  const assignment = await client.responses.next();
  assert.deepEqual([assignment.type_url, names(assignment)], [ENDPOINT_TYPE, ['c']]);
  client.ack(assignment);
  const route = await client.responses.next();
  assert.deepEqual([route.type_url, names(route)], [ROUTE_TYPE, ['r']]);
  client.ack(route);
  const gone = [await client.responses.next(), await client.responses.next()];
  assert.deepEqual(gone.map(({ type_url: type, removed_resources: removed }) => [type, removed]), [
    [CLUSTER_TYPE, ['b']], [ENDPOINT_TYPE, ['b']],
  ]);
});

test('F03 a refused route keeps the cluster that the old one names, and the receipt says why', async (t) => {
  const control = await start(t, mesh);
  const client = await settled(t, control);
  await handled(control, 4);
  control.set({ ...mesh, clusters: [eds('a')], endpoints: [endpoints('a')], routes: [routes('r', 'bad')] });
  const route = await client.next('RouteConfiguration');
  const error = { code: 13, message: "route 'r' is odd" };
  client.send({ type_url: ROUTE_TYPE, response_nonce: route.nonce, error_detail: error });
  await handled(control, 5);
  assert.equal(client.responses.size, 0);
  const [receipt] = control.push.receipts.list();
  const rds = receipt!.types.find(({ type }) => type === 'rds')!;
  assert.equal(rds.nack?.reason, "route 'r' is odd");
  assert.deepEqual(rds.refused.map(({ name, reason, version }) => [name, reason, version]), [
    ['r', "route 'r' is odd", route.resources[0]!.version],
  ]);
  assert.notEqual(rds.sent, rds.acked);
  assert.match(control.lines.join('\n'), /sidecar~1 refused rds: route 'r' is odd/);

  // The mended route is sent, and what the old one named goes when it is accepted.
  control.set({ ...mesh, clusters: [eds('a')], endpoints: [endpoints('a')], routes: [routes('r', 'good')] });
  client.ack(await client.next('RouteConfiguration'));
  assert.deepEqual((await client.next('Cluster')).removed_resources, ['b']);
  const mended = control.push.receipts.list()[0]!.types.find(({ type }) => type === 'rds')!;
  assert.deepEqual([mended.nack, mended.refused], [undefined, []]);
  assert.equal(mended.sent, mended.acked);
});

test('F03 a refused removal is shown until the next answer', async (t) => {
  const control = await start(t, mesh);
  const client = await settled(t, control);
  await handled(control, 4);
  control.set({ ...mesh, clusters: [eds('a')] });
  const { nonce, resources } = await client.next('Cluster');
  assert.deepEqual(resources, []);
  client.send({ type_url: CLUSTER_TYPE, response_nonce: nonce, error_detail: { code: 13, message: 'no' } });
  await handled(control, 5);
  const cds = () => control.push.receipts.list()[0]!.types.find(({ type }) => type === 'cds')!;
  assert.deepEqual([cds().nack?.reason, cds().refused.map(({ name }) => name)], ['no', ['']]);
  control.set(mesh);
  client.ack(await client.next('Cluster'));
  await handled(control, 6);
  assert.equal(cds().nack, undefined);
});

test('one response of a type is under way at a time; what changes meanwhile comes as one', async (t) => {
  const control = await start(t, mesh);
  const client = await settled(t, control);
  await handled(control, 4);
  control.set({ ...mesh, endpoints: [endpoints('a', 81), endpoints('b')] });
  const first = await client.next('ClusterLoadAssignment');
  for (let port = 82; port < 92; port++) {
    control.set({ ...mesh, endpoints: [endpoints('a', port), endpoints('b')] });
    await turn();
  }
  assert.equal(client.responses.size, 0);
  client.ack(first);
  const second = await client.next('ClusterLoadAssignment');
  assert.match(JSON.stringify(xds.decode(second.resources[0]!.resource)), /"port_value":91/);
  client.ack(second);
  await handled(control, 6);
  assert.equal(client.responses.size, 0);
});

test('F02 a client that comes back with its versions is sent the difference, and what is gone', async (t) => {
  const control = await start(t, mesh);
  const first = connect(t, control);
  first.send(subscribe(CLUSTER_TYPE, [], { node }));
  const { resources } = await first.next('Cluster');
  const versions = Object.fromEntries(resources.map(({ name, version }) => [name, version]));
  first[Symbol.dispose]();

  const second = connect(t, control);
  second.send(subscribe(CLUSTER_TYPE, [], { node, initial_resource_versions: { ...versions, old: '1' } }));
  const answer = await second.next('Cluster');
  // F30: its routes may still lead to what is gone.
  assert.deepEqual([names(answer), answer.removed_resources], [[], []]);
  second.ack(answer);
  second.send(subscribe(LISTENER_TYPE));
  second.send(subscribe(ROUTE_TYPE, ['r']));
  second.ack(await second.next('Listener'));
  second.ack(await second.next('RouteConfiguration'));
  assert.deepEqual((await second.next('Cluster')).removed_resources, ['old']);
  const third = connect(t, control);
  third.send(subscribe(CLUSTER_TYPE, [], { node, initial_resource_versions: { ...versions, a: 'x' } }));
  assert.deepEqual(names(await third.next('Cluster')), ['a']);
});

test('a name that is asked for again is sent again; one that is given up is not', async (t) => {
  const control = await start(t, mesh);
  const client = await settled(t, control);
  client.send(subscribe(ENDPOINT_TYPE, ['a']));
  const again = await client.next('ClusterLoadAssignment');
  assert.deepEqual(names(again), ['a']);
  client.send({ type_url: ENDPOINT_TYPE, response_nonce: again.nonce, resource_names_unsubscribe: ['b'] });
  await handled(control, 5);
  control.set({ ...mesh, endpoints: [endpoints('a', 81), endpoints('b', 81)] });
  assert.deepEqual(names(await client.next('ClusterLoadAssignment')), ['a']);
});

test('an explicit wildcard, and its end', async (t) => {
  const control = await start(t, mesh);
  const client = connect(t, control);
  client.send(subscribe(CLUSTER_TYPE, ['a'], { node }));
  const one = await client.next('Cluster');
  assert.deepEqual(names(one), ['a']);
  client.ack(one);
  client.send(subscribe(CLUSTER_TYPE, ['*']));
  const rest = await client.next('Cluster');
  assert.deepEqual(names(rest), ['b']);
  client.ack(rest);
  client.send({ type_url: CLUSTER_TYPE, resource_names_unsubscribe: ['*'] });
  await handled(control, 2);
  control.set({ ...mesh, clusters: [{ ...eds('a'), altStatName: 'x' }, { ...eds('b'), altStatName: 'x' }] });
  assert.deepEqual(names(await client.next('Cluster')), ['a']);
});

test('naming nothing asks for all clusters and listeners, and is answered even when there are none', async (t) => {
  const control = await start(t, {});
  const client = connect(t, control);
  client.send(subscribe(LISTENER_TYPE, [], { node }));
  assert.deepEqual((await client.next('Listener')).resources, []);
  client.send(subscribe(ROUTE_TYPE));
  client.send(subscribe('type.googleapis.com/acme.Other', ['x']));
  assert.deepEqual((await client.next('Other')).removed_resources, ['x']);
  assert.equal(client.responses.size, 0);
});

test('a configuration that cannot be made is a fault in the receipt, and the last good one stays', async (t) => {
  const control = await start(t, 'no pod has this address');
  const client = connect(t, control);
  client.send(subscribe(CLUSTER_TYPE, [], { node }));
  while (control.push.receipts.list()[0]?.fault === undefined) await turn();
  assert.equal(control.push.receipts.list()[0]?.fault, 'no pod has this address');
  control.set(mesh);
  client.ack(await client.next('Cluster'));
  assert.equal(control.push.receipts.list()[0]?.fault, undefined);
  // What protobuf cannot hold is a fault of ours: nothing is sent, and the next proxy gets what was good.
  control.set({ clusters: [{ name: 'a', nonsense: 1 } as unknown as Cluster] });
  while (control.push.receipts.list()[0]?.fault === undefined) await turn();
  assert.match(control.push.receipts.list()[0]!.fault!, /could not be made: nonsense: is no field of/);
  const second = connect(t, control);
  second.send(subscribe(CLUSTER_TYPE, [], { node }));
  assert.deepEqual(names(await second.next('Cluster')), ['a', 'b']);
});

test('S100 who may not be the node gets nothing; who does not say its name is sent away', async (t) => {
  const control = await start(t, mesh, {
    authorise: ({ id }, peer) => (id === 'sidecar~1' && peer.certificate === undefined ? 'no certificate' : undefined),
  });
  const client = connect(t, control);
  client.send(subscribe(CLUSTER_TYPE, [], { node }));
  const { code, details } = await client.ended;
  assert.deepEqual([code, details], [status.PERMISSION_DENIED, 'no certificate']);
  const nobody = connect(t, control);
  nobody.send(subscribe(CLUSTER_TYPE));
  assert.equal((await nobody.ended).code, status.INVALID_ARGUMENT);
  assert.deepEqual([control.nodes.length, control.push.receipts.list().length], [0, 0]);
});

test('streams and types are bounded', async (t) => {
  const control = await start(t, mesh, { streamsMax: 1 });
  const client = connect(t, control);
  client.send(subscribe(CLUSTER_TYPE, [], { node }));
  await client.next('Cluster');
  const second = connect(t, control);
  second.send(subscribe(CLUSTER_TYPE, [], { node }));
  assert.equal((await second.ended).code, status.RESOURCE_EXHAUSTED);
  assert.equal(control.push.counts.overflow, 1);
  for (let i = 0; i < 40; i++) client.send(subscribe(`type.googleapis.com/acme.T${i}`, ['x']));
  assert.deepEqual(await client.ended.then(({ code, details }) => [code, details]), [
    status.RESOURCE_EXHAUSTED, 'more than 32 resource types',
  ]);
});

test('a type that is larger than a message comes in several', async (t) => {
  const text = 'x'.repeat(1024 * 1024);
  const clusters = Array.from({ length: 8 }, (_, i): Cluster => ({ name: `c${i}`, altStatName: text }));
  const control = await start(t, { clusters });
  const client = connect(t, control);
  client.send(subscribe(CLUSTER_TYPE, [], { node }));
  const got: string[] = [];
  while (got.length < 8) {
    const response = await client.next('Cluster');
    assert.ok(names(response).length < 4);
    got.push(...names(response));
    client.ack(response);
  }
  assert.deepEqual(got, clusters.map(({ name }) => name));
});

test('receipts outlive the connection, and the newest of two counts', async (t) => {
  const control = await start(t, mesh);
  const client = await settled(t, control);
  await handled(control, 4);
  const [receipt] = control.push.receipts.list();
  assert.deepEqual([receipt!.id, receipt!.connected, receipt!.userAgent], ['sidecar~1', true, 'other']);
  const counts = receipt!.types.map(({ type, resources }) => [type, resources]);
  assert.deepEqual(counts, [['cds', 2], ['eds', 2], ['lds', 1], ['rds', 1]]);
  assert.equal(control.push.receipts.get('sidecar~1')?.running(CLUSTER_TYPE).size, 2);
  client[Symbol.dispose]();
  while (control.push.receipts.list()[0]!.connected) await turn();
  assert.equal(control.push.receipts.list()[0]!.types.length, 4);
  const again = connect(t, control);
  again.send(subscribe(CLUSTER_TYPE, [], { node }));
  await again.next('Cluster');
  assert.deepEqual(control.push.receipts.list().map(({ id, connected }) => [id, connected]), [['sidecar~1', true]]);
});
