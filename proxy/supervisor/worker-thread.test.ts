// A real worker thread: takes configuration one slice at a time, and answers for all of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { NamedCounts } from '../base/named-counts.ts';
import { SharedBuckets } from '../base/shared-buckets.ts';
import { SharedHosts } from '../base/shared-hosts.ts';
import { SharedCounts } from '../base/shared-counts.ts';
import type { Cluster } from '../config/cluster.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { WorkerThread } from './worker-thread.ts';

const START = {
  workerIndex: 0, workerCount: 1, breakerCounts: new SharedArrayBuffer(SharedCounts.bytesFor(1, 1)),
  namedCounts: new SharedArrayBuffer(NamedCounts.bytesFor(1)), hosts: new SharedArrayBuffer(SharedHosts.headerBytes),
  tokenBuckets: new SharedArrayBuffer(SharedBuckets.bytes), heartbeats: new SharedArrayBuffer(4),
  connectionsMax: Infinity, reusePort: false, logLevel: 'off',
  node: { id: 'n', cluster: 'c', metadata: {} }, tracing: undefined, zone: undefined,
};

/** A host name, which no cluster of this type may have, makes every hundredth one wrong. */
function clusterOf(i: number): Cluster {
  const address = i % 100 === 99 ? 'not-an-address' : '127.0.0.1';
  const endpoint = { address: { socketAddress: { address, portValue: 1 } } };
  const name = `c${i}`;
  return { name, type: 'STATIC', loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ endpoint }] }] } };
}

test('S85 a worker has one slice at a time, so that requests pass before the next', async (t) => {
  let waiting = 0;
  let most = 0;
  let slices = 0;
  const { postMessage } = Worker.prototype;
  t.mock.method(Worker.prototype, 'postMessage', function post(this: Worker, message: ToWorker): void {
    if (message.kind === 'config' || message.kind === 'virtual-hosts') {
      slices++;
      most = Math.max(most, ++waiting);
      const onAnswer = (answer: FromWorker): void => {
        if (answer.kind !== 'applied' || answer.id !== message.id) return;
        waiting--;
        this.off('message', onAnswer);
      };
      this.prependListener('message', onAnswer);
    }
    postMessage.call(this, message);
  });
  const thread = new WorkerThread(START, { onMessage: () => undefined, onEnd: () => undefined });
  t.after(() => thread.terminate());
  const clusters = Array.from({ length: 1000 }, (_, i) => clusterOf(i));
  const updated = clusters.map((resource) => ({ name: resource.name, resource }));
  const { refused } = await thread.apply({ kind: 'cluster', updated, removed: [] });
  assert.equal(most, 1);
  assert.ok(slices >= 10, `${slices} slices`);
  assert.deepEqual(refused.map(({ name }) => name), clusters.filter((_, i) => i % 100 === 99).map(({ name }) => name));

  const route = { cluster: 'c0' };
  const virtualHosts = Array.from({ length: 1000 }, (_, i) => (
    { name: `v${i}`, domains: [i === 999 ? 'd0' : `d${i}`], routes: [{ match: { prefix: '/' }, route }] }));
  const table = { name: 'r', resource: { name: 'r', virtualHosts } };
  const answer = await thread.apply({ kind: 'route', updated: [table], removed: [] });
  assert.equal(most, 1);
  assert.match(answer.refused[0]?.reason ?? '', /virtualHosts\[999\]\.domains\[0\]/);
});
