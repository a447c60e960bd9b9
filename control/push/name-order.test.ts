// Names of the mesh's hosts against a client that is not ours: nobody may be told a name whose calls nothing takes yet.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerCredentials } from '@grpc/grpc-js';
import { systemClock } from '../../proxy/base/clock.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import type { NameTable } from '../../proxy/config/name-table.ts';
import { LISTENER_TYPE, NAME_TABLE_TYPE, ROUTE_TYPE } from '../../proxy/config/type-url.ts';
import { Wire } from '../../proxy/config/wire.ts';
import { RawXds, RawXdsClient } from '../../test/harness/raw-xds.ts';
import { listenXds, makeXdsServer } from './listen.ts';
import { PushServer } from './push-server.ts';
import { SnapshotBuilder } from './snapshot.ts';
import type { SnapshotInput } from './snapshot.ts';

const wire = new Wire();
const node = { id: 'sidecar~1', cluster: 'test', user_agent_name: 'other' };

function meshOf(...hosts: string[]): SnapshotInput {
  const table: NameTable = { table: Object.fromEntries(hosts.map((host) => [host, { ips: ['240.240.0.1'] }])) };
  const listeners = hosts.map((name) => ({ name, address: { socketAddress: { address: '10.0.0.1', portValue: 80 } } }));
  return { listeners, nameTables: [table] };
}

test('a name is told when the listener is accepted that takes its calls (peer: grpc-js)', async (t) => {
  let mesh = meshOf('a');
  const builder = new SnapshotBuilder(wire);
  const log = { info: () => {}, warning: () => {} };
  const push = new PushServer({
    wire, clock: systemClock, wheel: new TimerWheel(systemClock), log, snapshotFor: () => builder.build(mesh),
  });
  const server = makeXdsServer(push);
  t.after(() => server.forceShutdown());
  const port = await listenXds(server, '127.0.0.1:0', ServerCredentials.createInsecure());
  using client = new RawXdsClient(new RawXds(), `127.0.0.1:${port}`);

  client.send({ type_url: LISTENER_TYPE, node });
  client.ack(await client.next('Listener'));
  client.send({ type_url: NAME_TABLE_TYPE });
  client.ack(await client.next('NameTable'));
  while (push.counts.accepted < 2) await new Promise(setImmediate);

  mesh = meshOf('a', 'b');
  push.refresh();
  const added = await client.next('Listener');
  assert.deepEqual(added.resources.map(({ name }) => name), ['b']);
  // Another type is answered meanwhile: whatever may be sent has been sent.
  client.send({ type_url: ROUTE_TYPE, resource_names_subscribe: ['nowhere'] });
  client.ack(await client.next('RouteConfiguration'));
  while (push.counts.accepted < 3) await new Promise(setImmediate);
  assert.equal(client.responses.size, 0);
  client.ack(added);
  await client.next('NameTable');
});
