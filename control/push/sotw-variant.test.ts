// State-of-the-world ADS of our server, against a client that is not ours: grpc-js with @grpc/proto-loader.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { Cluster } from '../../proxy/config/cluster.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../proxy/config/type-url.ts';
import { RawSotwClient } from '../../test/harness/raw-sotw.ts';
import type { RawResponse } from '../../test/harness/raw-sotw.ts';
import { RawXds } from '../../test/harness/raw-xds.ts';
import type { Raw } from '../../test/harness/raw-xds.ts';
import { until } from '../../test/harness/until.ts';
import { edsCluster, endpointsOf, listenerOn, NODE_ID, XdsControl } from '../../test/harness/xds-mesh.ts';
import type { SnapshotInput } from './snapshot.ts';

const xds = new RawXds();
const node = { id: NODE_ID, cluster: 'test' };
const listener = (name: string) => ({ ...listenerOn(1), name });
const routes = (name: string, domain = '*') => ({ name, virtualHosts: [{ name: 'v', domains: [domain] }] });
const mesh: SnapshotInput = {
  clusters: [edsCluster('a'), edsCluster('b')],
  endpoints: [endpointsOf('a', 80), endpointsOf('b', 80)],
  listeners: [listener('l')],
  routes: [routes('r')],
};

async function start(t: TestContext, first = mesh): Promise<XdsControl> {
  const control = new XdsControl(first);
  await control.listen();
  t.after(() => control.kill());
  return control;
}

function connect(t: TestContext, { port }: XdsControl): RawSotwClient {
  const client = new RawSotwClient(xds, `127.0.0.1:${port}`);
  t.after(() => client[Symbol.dispose]());
  return client;
}

const ask = (type_url: string, resource_names: string[] = [], more: Raw = {}): Raw => (
  { type_url, resource_names, ...more }
);

/** A client that has everything, acknowledged; with the last response of each type. */
async function settled(t: TestContext, control: XdsControl): Promise<[RawSotwClient, Record<string, RawResponse>]> {
  const client = connect(t, control);
  const last: Record<string, RawResponse> = {};
  const rows = [[CLUSTER_TYPE, []], [ENDPOINT_TYPE, ['a', 'b']], [LISTENER_TYPE, []], [ROUTE_TYPE, ['r']]] as const;
  for (const [type, names] of rows) {
    client.send(ask(type, [...names], type === CLUSTER_TYPE ? { node } : {}));
    last[type] = await client.next(type.slice(type.lastIndexOf('.') + 1));
    client.ack(last[type], names);
  }
  await answered(control, 4);
  return [client, last];
}

function answered({ push }: XdsControl, count: number): Promise<void> {
  return until(`${count} answers`, () => push.counts.accepted + push.counts.refused >= count);
}

test('F24 clusters and listeners come whole, endpoints and routes by name and only when they change', async (t) => {
  const control = await start(t);
  const [client, last] = await settled(t, control);
  assert.deepEqual(client.names(last[CLUSTER_TYPE]!), ['a', 'b']);
  control.set({ ...mesh, endpoints: [endpointsOf('a', 81), endpointsOf('b', 80)] });
  const changed = await client.next('ClusterLoadAssignment');
  assert.deepEqual(client.names(changed), ['a']);
  client.ack(changed, ['a', 'b']);
  control.set({ ...mesh, listeners: [listener('l'), listener('m')] });
  const back = await client.next('ClusterLoadAssignment');
  client.ack(back, ['a', 'b']);
  // A rollback has the version that it had before (F30).
  assert.equal(back.version_info, last[ENDPOINT_TYPE]!.version_info);
  assert.deepEqual(client.names(await client.next('Listener')), ['l', 'm']);
});

