// A batch in slices: everything once and in order, and no slice that holds a worker for long.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meshOf } from '../../bench/scale/mesh.ts';
import type { RouteConfiguration } from '../config/route.ts';
import { SLICE_COST, slicesOf } from './config-slices.ts';
import type { ConfigSlice } from './config-slices.ts';
import type { ConfigBatch, ResourceKind } from './messages.ts';

const { clusters = [], endpoints = [], routes = [] } = meshOf({ clusters: 10_000, endpoints: 5 }, {
  listener: 1, upstream: 2,
});

function batchOf(kind: ResourceKind, resources: readonly object[], nameOf: (it: never) => string): ConfigBatch {
  return { kind, updated: resources.map((resource) => ({ name: nameOf(resource as never), resource })), removed: [] };
}

const MESH: readonly ConfigBatch[] = [
  batchOf('cluster', clusters, ({ name }: { name: string }) => name),
  batchOf('endpoints', endpoints, ({ clusterName }: { clusterName: string }) => clusterName),
  batchOf('route', routes, ({ name }: { name: string }) => name),
];

const updatedOf = (slices: readonly ConfigSlice[]) => slices.flatMap((slice) => (
  slice.kind === 'config' ? slice.batch.updated : []));

test('S85 of 10,000 clusters, 50,000 endpoints and 10,000 virtual hosts a worker takes a hundredth at once', () => {
  for (const batch of MESH) {
    const slices = [...slicesOf(batch)];
    const things = slices.map((slice) => (
      slice.kind === 'virtual-hosts' ? slice.hosts.length : slice.batch.updated.length));
    assert.ok(things.every((count) => count <= 100), `${batch.kind}: ${Math.max(...things)}`);
    assert.ok(slices.length <= 10_000 * 7 / SLICE_COST + 2, `${batch.kind}: ${slices.length} slices`);
  }
});

test('everything comes once and in order, what is removed last', () => {
  const removed = Array.from({ length: 300 }, (_, i) => `gone-${i}`);
  for (const batch of MESH.slice(0, 2)) {
    const slices = [...slicesOf({ ...batch, removed })];
    assert.deepEqual(updatedOf(slices), batch.updated);
    const tail = slices.map((slice) => (slice.kind === 'config' ? slice.batch.removed : []));
    assert.deepEqual(tail.flat(), removed);
    const first = tail.findIndex((names) => names.length > 0);
    assert.equal(updatedOf(slices.slice(first + 1)).length, 0);
  }
});

test('the virtual hosts of a large table come before it, those of a small one with it', () => {
  const [batch] = MESH.slice(2);
  const small = { name: 'small', resource: { name: 'small', virtualHosts: [] } };
  const slices = [...slicesOf({ ...batch!, updated: [small, ...batch!.updated, small] })];
  const hosts = slices.flatMap((slice) => (slice.kind === 'virtual-hosts' ? slice.hosts : []));
  const table = routes[0] as RouteConfiguration;
  assert.deepEqual(hosts, table.virtualHosts);
  assert.deepEqual(updatedOf(slices), [{ name: 'r', resource: { name: 'r' } }, small, small]);
  const last = slices.findLastIndex(({ kind }) => kind === 'virtual-hosts');
  assert.deepEqual(updatedOf(slices.slice(0, last)), []);
});

test('an empty batch is one slice, so that a worker answers', () => {
  assert.deepEqual([...slicesOf({ kind: 'cluster', updated: [], removed: [] })], [
    { kind: 'config', batch: { kind: 'cluster', updated: [], removed: [] } },
  ]);
});

test('of a table with one virtual host more a worker that has the others gets that one', () => {
  const [table] = routes as [RouteConfiguration];
  const more = { ...table, virtualHosts: [...table.virtualHosts!, { name: 'new', domains: ['new'] }] };
  const batch = batchOf('route', [more], ({ name }: { name: string }) => name);
  const slices = [...slicesOf(batch, (name) => (name === 'r' ? table : undefined))];
  assert.deepEqual(slices, [
    {
      kind: 'virtual-hosts', route: 'r',
      hosts: [{ from: 0, count: table.virtualHosts!.length }, { name: 'new', domains: ['new'] }],
    },
    { kind: 'config', batch: { kind: 'route', updated: [{ name: 'r', resource: { name: 'r' } }], removed: [] } },
    { kind: 'config', batch: { kind: 'route', updated: [], removed: [] } },
  ]);
});
