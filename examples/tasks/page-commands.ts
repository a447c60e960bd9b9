// The commands of a task's page, and what it says that they print.
import { exec } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(exec);

/** A line of a page that is typed, and what it prints. */
export interface Command {
  readonly line: string;
  readonly prints: string;
}

/** Of all its blocks. */
export function commandsOf(page: string): Command[] {
  return page.split('```console\n').slice(1).flatMap((rest) => {
    const [block = ''] = rest.split('```');
    return block.split(/^\$ /m).slice(1).map((text) => {
      // A line that ends in a pipe goes on in the next one.
      const [line = '', ...prints] = text.trimEnd().replaceAll('|\n', '| ').split('\n');
      return { line, prints: prints.join('\n') };
    });
  });
}

/** Whether it was printed; `~30` stands for any number. */
export function isPrinted(prints: string, output: string): boolean {
  const pattern = prints.split(/~\d+/).map((part) => RegExp.escape(part)).join(String.raw`\d+`);
  return new RegExp(`^${pattern}$`).test(output);
}

/** What a line prints that is typed in the root of the repository; without the space around its lines. */
export async function printed(line: string, variables: readonly (readonly [string, string])[]): Promise<string> {
  const env = { ...process.env, LC_ALL: 'C', ...Object.fromEntries(variables) };
  const { stdout } = await run(line, { cwd: ROOT, env }).catch((cause: { stdout: string }) => cause);
  return stdout.trim().split('\n').map((each) => each.trim()).join('\n');
}
