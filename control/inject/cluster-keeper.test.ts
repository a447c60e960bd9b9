// What is kept in a cluster: roots in webhooks and namespaces, written where they differ and nowhere else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../test/harness/until.ts';
import { ClusterKeeper } from './cluster-keeper.ts';
import type { PatchOperation } from './json-patch.ts';

class NotFound extends Error {
  readonly status = 404;
}

/** An API server that remembers ConfigMaps and webhooks. */
class Cluster {
  readonly calls: string[] = [];
  readonly configMaps = new Map<string, string>();
  webhook: object | undefined = {
    metadata: { name: 'weft', resourceVersion: '7' },
    webhooks: [{ name: 'a', clientConfig: { service: { name: 's' } } }, { name: 'b',
      clientConfig: { caBundle: 'old' } }],
  };
  patch: readonly PatchOperation[] = [];
  fault: Error | undefined = undefined;

  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    this.calls.push(`${method} ${path}`);
    if (this.fault !== undefined) throw this.fault;
    if (path.startsWith('/apis/')) {
      if (this.webhook === undefined || path.includes('validating')) throw new NotFound('not found');
      if (method === 'PATCH') this.patch = body as PatchOperation[];
      return this.webhook;
    }
    if (path.startsWith('/api/v1/namespaces?')) {
      const names = path.includes('continue') ? ['b'] : ['kube-system', 'a'];
      return { items: names.map((name) => ({ metadata: { name } })), metadata: path.includes('continue') ? {}
        : { continue: 'next' } };
    }
    const [, namespace = ''] = /namespaces\/([^/]+)\//.exec(path) ?? [];
    const text = this.configMaps.get(namespace);
    if (method === 'GET' && text === undefined) throw new NotFound('not found');
    if (method !== 'GET') this.configMaps.set(namespace, (body as { data: Record<string,
      string> }).data['root-cert.pem']!);
    return { data: { 'root-cert.pem': text } };
  }
}

test('roots go to every webhook and namespace, once, and again when they change', async () => {
  const cluster = new Cluster();
  const lines: string[] = [];
  let roots = 'ROOT';
  const keeper = new ClusterKeeper({
    api: cluster, webhookName: 'weft', roots: () => roots, ignored: new Set(['kube-system']),
    log: { info: (line) => lines.push(line), warning: (line) => lines.push(line) },
  });
  await keeper.keep();
  assert.deepEqual([...cluster.configMaps], [['a', 'ROOT'], ['b', 'ROOT']]);
  const [test1, ...patch] = cluster.patch;
  assert.deepEqual(test1, { op: 'test', path: '/metadata/resourceVersion', value: '7' });
  assert.match(JSON.stringify(patch), /"caBundle":"Uk9PVA=="/);
  const before = cluster.calls.length;
  cluster.webhook = undefined;
  await keeper.keep();
  assert.equal(cluster.calls.slice(before).filter((call) => !call.startsWith('GET')).length, 0, cluster.calls.join());
  roots = 'NEW';
  await keeper.keep();
  assert.equal(cluster.configMaps.get('b'), 'NEW');
});

test('a webhook that is installed later has the roots before the next look', async () => {
  const cluster = new Cluster();
  const { webhook } = cluster;
  cluster.webhook = undefined;
  const keeper = new ClusterKeeper({
    api: cluster, webhookName: 'weft', roots: () => 'ROOT', ignored: new Set(), againMs: 5,
    log: { info: () => undefined, warning: assert.fail },
  });
  keeper.start();
  await until('it looked for the webhook again', () => (
    cluster.calls.filter((call) => call.includes('mutating')).length > 1));
  cluster.webhook = webhook;
  await until('it has the roots', () => cluster.patch.length > 0);
  await keeper.close();
  assert.equal(cluster.calls.filter((call) => call.startsWith('GET /api/v1/namespaces?')).length, 2, 'one look');
});

test('a cluster that says no is told of once, and again when it says yes', async () => {
  const cluster = new Cluster();
  const lines: string[] = [];
  const keeper = new ClusterKeeper({
    api: cluster, webhookName: 'weft', roots: () => 'ROOT', ignored: new Set(),
    log: { info: (line) => lines.push(line), warning: (line) => lines.push(line) },
  });
  cluster.fault = new Error('namespaces is forbidden');
  await keeper.keep();
  await keeper.keep();
  assert.equal(lines.length, 3, lines.join('\n'));
  cluster.fault = undefined;
  await keeper.keep();
  assert.equal(lines.filter((line) => line.endsWith('kept again')).length, 3);
});
