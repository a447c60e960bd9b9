// Many proxies at one time (peer: grpc-js): they are served in turn, nobody for ever after others, and those who come
// back with what they have cost less than those who have nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { ServerCredentials } from '@grpc/grpc-js';
import { ManualClock, systemClock } from '../../proxy/base/clock.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import type { Cluster } from '../../proxy/config/cluster.ts';
import { CLUSTER_TYPE } from '../../proxy/config/type-url.ts';
import { Wire } from '../../proxy/config/wire.ts';
import { RawXds, RawXdsClient } from '../../test/harness/raw-xds.ts';
import { until } from '../../test/harness/until.ts';
import { listenXds, makeXdsServer } from './listen.ts';
import { PushServer } from './push-server.ts';
import { PushSlots } from './push-slots.ts';
import { SnapshotBuilder } from './snapshot.ts';

const xds = new RawXds();

class Control {
  readonly push: PushServer;
  clusters: readonly Cluster[];
  port = 0;

  constructor(clusters: readonly Cluster[], pushesMax: number) {
    this.clusters = clusters;
    const wire = new Wire();
    const builder = new SnapshotBuilder(wire);
    const quiet = (): void => undefined;
    this.push = new PushServer({
      wire, clock: systemClock, wheel: new TimerWheel(systemClock), log: { info: quiet, warning: quiet }, pushesMax,
      snapshotFor: () => builder.build({ clusters: this.clusters }),
    });
  }

  static async start(t: TestContext, clusters: readonly Cluster[], pushesMax: number): Promise<Control> {
    const control = new Control(clusters, pushesMax);
    const server = makeXdsServer(control.push);
    t.after(() => server.forceShutdown());
    control.port = await listenXds(server, '127.0.0.1:0', ServerCredentials.createInsecure());
    return control;
  }

  set(clusters: readonly Cluster[]): void {
    this.clusters = clusters;
    this.push.refresh();
  }
}

function connect(t: TestContext, { port }: Control, name: number, versions: Record<string, string> = {}): RawXdsClient {
  const client = new RawXdsClient(xds, `127.0.0.1:${port}`);
  t.after(() => client[Symbol.dispose]());
  const node = { id: `sidecar~${name}`, cluster: 'test' };
  client.send({ type_url: CLUSTER_TYPE, initial_resource_versions: versions, node });
  return client;
}

test('F02 proxies that connect together are pushed to a few at a time, in their order', async (t) => {
  const control = await Control.start(t, [{ name: 'a' }], 2);
  const clients: RawXdsClient[] = [];
  for (let i = 0; i < 5; i++) {
    clients.push(connect(t, control, i));
    await until('introduced', () => control.push.receipts.get(`sidecar~${i}`) !== undefined);
  }
  const has = (): boolean[] => clients.map(({ responses }) => responses.size > 0);
  await until('two are served', () => has().filter(Boolean).length === 2);
  assert.deepEqual([has(), control.push.counts.waiting, control.push.counts.pushing],
    [[true, true, false, false, false], 3, 2]);
  clients[1]!.ack(await clients[1]!.next('Cluster'));
  await until('the third is served', () => has()[2]!);
  // Who goes makes room as well.
  clients[0]![Symbol.dispose]();
  await until('the fourth is served', () => has()[3]!);
  assert.deepEqual(has().at(-1), false);
});

test('F25 changes that follow each other quickly leave nobody out', async (t) => {
  const control = await Control.start(t, [{ name: 'a' }], 1);
  const clients = [0, 1].map((i) => connect(t, control, i));
  for (const client of clients) client.ack(await client.next('Cluster'));
  await until('both have it', () => control.push.counts.accepted === 2 && control.push.counts.pushing === 0);
  control.set([{ name: 'b' }]);
  await until('one of them is told', () => clients.some(({ responses }) => responses.size > 0));
  const first = clients.findIndex(({ responses }) => responses.size > 0);
  control.set([{ name: 'c' }]);
  clients[first]!.ack(await clients[first]!.next('Cluster'));
  const response = await clients[1 - first]!.next('Cluster');
  assert.deepEqual(response.resources.map(({ name }) => name), ['c']);
});

test('F02 a proxy that does not answer keeps the others waiting for a limited time', () => {
  const clock = new ManualClock();
  const wheel = new TimerWheel(clock);
  let freed = 0;
  const slots = new PushSlots<string>({ clock, wheel, max: 1, onFree: () => { freed++; } });
  slots.take('silent');
  assert.equal(slots.free, false);
  clock.advance(6000);
  wheel.advance();
  assert.deepEqual([slots.free, slots.expired, freed], [true, 1, 1]);
  slots.give('silent');
  assert.equal(freed, 1);
});

const PROXIES = 100;
const CLUSTERS = 300;

/** Name to version, and bytes of resources, of what all were told; all at once. */
async function storm(
  t: TestContext, control: Control, versions: Record<string, string>,
): Promise<{ told: Record<string, string>; bytes: number; cpu: number }> {
  const before = process.cpuUsage();
  const isCold = Object.keys(versions).length === 0;
  const clients = Array.from({ length: PROXIES }, (_, i) => connect(t, control, i, versions));
  const responses = await Promise.all(clients.map(async (client) => {
    const response = await client.next('Cluster');
    client.ack(response);
    return response;
  }));
  await until('all are connected and settled', () => control.push.counts.pushing + control.push.counts.waiting === 0);
  const { user, system } = process.cpuUsage(before);
  for (const client of clients) client[Symbol.dispose]();
  const resources = responses.flatMap((response) => response.resources);
  assert.equal(resources.length, isCold ? PROXIES * CLUSTERS : 0);
  const told = Object.fromEntries(responses[0]!.resources.map(({ name, version }) => [name, version]));
  return { told, cpu: user + system, bytes: resources.reduce((sum, { resource }) => sum + resource.value.length, 0) };
}

test(`F02 ${PROXIES} proxies that come back cost the control plane less than a cold start`, async (t) => {
  const names = Array.from({ length: CLUSTERS }, (_, i) => ({ name: `outbound|80||svc-${i}.shop.svc.cluster.local` }));
  const control = await Control.start(t, names, 50);
  const cold = await storm(t, control, {});
  const warm = await storm(t, control, cold.told);
  assert.equal(warm.bytes, 0);
  assert.ok(warm.cpu < 2 * cold.cpu, `${warm.cpu} us against ${cold.cpu} us`);
});
