// The indexes of rules and workloads find what a look at all of them would.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inventoryOf } from '../../test/harness/mesh-fixture.ts';
import { workloadsOf } from './pod-workload.ts';
import { Registry } from './registry.ts';

const rule = (name: string, namespace: string, host: string): string => `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}, namespace: ${namespace} }
spec: { host: "${host}" }
`;

test('DestinationRules of a host: by its full name, then by wildcards, of one namespace or of all', () => {
  const inventory = inventoryOf([
    rule('short', 'shop', 'reviews'), rule('wild', 'shop', '*.shop.svc.cluster.local'),
    rule('other', 'shop', 'ratings'),
    rule('full', 'root', 'reviews.shop.svc.cluster.local'), rule('again', 'shop', 'reviews.shop.svc.cluster.local'),
  ].join(''));
  const { destinationRules } = new Registry(inventory, 'cluster.local');
  const names = (rules: readonly { readonly name: string }[]): string[] => rules.map(({ name }) => name);
  const host = 'reviews.shop.svc.cluster.local';
  assert.deepEqual(names(destinationRules.covering('shop', host)), ['again', 'short', 'wild']);
  assert.deepEqual(names(destinationRules.covering('root', host)), ['full']);
  assert.deepEqual(names(destinationRules.covering('none', host)), []);
  assert.deepEqual(names(destinationRules.coveringAnywhere(host)), ['again', 'short', 'wild', 'full']);
});

const pod = (name: string, namespace: string, ip: string, labels: string): string => `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: ${labels} }
status: { podIP: ${ip}, phase: Running }
`;

test('workloads by labels, name and address, within their namespace', () => {
  const index = workloadsOf(inventoryOf([
    pod('a-1', 'shop', '10.0.0.1', '{ app: a, version: v1 }'),
    pod('a-2', 'shop', '10.0.0.2', '{ app: a, version: v2 }'),
    pod('b-1', 'shop', '10.0.0.2', '{ app: b, version: v1 }'), pod('a-1', 'other', '10.0.0.4', '{ app: a }'),
  ].join('')));
  const names = (labels: Record<string, string>, namespace = 'shop'): string[] =>
    index.podsWith(namespace, new Map(Object.entries(labels))).map((workload) => workload.name);
  assert.deepEqual(names({ app: 'a' }), ['a-1', 'a-2']);
  assert.deepEqual(names({ version: 'v1', app: 'b' }), ['b-1']);
  assert.deepEqual(names({ app: 'a', tier: 'x' }), []);
  assert.deepEqual(names({}), ['a-1', 'a-2', 'b-1']);
  assert.deepEqual(names({ app: 'a' }, 'other'), ['a-1']);
  assert.equal(index.pod('other', 'a-1')?.address, '10.0.0.4');
  assert.equal(index.podAt('shop', '10.0.0.1')?.name, 'a-1');
  assert.equal(index.podAt('shop', '10.0.0.2'), undefined);
});
