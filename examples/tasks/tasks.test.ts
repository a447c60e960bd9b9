// The files of the tasks, without running them: each is clean where it is put, used by a step, and told by its page.
import assert from 'node:assert/strict';
import { copyFileSync, globSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { analyzeFolder } from '../../control/analysis/analysis.ts';
import { findingText } from '../../control/model/mesh-object.ts';
import { temporaryFolder } from '../../test/harness/openssl.ts';
import { writePods } from '../demo/mesh-directory.ts';
import { POD_COUNT, planApplications } from './applications.ts';
import { TASKS } from './run.ts';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const PAGE_LINES_MAX = 40;

const PODS = Array.from({ length: POD_COUNT }, (_, i) => ({
  ip: `127.9.9.${i + 1}`, inboundPort: 9080, appPort: 19_080, outboundPort: 15_001, adminPort: 15_000,
}));

test('the rules of each task are clean in the mesh that it needs', async (t) => {
  const applications = planApplications(PODS);
  for (const { name, needs } of TASKS) {
    const used = needs.map((need) => applications[need]);
    for (const rules of globSync(`${name}/*.yaml`, { cwd: FOLDER })) {
      const folder = join(temporaryFolder(t), 'mesh');
      mkdirSync(folder);
      for (const file of used.flatMap(({ files }) => files)) copyFileSync(file, join(folder, basename(file)));
      copyFileSync(join(FOLDER, 'apps/mesh.yaml'), join(folder, 'mesh.yaml'));
      copyFileSync(join(FOLDER, rules), join(folder, 'task.yaml'));
      await writePods(folder, used.flatMap(({ workloads }) => workloads));
      const { errors, warnings } = await analyzeFolder(folder);
      assert.deepEqual([...errors, ...warnings].map(findingText), [], rules);
    }
  }
});

test('each file of rules is put in force by a step, and by a command of a page of one screen', () => {
  const folders = globSync('*/task.ts', { cwd: FOLDER }).map((file) => dirname(file));
  assert.deepEqual(TASKS.map(({ name }) => name).toSorted(), folders.toSorted());
  for (const { name, steps } of TASKS) {
    const page = readFileSync(join(FOLDER, name, 'README.md'), 'utf8');
    assert.ok(page.split('\n').length <= PAGE_LINES_MAX, `${name}/README.md is longer than a screen`);
    const files = globSync('*.yaml', { cwd: join(FOLDER, name) });
    assert.deepEqual(steps.flatMap(({ file }) => file ?? []).toSorted(), files.toSorted());
    for (const file of files) assert.ok(page.includes(`$ cp examples/tasks/${name}/${file} $MESH/task.yaml`), file);
  }
});
