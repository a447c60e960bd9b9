// `weft inject`: which documents of a text change, and that all others stay as they were written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { injectManifest } from './inject-manifest.ts';
import { INJECTION_DEFAULTS } from './injection-settings.ts';
import { isRecord, type Values } from './pod.ts';

const OTHER = '# kept\napiVersion: v1\nkind: Service   # odd\nmetadata:   { name: web }\nspec: {ports: [ 80 ]}\n';
const POD = 'metadata: { labels: { app: web } }\n';
const SPEC = '{ containers: [{ name: web, image: web }] }';

function run(text: string): ReturnType<typeof injectManifest> {
  return injectManifest(text, 'a.yaml', INJECTION_DEFAULTS);
}

function templated(kind: string, path: readonly string[]): string {
  const template = `{ ${POD.trim()}, spec: ${SPEC} }`;
  const spec = path.reduceRight((inner, name) => `{ ${name}: ${inner} }`, template);
  return `apiVersion: x/v1\nkind: ${kind}\nmetadata: { name: web }\nspec: ${spec}\n`;
}

test('pods of every kind that makes them are injected', () => {
  for (const kind of ['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet', 'Job']) {
    const { injected, text } = run(templated(kind, ['template']));
    assert.equal(injected, 1, kind);
    assert.match(text, /name: istio-proxy/);
  }
  assert.equal(run(templated('CronJob', ['jobTemplate', 'spec', 'template'])).injected, 1);
  const deployment = templated('Deployment', ['template']).replaceAll('\n', '\n  ');
  const list = `kind: List\napiVersion: v1\nitems:\n- ${deployment}`;
  const both = run(`${list}\n- {kind: ConfigMap, apiVersion: v1, metadata: {name: c}}\n`);
  assert.equal(both.injected, 1);
  assert.equal((parseAllDocuments(both.text)[0]!.toJSON() as { items: unknown[] }).items.length, 2);
});

test('what is no pod stays byte for byte, comments and empty documents too', () => {
  const text = `${OTHER}---\n# head\n${templated('Deployment', ['template'])}---\n\n---\n${OTHER}...\n`;
  const done = run(text);
  assert.ok(done.text.startsWith(`${OTHER}---\n# head\napiVersion: x/v1\n`), done.text.slice(0, 200));
  assert.ok(done.text.endsWith(`---\n\n---\n${OTHER}...\n`), done.text.slice(-200));
  assert.equal(run(OTHER).text, OTHER);
  assert.equal(run('').text, '');
});

test('a text that was injected is left as it is: twice is once', () => {
  const once = run(templated('Deployment', ['template'])).text;
  const twice = run(once);
  assert.equal(twice.text, once);
  assert.match(twice.notes[0] ?? '', /^a\.yaml:1: Deployment default\/web: it has its sidecar already/);
});

test('JSON stays JSON', () => {
  const spec = { containers: [{ name: 'c' }] };
  const json = JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec });
  const done = JSON.parse(run(json).text) as Values;
  assert.ok(isRecord(done['spec']) && Array.isArray(done['spec']['initContainers']));
});

test('faults have file and line, and then nothing is written', () => {
  const bad = `${OTHER}---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  annotations:\n`
    + '    sidecar.istio.io/proxyCPU: lots\nspec: { containers: [{ name: c }] }\n';
  const { text, errors } = run(bad);
  assert.equal(text, '');
  assert.deepEqual(errors, ['a.yaml:12: Pod default/p metadata.annotations.sidecar.istio.io/proxyCPU: '
    + 'must be a quantity such as 100m or 128Mi']);
  assert.match(run('kind: [').errors[0] ?? '', /^a\.yaml:1/);
  assert.match(run('kind: Pod\nspec: { containers: [{ name: 7 }] }').errors[0] ?? '', /^a\.yaml:2: Pod .*must be text/);
});

test('a text in which any byte is missing is refused or read, and never throws', () => {
  const whole = `${templated('Deployment', ['template'])}---\n${OTHER}`;
  for (let at = 0; at < whole.length; at += 3) {
    const cut = run(whole.slice(0, at) + whole.slice(at + 1));
    assert.ok(cut.errors.length > 0 || cut.text.length > 0);
  }
});
