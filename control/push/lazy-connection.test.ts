// Hosts on demand of our xDS server, against a client that is not ours (grpc-js with @grpc/proto-loader): what a host
// brings comes before it, goes after it, and there is an end to what one proxy may hold.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import {
  CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE,
} from '../../proxy/config/type-url.ts';
import { RawXds, RawXdsClient } from '../../test/harness/raw-xds.ts';
import type { RawDeltaResponse } from '../../test/harness/raw-xds.ts';
import { edsCluster, endpointsOf, listenerOn, NODE_ID, XdsControl } from '../../test/harness/xds-mesh.ts';
import { HOSTS_MAX } from './connection.ts';
import type { FindHost } from './snapshot.ts';

const xds = new RawXds();
const node = { id: NODE_ID, cluster: 'test' };

const find: FindHost = (name) => (!name.startsWith('r/') ? undefined : {
  host: { name, domains: [name.slice(2)], routes: [{ match: { prefix: '/' }, route: { cluster: 'c' } }] },
  clusters: [{ cluster: edsCluster('c'), endpoints: endpointsOf('c', 80) }],
});

async function start(t: TestContext): Promise<{ client: RawXdsClient; control: XdsControl }> {
  const routes = [{ name: 'r', vhds: { configSource: { ads: {}, resourceApiVersion: 'V3' as const } } }];
  const control = new XdsControl({ listeners: [listenerOn(1)], routes, onDemand: find });
  await control.listen();
  t.after(() => control.kill());
  const client = new RawXdsClient(xds, `127.0.0.1:${control.port}`);
  t.after(() => client[Symbol.dispose]());
  client.send({ type_url: CLUSTER_TYPE, node });
  client.ack(await client.next('Cluster'));
  client.send({ type_url: LISTENER_TYPE });
  client.ack(await client.next('Listener'));
  client.send({ type_url: ROUTE_TYPE, resource_names_subscribe: ['r'] });
  client.ack(await client.next('RouteConfiguration'));
  return { client, control };
}

const names = ({ resources }: RawDeltaResponse): string[] => resources.map(({ name }) => name);

test('F04 a host waits for its clusters and their endpoints, and they go when it is asked for no more', async (t) => {
  const { client } = await start(t);
  client.send({ type_url: VIRTUAL_HOST_TYPE, resource_names_subscribe: ['r/a', 'x/a'] });
  const clusters = await client.next('Cluster');
  assert.deepEqual(names(clusters), ['c']);
  client.ack(clusters);
  client.send({ type_url: ENDPOINT_TYPE, resource_names_subscribe: ['c'] });
  const endpoints = await client.next('ClusterLoadAssignment');
  assert.deepEqual(names(endpoints), ['c']);
  client.ack(endpoints);
  const hosts = await client.next('VirtualHost');
  assert.deepEqual([names(hosts), hosts.removed_resources], [['r/a'], ['x/a']]);
  client.ack(hosts);
  client.send({ type_url: VIRTUAL_HOST_TYPE, resource_names_unsubscribe: ['r/a'] });
  assert.deepEqual((await client.next('Cluster')).removed_resources, ['c']);
});

test('a proxy holds so many hosts, and is told that there are no others', async (t) => {
  const { client, control } = await start(t);
  const asked = Array.from({ length: HOSTS_MAX + 2 }, (_, i) => `r/${i}`);
  client.send({ type_url: VIRTUAL_HOST_TYPE, resource_names_subscribe: asked });
  client.ack(await client.next('Cluster'));
  client.send({ type_url: ENDPOINT_TYPE, resource_names_subscribe: ['c'] });
  client.ack(await client.next('ClusterLoadAssignment'));
  const hosts = await client.next('VirtualHost');
  assert.equal(hosts.resources.length, HOSTS_MAX);
  assert.deepEqual(hosts.removed_resources, asked.slice(-2));
  assert.equal(control.push.receipts.list()[0]?.excessHosts, 2);
});

test('F02 a lazy proxy that comes back loses nothing before it has said which hosts it holds', async (t) => {
  const { control } = await start(t);
  const client = new RawXdsClient(xds, `127.0.0.1:${control.port}`);
  t.after(() => client[Symbol.dispose]());
  const initial_resource_versions = { c: 'of an earlier stream' };
  client.send({ type_url: CLUSTER_TYPE, node: { ...node, id: 'proxy~2' }, initial_resource_versions });
  const first = await client.next('Cluster');
  assert.deepEqual([names(first), first.removed_resources], [[], []]);
  client.ack(first);
  client.send({ type_url: ENDPOINT_TYPE, resource_names_subscribe: ['c'], initial_resource_versions });
  client.send({ type_url: LISTENER_TYPE });
  client.ack(await client.next('Listener'));
  client.send({ type_url: ROUTE_TYPE, resource_names_subscribe: ['r'] });
  client.ack(await client.next('RouteConfiguration'));
  client.send({ type_url: VIRTUAL_HOST_TYPE, resource_names_subscribe: ['r/a'] });
  const clusters = await client.next('Cluster');
  assert.deepEqual([names(clusters), clusters.removed_resources], [['c'], []]);
  client.ack(clusters);
  const endpoints = await client.next('ClusterLoadAssignment');
  assert.deepEqual([names(endpoints), endpoints.removed_resources], [['c'], []]);
  client.ack(endpoints);
  assert.deepEqual(names(await client.next('VirtualHost')), ['r/a']);
});
