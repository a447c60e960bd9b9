// What a snapshot takes is done in steps, as grpc-js's client sees it: others are served between them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerCredentials } from '@grpc/grpc-js';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { CLUSTER_TYPE } from '../../proxy/config/type-url.ts';
import { Wire } from '../../proxy/config/wire.ts';
import { RawXds, RawXdsClient } from '../../test/harness/raw-xds.ts';
import { listenXds, makeXdsServer } from './listen.ts';
import { PushServer } from './push-server.ts';
import { SnapshotBuilder } from './snapshot.ts';

const STEPS = 50;

test('the loop turns between the steps of a snapshot, which is made when all are done', async (t) => {
  let [steps, turns, snapshots, nowMs] = [0, 0, 0, 0];
  // Each look at the clock finds that 2 ms have passed.
  const clock = { nowMs: () => (nowMs += 2), wallMs: () => 0 };
  const wire = new Wire();
  const builder = new SnapshotBuilder(wire);
  const push = new PushServer({
    wire, clock, wheel: new TimerWheel(clock), log: { info: () => undefined, warning: () => undefined },
    * prepare() {
      const begun = snapshots;
      for (let i = 0; i < STEPS; i++) {
        assert.equal(snapshots, begun);
        steps++;
        yield;
      }
    },
    snapshotFor: () => {
      snapshots++;
      return builder.build({ clusters: [{ name: 'a' }] });
    },
  });
  const server = makeXdsServer(push);
  t.after(() => server.forceShutdown());
  const port = await listenXds(server, '127.0.0.1:0', ServerCredentials.createInsecure());
  using client = new RawXdsClient(new RawXds(), `127.0.0.1:${port}`);
  client.send({ type_url: CLUSTER_TYPE, resource_names_subscribe: [], node: { id: 'sidecar~1', cluster: 'test' } });
  client.ack(await client.next('Cluster'));
  assert.deepEqual([steps, snapshots], [STEPS, 1]);
  push.refresh();
  while (snapshots < 2) {
    turns++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(steps, 2 * STEPS);
  assert.ok(turns > STEPS / 5, `${turns} turns`);
});
