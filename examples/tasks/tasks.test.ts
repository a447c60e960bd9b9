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
import { folderOf, type Task } from './task.ts';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const ROOT = join(FOLDER, '../..');
const PAGE_LINES_MAX = 40;

const PODS = Array.from({ length: POD_COUNT }, (_, i) => ({
  ip: `127.9.9.${i + 1}`, inboundPort: 9080, appPort: 19_080, outboundPort: 15_001, adminPort: 15_000,
}));

test('the rules of each task are clean in the mesh that it needs', async (t) => {
  const applications = planApplications(PODS);
  for (const task of TASKS) {
    const used = task.needs.map((need) => applications[need]);
    const common = used.flatMap(({ files }) => files);
    if (task.isOpen !== true) common.push(`${FOLDER}apps/mesh.yaml`);
    const rules = rulesOf(task);
    for (const set of task.adds === true ? [rules] : rules.map((file) => [file])) {
      const folder = join(temporaryFolder(t), 'mesh');
      mkdirSync(folder);
      for (const file of [...common, ...set]) copyFileSync(file, join(folder, basename(file)));
      await writePods(folder, used.flatMap(({ workloads }) => workloads));
      const { errors, warnings } = await analyzeFolder(folder);
      assert.deepEqual([...errors, ...warnings].map(findingText), task.findings ?? [], set.join());
    }
  }
});

test('each file of rules is put in force by a step, and by a command of a page of one screen', () => {
  const found = globSync('{tasks/*,zero-trust}/task.ts', { cwd: join(FOLDER, '..') });
  const folders = found.map((file) => `examples/${dirname(file)}`);
  assert.deepEqual(TASKS.map(folderOf).toSorted(), folders.toSorted());
  for (const task of TASKS) {
    const page = readFileSync(join(ROOT, folderOf(task), 'README.md'), 'utf8');
    for (const screen of task.adds === true ? page.split('\n## ') : [page]) {
      assert.ok(screen.split('\n').length <= PAGE_LINES_MAX, `${task.name}/README.md is longer than a screen`);
    }
    const files = rulesOf(task).map((file) => basename(file));
    assert.deepEqual(task.steps.flatMap(({ file }) => file ?? []).toSorted(), files.toSorted());
    const place = task.adds === true ? '' : 'task.yaml';
    for (const file of files) assert.ok(page.includes(`$ cp ${folderOf(task)}/${file} $MESH/${place}`), file);
  }
});

function rulesOf(task: Task): string[] {
  return globSync('*.yaml', { cwd: join(ROOT, folderOf(task)) }).map((file) => join(ROOT, folderOf(task), file));
}
