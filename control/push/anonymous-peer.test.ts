// What peers without a certificate may cost, as grpc-js's client is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerCredentials, status } from '@grpc/grpc-js';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { CLUSTER_TYPE } from '../../proxy/config/type-url.ts';
import { Wire } from '../../proxy/config/wire.ts';
import { RawXds, RawXdsClient } from '../../test/harness/raw-xds.ts';
import { until } from '../../test/harness/until.ts';
import { listenXds, makeXdsServer } from './listen.ts';
import { PushServer } from './push-server.ts';
import { SnapshotBuilder } from './snapshot.ts';

test('S100 peers without a certificate have half of the places, and those places are given back', async (t) => {
  const wire = new Wire();
  const snapshot = new SnapshotBuilder(wire).build({ clusters: [{ name: 'a' }] });
  const push = new PushServer({
    wire, clock: systemClock, wheel: new TimerWheel(systemClock), snapshotFor: () => snapshot, streamsMax: 3,
    log: { info: () => undefined, warning: () => undefined },
  });
  const server = makeXdsServer(push);
  t.after(() => server.forceShutdown());
  const address = `127.0.0.1:${await listenXds(server, '127.0.0.1:0', ServerCredentials.createInsecure())}`;
  const clients: RawXdsClient[] = [];
  t.after(() => clients.forEach((client) => client[Symbol.dispose]()));
  const ask = (): RawXdsClient => {
    const client = new RawXdsClient(new RawXds(), address);
    clients.push(client);
    client.send({ type_url: CLUSTER_TYPE, resource_names_subscribe: [], node: { id: 'sidecar~1', cluster: 'test' } });
    return client;
  };
  for (const client of [ask(), ask()]) await client.next('Cluster');
  const { code, details } = await ask().ended;
  assert.deepEqual([code, details, push.counts.overflow],
    [status.RESOURCE_EXHAUSTED, 'more than 2 proxies without a certificate are connected', 1]);
  clients[0]![Symbol.dispose]();
  await until('its place is free', () => push.counts.streams === 1);
  await ask().next('Cluster');
});
