// Who leads and what is written back: leases that run out by one's own clock, and statuses written once.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ManualClock, systemClock } from '../../proxy/base/clock.ts';
import { SeededRandom } from '../../proxy/base/random.ts';
import { until } from '../../test/harness/until.ts';
import { WatchApi, type ApiObject } from '../../test/harness/watch-api.ts';
import { KubeClient } from './kube-client.ts';
import { LeaseElection, type LeaseElectionOptions } from './lease-election.ts';
import { mergedStatus, StatusWriter, type StatusWriterOptions, type WantedStatus } from './status-writer.ts';

const NOWHERE = { info: (): void => undefined, warning: (): void => undefined };

async function clientOf(t: TestContext, api: WatchApi): Promise<KubeClient> {
  const client = await KubeClient.load({ kubeconfig: api.kubeconfig() });
  t.after(() => client.close());
  return client;
}

async function candidate(
  t: TestContext, api: WatchApi, identity: string, options: Partial<LeaseElectionOptions> = {},
): Promise<LeaseElection> {
  const election = new LeaseElection({
    client: await clientOf(t, api), namespace: 'istio-system', name: 'leader', identity, clock: systemClock,
    random: new SeededRandom(3), log: NOWHERE, onChange: () => undefined,
    leaseMs: 1000, deadlineMs: 700, retryMs: 20, ...options,
  });
  t.after(() => election.close());
  election.start();
  return election;
}

test('F30 of two that want to lead one does, and the other when the first is gone (node:http)', async (t) => {
  const api = await WatchApi.start(t);
  const one = await candidate(t, api, 'one');
  await until('one leads', () => one.isLeading);
  const two = await candidate(t, api, 'two');
  await until('two has asked', () => api.calls.filter(({ method }) => method === 'GET').length > 20);
  assert.deepEqual([one.isLeading, two.isLeading], [true, false]);
  await one.close();
  await until('two leads', () => two.isLeading);
  assert.equal(one.isLeading, false);
});

test('F30 a leader that cannot renew leads no more before its lease is over', async (t) => {
  const api = await WatchApi.start(t);
  const changes: boolean[] = [];
  const one = await candidate(t, api, 'one', { onChange: (isLeading) => changes.push(isLeading) });
  await until('one leads', () => one.isLeading);
  api.refuseAll = 503;
  await until('it leads no more', () => !one.isLeading && changes.length === 2);
  api.refuseAll = undefined;
  await until('it leads again', () => one.isLeading);
  assert.deepEqual(changes, [true, false, true]);
});

test('F30 another\'s lease is over by one\'s own clock, whatever time is written in it', async (t) => {
  const api = await WatchApi.start(t);
  const lease = (renewTime: string): ApiObject => ({
    apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'leader', namespace: 'istio-system' },
    spec: { holderIdentity: 'other', leaseDurationSeconds: 60, renewTime },
  });
  api.put(lease('1999-01-01T00:00:00.000000Z'));
  const clock = new ManualClock();
  const one = await candidate(t, api, 'one', { clock });
  const asked = async (more: number): Promise<void> => {
    const goal = api.calls.length + more;
    await until('asked', () => api.calls.length >= goal);
  };
  await asked(3);
  assert.equal(one.isLeading, false, 'a time long ago is no proof');
  clock.advance(59_000);
  api.put(lease('2999-01-01T00:00:00.000000Z'));
  await asked(3);
  clock.advance(59_000);
  await asked(3);
  assert.equal(one.isLeading, false, 'it was renewed');
  clock.advance(1100);
  await until('it leads', () => one.isLeading);
});

test('of many that want to lead at once never two do', async (t) => {
  const api = await WatchApi.start(t);
  let leading = 0;
  let most = 0;
  const onChange = (isLeading: boolean): void => {
    leading += isLeading ? 1 : -1;
    most = Math.max(most, leading);
  };
  const all = await Promise.all(Array.from({ length: 8 }, (_, at) => candidate(t, api, `c${at}`, { onChange })));
  for (let left = all.length; left > 0; left--) {
    await until('one leads', () => all.some(({ isLeading }) => isLeading));
    await all.find(({ isLeading }) => isLeading)!.close();
  }
  assert.equal(most, 1);
});

const rule = (name: string, more: object = {}): ApiObject => ({
  apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name, namespace: 'default' }, ...more,
});

function wanted(name: string, status: 'True' | 'False' = 'True', message = ''): WantedStatus {
  return {
    object: { kind: 'VirtualService', namespace: 'default', name },
    status: { conditions: [{ type: 'Reconciled', status, reason: 'InForce', message }] },
  };
}

