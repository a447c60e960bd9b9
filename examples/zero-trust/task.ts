// From a mesh that trusts everybody to least privilege, in ten commands: what the page says is what is checked.
import { readFileSync } from 'node:fs';
import { messageOf } from '../../proxy/base/error.ts';
import { environment } from '../tasks/environment.ts';
import { commandsOf, isPrinted, printed } from '../tasks/page-commands.ts';
import type { Command } from '../tasks/page-commands.ts';
import type { Lab, Step, Task } from '../tasks/task.ts';
import { reached } from '../tasks/task.ts';

const FOLDER = 'examples/zero-trust';
const TABLE = `sh ${FOLDER}/who.sh`;

/** A section of the page for each step: its title, the file that is put, and what is looked at. */
function stepsOf(page: string): Step[] {
  return page.split(/^## /m).filter((section) => section.includes(TABLE)).map((section) => {
    const [title = ''] = section.split('\n');
    const [, file] = section.match(/^\$ cp examples\/zero-trust\/(\S+) \$MESH\/$/m) ?? [];
    const looks = commandsOf(section).filter(({ line }) => !line.startsWith('cp '));
    return {
      title: title.replace(/^\d+\. /, ''),
      ...(file === undefined ? { changed: 'nothing' } : { file }),
      run: (lab) => look(lab, looks),
    };
  });
}

async function look(lab: Lab, commands: readonly Command[]): Promise<string> {
  for (const { line, prints } of commands) {
    let seen = '';
    await reached(lab, line, async () => {
      seen = await printed(line, environment(lab.mesh, zeroTrust));
      return isPrinted(prints, seen);
    }).catch((cause: unknown) => {
      throw new Error(`${messageOf(cause)}; the page says\n${prints}\nand there is\n${seen}`, { cause });
    });
  }
  const table = commands.find(({ line }) => line === TABLE)?.prints ?? '';
  const count = (status: RegExp): number => table.match(status)?.length ?? 0;
  return `${count(/ 200\b/g)} of ${count(/ \d{3}\b/g)} calls are answered, those that the page says`;
}

export const zeroTrust: Task = {
  name: 'zero-trust',
  title: 'from a mesh that trusts everybody to least privilege',
  needs: ['gateway', 'client', 'bookinfo', 'egress', 'outside'],
  folder: FOLDER,
  adds: true,
  isOpen: true,
  steps: stepsOf(readFileSync(new URL('README.md', import.meta.url), 'utf8')),
};