test('F04 make before break: both clusters, endpoints of the new, its route, then the old is left out', async (t) => {
  const control = await start(t);
  const [client] = await settled(t, control);
  control.set({
    ...mesh, clusters: [edsCluster('a'), edsCluster('c')], endpoints: [endpointsOf('a', 80), endpointsOf('c', 80)],
    routes: [routes('r', 'c')],
  });
  const clusters = await client.responses.next();
  assert.deepEqual([clusters.type_url, client.names(clusters)], [CLUSTER_TYPE, ['a', 'b', 'c']]);
  client.ack(clusters);
  client.send(ask(ENDPOINT_TYPE, ['a', 'b', 'c'], { response_nonce: '2' }));
  const assignment = await client.responses.next();
  assert.deepEqual([assignment.type_url, client.names(assignment)], [ENDPOINT_TYPE, ['c']]);
  client.ack(assignment, ['a', 'b', 'c']);
  const route = await client.responses.next();
  assert.deepEqual([route.type_url, client.names(route)], [ROUTE_TYPE, ['r']]);
  client.ack(route, ['r']);
  const rest = await client.responses.next();
  assert.deepEqual([rest.type_url, client.names(rest)], [CLUSTER_TYPE, ['a', 'c']]);
  client.ack(rest);
  await control.synced();
  assert.equal(client.responses.size, 0);
});

test('F24 what is not there: an empty list, an empty assignment, and what is said when it comes', async (t) => {
  const control = await start(t, {});
  const client = connect(t, control);
  client.send(ask(LISTENER_TYPE, ['foo:80'], { node }));
  const none = await client.next('Listener');
  assert.deepEqual(none.resources, []);
  client.ack(none, ['foo:80']);
  client.send(ask(ENDPOINT_TYPE, ['a']));
  const empty = await client.next('ClusterLoadAssignment');
  assert.deepEqual([client.names(empty), xds.decode(empty.resources[0]!)['endpoints']], [['a'], []]);
  client.ack(empty, ['a']);
  client.send(ask(ROUTE_TYPE, ['nowhere']));
  const nothing = await client.next('RouteConfiguration');
  assert.deepEqual(nothing.resources, []);
  client.ack(nothing, ['nowhere']);
  control.set({ ...mesh, listeners: [listener('foo:80'), listener('other')] });
  const come = await client.next('ClusterLoadAssignment');
  assert.deepEqual(client.names(come), ['a']);
  client.ack(come, ['a']);
  assert.deepEqual(client.names(await client.next('Listener')), ['foo:80']);
});

test('F24 an answer to an older response changes nothing; the one to the newer counts', async (t) => {
  const control = await start(t);
  const [client, last] = await settled(t, control);
  const old = last[ENDPOINT_TYPE]!;
  control.set({ ...mesh, endpoints: [endpointsOf('a', 81), endpointsOf('b', 80)] });
  const changed = await client.next('ClusterLoadAssignment');
  // A stale nonce, with other names and a refusal: neither is taken.
  client.send(ask(ENDPOINT_TYPE, ['b'], { response_nonce: old.nonce, error_detail: { code: 3, message: 'late' } }));
  client.send(ask(ENDPOINT_TYPE, ['b'], { response_nonce: 'never', version_info: 'x' }));
  client.ack(changed, ['a', 'b']);
  await answered(control, 5);
  assert.deepEqual([control.push.counts.accepted, control.push.counts.refused], [5, 0]);
  control.set({ ...mesh, endpoints: [endpointsOf('a', 82), endpointsOf('b', 80)] });
  assert.deepEqual(client.names(await client.next('ClusterLoadAssignment')), ['a']);
});

test('F24 endpoints that are asked for again are sent again: whoever asks has a cluster that warms', async (t) => {
  const control = await start(t);
  const [client, last] = await settled(t, control);
  client.ack(last[ENDPOINT_TYPE]!, ['a', 'b']);
  const again = await client.next('ClusterLoadAssignment');
  assert.deepEqual(client.names(again), ['a', 'b']);
  client.ack(again, ['a', 'b']);
  await answered(control, 5);
  client.ack(again, ['b']);
  client.ack(again, ['a', 'b']);
  // Given up, and taken up again.
  assert.deepEqual(client.names(await client.next('ClusterLoadAssignment')), ['a']);
});

