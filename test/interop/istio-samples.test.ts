// Istio's own samples, as its Go module has them (samples/bookinfo and others), are accepted as they are: workloads
// are injected, objects of Istio's API are read, EnvoyFilters alone are refused. Runs where Go's cache has the module.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { injectManifest } from '../../control/inject/inject-manifest.ts';
import { INJECTION_DEFAULTS } from '../../control/inject/injection-settings.ts';
import { decodeObjects } from '../../control/model/decode-object.ts';
import { parseYaml } from '../../proxy/config/yaml-file.ts';
import { findProgram } from '../harness/peers.ts';

const MODULE = 'istio.io/istio@v0.0.0-20260827124520-eed52ebb66ad';

function samplesFolder(): string | undefined {
  const go = findProgram('go') ?? (existsSync('/usr/local/go/bin/go') ? '/usr/local/go/bin/go' : undefined);
  if (go === undefined) return undefined;
  const folder = join(execFileSync(go, ['env', 'GOMODCACHE'], { encoding: 'utf8' }).trim(), MODULE, 'samples');
  return existsSync(folder) ? folder : undefined;
}

const samples = samplesFolder();
const skip = samples === undefined ? `${MODULE} is not in Go's module cache` : false;

function texts(...patterns: readonly string[]): [string, string][] {
  return globSync(patterns as string[], { cwd: samples! }).toSorted()
    .map((file) => [file, readFileSync(join(samples!, file), 'utf8')]);
}

test('Bookinfo and its companions are injected as Istio ships them', { skip }, () => {
  const files = texts('bookinfo/platform/kube/bookinfo*.yaml', 'sleep/*.yaml', 'curl/*.yaml', 'httpbin/*.yaml',
    'helloworld/helloworld.yaml', 'tcp-echo/tcp-echo.yaml');
  assert.ok(files.length >= 10, files.map(([file]) => file).join());
  let injected = 0;
  for (const [file, text] of files) {
    if (/nodeport|gateway/.test(file)) continue;
    const workloads = text.match(/^kind: (Deployment|Pod)$/gm)?.length ?? 0;
    const result = injectManifest(text, file, INJECTION_DEFAULTS);
    assert.deepEqual(result.errors, [], file);
    assert.equal(result.injected + result.notes.length, workloads, file);
    injected += result.injected;
  }
  assert.ok(injected >= 15, String(injected));
});

test('the rules of Bookinfo\'s tasks are read as Istio ships them', { skip }, () => {
  for (const [file, text] of texts('bookinfo/networking/*.yaml', 'bookinfo/policy/*.yaml')) {
    const { documents, errors } = parseYaml(text, file);
    assert.deepEqual(errors, [], file);
    const others = decodeObjects(documents, file).errors.filter(({ object }) => object !== 'EnvoyFilter');
    assert.deepEqual(others, [], file);
  }
});
