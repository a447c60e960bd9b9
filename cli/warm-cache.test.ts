// What `prepare` makes: the schema when it is missing or old; the compile cache, without running what it compiles.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadSchema } from '../proxy/config/wire-schema.ts';
import { temporaryFolder } from '../test/harness/openssl.ts';
import { makeSchema } from './xds-schema.ts';

const WARM = fileURLToPath(new URL('warm-cache.ts', import.meta.url));

test('the schema is made once, and again when what it was made from has changed', (t) => {
  const file = join(temporaryFolder(t), 'made', 'schema.json');
  assert.equal(makeSchema(file), true);
  assert.equal(makeSchema(file), false);
  const types = loadSchema(file);
  assert.ok(types.has('envoy.config.cluster.v3.Cluster'));
  assert.ok(types.has('stats.PluginConfig'));
  assert.ok(statSync(file).size < 200_000);
  assert.equal(readFileSync(file, 'utf8').includes('validate.rules'), false);
  writeFileSync(file, readFileSync(file, 'utf8').replace(/"inputs":"[0-9a-f]+"/, '"inputs":"old"'));
  assert.equal(makeSchema(file), true);
  writeFileSync(file, '{ "inputs": ');
  assert.equal(makeSchema(file), true);
});

/** In a process of its own, since a process has one cache. */
function warm(root: string, cache: string): { readonly files: number; readonly failed: readonly string[] } | null {
  const code = `const { warmCache } = await import(${JSON.stringify(WARM)});
    console.log(JSON.stringify(await warmCache(${JSON.stringify(root)}, ${JSON.stringify(cache)}) ?? null));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
  return JSON.parse(output) as ReturnType<typeof warm>;
}

test('the cache is filled without running anything, and left alone while nothing changes', (t) => {
  const root = temporaryFolder(t);
  const cache = join(root, 'cache');
  mkdirSync(join(root, 'cli'));
  writeFileSync(join(root, 'package-lock.json'), '{}');
  const entry = "import { part } from './part.ts';\nprocess.exit(part satisfies number);\n";
  writeFileSync(join(root, 'cli', 'entry.ts'), entry);
  writeFileSync(join(root, 'cli', 'part.ts'), 'export const part: number = 7;\nprocess.exit(8);\n');
  assert.deepEqual(warm(root, cache), { files: 2, failed: [] });
  assert.ok(readdirSync(cache).some((name) => name.startsWith('v')));
  assert.equal(warm(root, cache), null);
  writeFileSync(join(root, 'cli', 'broken.ts'), "import './missing.ts';\n");
  const { failed } = warm(root, cache)!;
  assert.equal(failed.length, 1);
  assert.match(failed[0]!, /^cli\/broken\.ts: Cannot find module .*missing\.ts/);
});
