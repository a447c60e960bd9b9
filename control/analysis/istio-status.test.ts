// What Istio's objects are told: in force, in force with warnings, or refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inventoryOf, serviceYaml } from '../../test/harness/mesh-fixture.ts';
import { findingAt } from '../model/mesh-object.ts';
import { istioStatuses } from './istio-status.ts';

const RULES = ['good', 'odd', 'stale'].map((name) => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: default, generation: 3 }
spec: { hosts: [${name}], http: [{ route: [{ destination: { host: ${name} } }] }] }`).join('');

test('each object of Istio has a status, and Kubernetes\' own have none', () => {
  const inventory = inventoryOf(serviceYaml('web') + RULES);
  const objects = [...inventory.list('Service'), ...inventory.list('VirtualService')];
  const odd = inventory.get('VirtualService', 'default', 'odd')!;
  const refused = ['stale', 'never'].map((name) => ({
    file: `kubernetes:VirtualService/default/${name}`, sinceMs: 0, servedObjects: 0,
    object: { kind: 'VirtualService' as const, namespace: 'default', name, generation: 4 },
    errors: [{ where: '', object: `VirtualService default/${name}`, path: 'spec.http', reason: 'is bad' }],
  }));
  const statuses = istioStatuses({ objects, refused, warnings: [], units: 0 }, [
    findingAt(odd, ['spec', 'hosts', 0], 'nobody has it'),
    { ...findingAt(odd, ['spec', 'http'], 'reaches nobody'), level: 'error' },
  ]);
  const told = Object.fromEntries(statuses.map(({ object, status }) => [object.name, status])) as
    Record<string, { conditions: Record<string, unknown>[]; validationMessages: { level: string }[] }>;
  assert.deepEqual(Object.keys(told).sort(), ['good', 'never', 'odd', 'stale']);
  const [good, bad] = [told['good']!.conditions[0], told['stale']!.conditions[0]];
  assert.deepEqual(good, {
    type: 'Reconciled', status: 'True', reason: 'InForce', message: '', observedGeneration: 3,
  });
  assert.deepEqual(bad, {
    type: 'Reconciled', status: 'False', reason: 'Refused', message: 'spec.http: is bad', observedGeneration: 4,
  });
  assert.deepEqual(told['odd']!.validationMessages.map(({ level }) => level), ['WARNING', 'ERROR']);
  assert.equal(told['odd']!.conditions[0]!['message'], 'spec.hosts[0]: nobody has it\nspec.http: reaches nobody');
});
