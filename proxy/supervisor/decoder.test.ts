// The decoder as a process: faults arrive with their places, its death is told, and the next job has another.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../../test/harness/openssl.ts';
import { ConfigError } from '../base/error.ts';
import { CLUSTER_TYPE } from '../config/type-url.ts';
import { Decoder } from './decoder.ts';

const EMPTY = {
  bootstrap: {}, bootstrapWallMs: 0, clusters: [], endpoints: [], listeners: [], routes: [], secrets: [],
} as const;

test('a bootstrap with its warnings, and faults with their places', async (t) => {
  const decoder = new Decoder();
  t.after(() => decoder.end());
  const file = join(temporaryFolder(t), 'bootstrap.yaml');
  writeFileSync(file, 'node: { id: a, metadata: { NAMESPACE: default } }\n');
  const { bootstrap } = await decoder.bootstrap(file);
  assert.deepEqual(bootstrap, { node: { id: 'a', metadata: { NAMESPACE: 'default' } } });
  writeFileSync(file, 'node: { id: 7 }\nstatic_resource: {}\n');
  await assert.rejects(decoder.bootstrap(file), ({ message }: Error) => {
    assert.match(message, /bootstrap\.yaml:1:\d+: node\.id: .*\n.*bootstrap\.yaml:2:1: static_resource: /);
    return true;
  });
});

test('a bad query of /config_dump is the caller\'s fault', async (t) => {
  const decoder = new Decoder();
  t.after(() => decoder.end());
  assert.equal((await decoder.configDump(EMPTY, new URLSearchParams())).status, 200);
  await assert.rejects(decoder.configDump(EMPTY, new URLSearchParams('name_regex=(')), ConfigError);
});

test('S103 a response stands or falls by its resources; a decoder that dies is told of, and replaced', async () => {
  const decoder = new Decoder();
  const resources = [
    { name: 'empty', version: '1', typeUrl: CLUSTER_TYPE, value: new Uint8Array() },
    { name: 'broken', version: '1', typeUrl: CLUSTER_TYPE, value: new Uint8Array([255]) },
  ];
  const ask = (): ReturnType<Decoder['response']> => decoder.response({ type: CLUSTER_TYPE, resources }, assert.fail);
  const { updated, refused } = await ask();
  assert.deepEqual([...updated, ...refused].map(({ name }) => name).toSorted(), ['broken', 'empty']);
  assert.ok(refused.some(({ name }) => name === 'broken'));
  const lost = ask();
  decoder.end();
  await assert.rejects(lost, /the decoder process ended \(SIGTERM\)/);
  assert.equal((await ask()).refused.length, refused.length);
  decoder.end();
});
