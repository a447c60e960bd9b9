// Istio's documentation tasks as a user runs them: every step of their checks, every command of their pages, Ctrl-C.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { environment } from '../../examples/tasks/environment.ts';
import { commandsOf, isPrinted, printed } from '../../examples/tasks/page-commands.ts';
import { checkTasks, TASKS } from '../../examples/tasks/run.ts';
import { TaskMesh } from '../../examples/tasks/task-mesh.ts';
import { folderOf } from '../../examples/tasks/task.ts';
import type { Task } from '../../examples/tasks/task.ts';
import { findProgram, reasonToSkip } from '../harness/peers.ts';
import { ServerProcess } from '../harness/process.ts';
import { processesOf } from '../harness/processes.ts';
import { until } from '../harness/until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const skip = reasonToSkip(findProgram('curl'));

/** A rule is in force a moment after its file is there: a command is given again until it prints what it should. */
async function follow(mesh: TaskMesh, task: Task): Promise<void> {
  for (const { line, prints } of commandsOf(readFileSync(`${ROOT}/${folderOf(task)}/README.md`, 'utf8'))) {
    let output = '';
    const wanted = async (): Promise<boolean> => {
      output = await printed(line, environment(mesh, task));
      return isPrinted(prints, output);
    };
    await until(line, wanted).catch((cause: unknown) => assert.equal(output, prints, String(cause)));
  }
}

test("undici, curl: Istio's documentation tasks hold, and their pages say what is printed", { skip }, async (t) => {
  const lines: string[] = [];
  const mesh = await TaskMesh.plan((line) => lines.push(line));
  t.after(() => mesh.stop());
  for (const task of TASKS) {
    await t.test(task.name, async () => {
      lines.length = 0;
      assert.equal(await checkTasks(mesh, [task], (line) => lines.push(line)), 0, lines.join('\n'));
      // The check of the others is their page's own.
      if (task.adds === true) return;
      await mesh.arrange(task.needs);
      await follow(mesh, task);
    });
  }
});

test('weft demo --task ends cleanly on Ctrl-C, at any time, and leaves no process behind', async () => {
  for (const said of ['starting the mesh', 'Ctrl-C ends everything']) {
    await using demo = new ServerProcess(process.execPath, [WEFT, 'demo', '--task', 'ingress'], { name: said });
    await demo.until(() => demo.output.includes(said), 60_000);
    demo.child.kill('SIGINT');
    const status = await demo.ended;
    assert.equal(status, said.startsWith('Ctrl-C') ? 0 : 130, demo.output);
    const folder = /MESH=(\S+)\/mesh/.exec(demo.output)?.[1];
    if (folder === undefined) continue;
    assert.equal(existsSync(folder), false);
    await until('every process of it is gone', () => processesOf(folder).length === 0);
  }
});