async function writerOf(
  t: TestContext, api: WatchApi, options: Partial<StatusWriterOptions> = {},
): Promise<StatusWriter> {
  const writer = new StatusWriter({
    client: await clientOf(t, api), clock: systemClock, log: NOWHERE, isLeading: () => true, versionOf: () => 'v1',
    writesPerSecond: 1000, retryMs: 50, ...options,
  });
  t.after(() => writer.close());
  return writer;
}

const patches = (api: WatchApi): (ApiObject | undefined)[] =>
  api.calls.filter(({ method }) => method === 'PATCH').map(({ body }) => body);

test('a status is written once, and again when it is another', async (t) => {
  const api = await WatchApi.start(t);
  for (const name of ['a', 'b']) api.put(rule(name));
  const writer = await writerOf(t, api);
  writer.want([wanted('a'), wanted('b')]);
  await until('both', () => patches(api).length === 2 && writer.counts.waiting === 0);
  writer.want([wanted('a'), wanted('b')]);
  writer.restart();
  await until('all are read', () => writer.counts.waiting === 0);
  assert.equal(patches(api).length, 2, 'what is there already is not written');
  writer.want([wanted('a', 'False', 'it is bad'), wanted('b')]);
  await until('a', () => patches(api).length === 3 && writer.counts.waiting === 0);
  assert.match(JSON.stringify(patches(api)[2]), /it is bad.*"lastTransitionTime":"20/);
});

test('an object that was deleted and made again at once has its status too', async (t) => {
  const api = await WatchApi.start(t);
  const writer = await writerOf(t, api);
  for (const [count, uid] of ['one', 'two'].entries()) {
    api.put(rule('a'));
    const status = wanted('a');
    writer.want([{ ...status, object: { ...status.object, body: { metadata: { uid } } } }]);
    await until('written', () => patches(api).length === count + 1 && writer.counts.waiting === 0, 2000);
  }
});

test('who does not lead writes nothing, and all of it as soon as it does', async (t) => {
  const api = await WatchApi.start(t);
  api.put(rule('a'));
  let isLeading = false;
  const writer = await writerOf(t, api, { isLeading: () => isLeading });
  writer.want([wanted('a')]);
  assert.equal(writer.counts.waiting, 1);
  assert.equal(api.calls.length, 0);
  isLeading = true;
  writer.restart();
  await until('written', () => patches(api).length === 1);
});

test('an object that is gone is tried again later, and holds up none of the others', async (t) => {
  const api = await WatchApi.start(t);
  api.put(rule('b'));
  const writer = await writerOf(t, api);
  writer.want([wanted('a'), wanted('b')]);
  await until('b', () => patches(api).length === 1);
  assert.ok(writer.counts.failures > 0);
  api.put(rule('a'));
  await until('a', () => patches(api).length === 2);
});

test('writes are no more in a second than they may be', async (t) => {
  const api = await WatchApi.start(t);
  for (let i = 0; i < 6; i++) api.put(rule(`r${i}`));
  const writer = await writerOf(t, api, { writesPerSecond: 20 });
  const startMs = performance.now();
  writer.want(Array.from({ length: 6 }, (_, i) => wanted(`r${i}`)));
  await until('all', () => patches(api).length === 6);
  assert.ok(performance.now() - startMs >= 240, 'five pauses of 50 ms, less what timers round');
});

test('what others say in a status stays, and a condition that says the same keeps its time', () => {
  const present = {
    conditions: [
      { type: 'Reconciled', status: 'True', lastTransitionTime: 'then' }, { type: 'Theirs', status: 'True' },
    ],
    parents: [
      { controllerName: 'theirs', parentRef: { name: 'x' }, conditions: [] },
      { controllerName: 'ours', parentRef: { name: 'old' }, conditions: [] },
      { controllerName: 'ours', parentRef: { name: 'g' },
        conditions: [{ type: 'Accepted', status: 'False', lastTransitionTime: 'then' }] },
    ],
    addresses: [{ value: '1' }],
  };
  const merged = mergedStatus({
    conditions: [{ type: 'Reconciled', status: 'True', message: 'm' }],
    parents: [{ controllerName: 'ours', parentRef: { name: 'g' }, conditions: [{ type: 'Accepted', status: 'True' }] }],
  }, present, 'now');
  assert.deepEqual(merged, {
    conditions: [
      { type: 'Theirs', status: 'True' },
      { type: 'Reconciled', status: 'True', message: 'm', lastTransitionTime: 'then' },
    ],
    parents: [
      { controllerName: 'theirs', parentRef: { name: 'x' }, conditions: [] },
      { controllerName: 'ours', parentRef: { name: 'g' },
        conditions: [{ type: 'Accepted', status: 'True', lastTransitionTime: 'now' }] },
    ],
    addresses: [{ value: '1' }],
  });
});
