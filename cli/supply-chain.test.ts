// What the package is made of (threats.md S98): the lockfile has each part's digest, and nothing runs by itself.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Part {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

const read = (file: string): unknown => JSON.parse(readFileSync(`${ROOT}${file}`, 'utf8'));
const lock = read('package-lock.json') as { readonly packages: Readonly<Record<string, Part>> };
const parts = Object.entries(lock.packages).filter(([path]) => path !== '');
const manifest = read('package.json') as Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;

/** A new one needs a reason: what it does better than we would, and what it costs. */
const RUNTIME = [
  '@grpc/grpc-js', '@kubernetes/client-node', '@opentelemetry/api', '@opentelemetry/exporter-trace-otlp-http',
  '@opentelemetry/exporter-zipkin', '@opentelemetry/sdk-trace-node',
  'dns-packet', 'jose', 'node-forge', 'openid-client', 'prom-client', 'protobufjs', 're2js', 'typebox', 'undici',
  'yaml',
];

/** They only say which of their versions is old; the package works without. */
const SCRIPTS = ['node_modules/@grpc/proto-loader/node_modules/protobufjs'];

test('S98 what runs is what was decided on, in exact versions', () => {
  assert.deepEqual(Object.keys(manifest['dependencies'] ?? {}).filter((name) => !RUNTIME.includes(name)), []);
  for (const group of ['dependencies', 'devDependencies', 'optionalDependencies']) {
    for (const [name, version] of Object.entries(manifest[group] ?? {})) {
      assert.match(version, /^\d+\.\d+\.\d+(?:-[\w.]+)?$/, `${group}: ${name} ${version}`);
    }
  }
});

test('S98 each part has its digest, and comes from the registry that the user has', () => {
  assert.ok(parts.length > 50);
  for (const [path, { integrity = '', resolved, link }] of parts) {
    assert.match(integrity, /^sha512-[A-Za-z0-9+/]{86}==$/, path);
    assert.deepEqual([resolved, link], [undefined, undefined], path);
  }
});

test('S98 nothing of what runs needs a script at installation', () => {
  const scripted = parts.filter(([, part]) => part.hasInstallScript === true && part.dev !== true);
  assert.deepEqual(scripted.map(([path]) => path), SCRIPTS);
});

test('S98 npm makes a bill of materials of it', (t) => {
  // Not --omit dev: npm leaves out what development and the program have in common.
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
  const { status, stdout, error } = spawnSync('npm', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (error !== undefined) return t.skip('npm is not on the path');
  assert.equal(status, 0);
  const { components } = JSON.parse(stdout) as { components: readonly { name: string }[] };
  const names = new Set(components.map(({ name }) => name));
  for (const name of Object.keys(manifest['dependencies'] ?? {})) assert.ok(names.has(name), name);
});
