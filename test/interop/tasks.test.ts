// Istio's documentation tasks as a user runs them: every step of their checks, every command of their pages, Ctrl-C.
import assert from 'node:assert/strict';
import { exec } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { checkTasks, environment, TASKS } from '../../examples/tasks/run.ts';
import { TaskMesh } from '../../examples/tasks/task-mesh.ts';
import type { Task } from '../../examples/tasks/task.ts';
import { findProgram, reasonToSkip } from '../harness/peers.ts';
import { ServerProcess } from '../harness/process.ts';
import { processesOf } from '../harness/processes.ts';
import { until } from '../harness/until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const skip = reasonToSkip(findProgram('curl'));
const run = promisify(exec);

/** A line of a page that is typed, and what it prints. */
interface Command {
  readonly line: string;
  readonly prints: string;
}

function commandsOf({ name }: Task): Command[] {
  const page = readFileSync(`${ROOT}/examples/tasks/${name}/README.md`, 'utf8');
  const [, block = ''] = /```console\n([^`]*)```/.exec(page) ?? [];
  return block.split(/^\$ /m).slice(1).map((text) => {
    // A line that ends in a pipe goes on in the next one.
    const [line = '', ...prints] = text.trimEnd().replaceAll('|\n', '| ').split('\n');
    return { line, prints: prints.join('\n') };
  });
}

/** Whether it was printed; `~30` stands for any number. */
function isPrinted(prints: string, output: string): boolean {
  const pattern = prints.split(/~\d+/).map((part) => RegExp.escape(part)).join(String.raw`\d+`);
  return new RegExp(`^${pattern}$`).test(output);
}

/** A rule is in force a moment after its file is there: a command is given again until it prints what it should. */
async function follow(mesh: TaskMesh, task: Task): Promise<void> {
  const env = { ...process.env, LC_ALL: 'C', ...Object.fromEntries(environment(mesh, task)) };
  for (const { line, prints } of commandsOf(task)) {
    let output = '';
    const wanted = async (): Promise<boolean> => {
      const { stdout } = await run(line, { cwd: ROOT, env }).catch((cause: { stdout: string }) => cause);
      output = stdout.trim().split('\n').map((each) => each.trim()).join('\n');
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