test('F03 a refusal is in the receipt, is not sent again, and no version says that it is held', async (t) => {
  const control = await start(t);
  const [client, last] = await settled(t, control);
  control.set({ ...mesh, routes: [routes('r', 'bad')] });
  const bad = await client.next('RouteConfiguration');
  const { version_info } = last[ROUTE_TYPE]!;
  const error_detail = { code: 3, message: "route 'r' is odd" };
  client.send(ask(ROUTE_TYPE, ['r'], { version_info, response_nonce: bad.nonce, error_detail }));
  await answered(control, 5);
  const rds = control.push.receipts.list()[0]!.types.find(({ type }) => type === 'rds')!;
  assert.deepEqual(rds.refused.map(({ name }) => name), ['r']);
  assert.equal(client.responses.size, 0);
  control.set({ ...mesh, routes: [routes('r', 'good')] });
  const good = await client.next('RouteConfiguration');
  client.ack(good, ['r']);
  await control.synced();
  assert.deepEqual(control.push.receipts.list()[0]!.types.find(({ type }) => type === 'rds')!.refused, []);
});

test('F02 F30 who comes back with the current version is sent nothing, with another everything', async (t) => {
  const control = await start(t);
  const [, last] = await settled(t, control);
  const next = await start(t);
  const client = connect(t, next);
  const version = (type: string): Raw => ({ version_info: last[type]!.version_info });
  client.send(ask(CLUSTER_TYPE, [], { node, ...version(CLUSTER_TYPE) }));
  client.send(ask(ENDPOINT_TYPE, ['a', 'b'], version(ENDPOINT_TYPE)));
  client.send(ask(LISTENER_TYPE, [], version(LISTENER_TYPE)));
  client.send(ask(ROUTE_TYPE, ['r'], version(ROUTE_TYPE)));
  await next.synced();
  assert.equal(client.responses.size, 0);
  assert.equal(next.push.receipts.get(NODE_ID)!.running(CLUSTER_TYPE).size, 2);
  next.set({ ...mesh, clusters: [edsCluster('a')] });
  assert.deepEqual(client.names(await client.next('Cluster')), ['a']);
  const stranger = connect(t, next);
  stranger.send(ask(CLUSTER_TYPE, [], { node, version_info: 'of another control plane' }));
  assert.deepEqual(stranger.names(await stranger.next('Cluster')), ['a']);
});

test('a wildcard ends when names are given, and naming nothing after names asks for nothing', async (t) => {
  const control = await start(t, { clusters: [{ name: 'a' }, { name: 'b' }] });
  const client = connect(t, control);
  client.send(ask(CLUSTER_TYPE, [], { node }));
  const all = await client.next('Cluster');
  client.ack(all, ['a']);
  const one = await client.next('Cluster');
  assert.deepEqual(client.names(one), ['a']);
  client.ack(one, []);
  await answered(control, 2);
  control.set({ clusters: [{ name: 'a', altStatName: 'x' }, { name: 'b' }] });
  client.send(ask(LISTENER_TYPE, ['*']));
  assert.deepEqual(client.names(await client.next('Listener')), []);
  assert.equal(client.responses.size, 0);
});

test('clusters that are larger than a message come in one, because what is left out would be removed', async (t) => {
  const clusters = Array.from({ length: 4 }, (_, i): Cluster => ({ name: `c${i}`, altStatName: 'x'.repeat(900_000) }));
  const control = await start(t, { clusters });
  const client = connect(t, control);
  client.send(ask(CLUSTER_TYPE, [], { node }));
  assert.deepEqual(client.names(await client.next('Cluster')), clusters.map(({ name }) => name));
});

test('a lazy proxy that cannot ask for hosts is told so', async (t) => {
  const client = connect(t, await start(t));
  const metadata = { fields: { WEFT_LAZY: { stringValue: 'true' } } };
  client.send(ask(CLUSTER_TYPE, [], { node: { ...node, metadata } }));
  assert.match((await client.ended).details ?? '', /WEFT_LAZY needs delta xDS/);
});
