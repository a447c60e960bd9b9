// The manifests of the installation: what is generated is up to date, and rights are those that the source needs.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { watchedResources } from '../source/kube-resource.ts';
import { crdManifest } from './crd.ts';

const BASE = new URL('base/', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, BASE), 'utf8');

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

test('base/crds.yaml is what the declarations say; "npm run build:crds" writes it', () => {
  assert.equal(read('crds.yaml'), crdManifest());
});

test('the control plane may list and watch every resource that it watches', () => {
  const documents = parseAllDocuments(read('rights.yaml')).map((document) => document.toJSON() as {
    kind: string; rules?: Rule[] });
  const rules = documents.find(({ kind }) => kind === 'ClusterRole')?.rules ?? [];
  for (const { group, plural } of watchedResources('istio-system')) {
    const may = rules.some(({ apiGroups, resources, verbs }) => (
      apiGroups.includes(group) && resources.includes(plural) && verbs.includes('list') && verbs.includes('watch')));
    assert.ok(may, `${plural}.${group}`);
  }
  const wild = rules.filter(({ apiGroups, resources, verbs }) => [...apiGroups, ...resources, ...verbs].includes('*'));
  assert.deepEqual(wild, [], 'no right to everything');
});

test('every file of the installation is in its kustomization', () => {
  const { resources } = parseAllDocuments(read('kustomization.yaml'))[0]!.toJSON() as { resources: string[] };
  assert.deepEqual(resources.toSorted(), readdirSync(BASE).filter((file) => file !== 'kustomization.yaml').toSorted());
});
