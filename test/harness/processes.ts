// Which processes of this machine belong to something that was started.
import { readdirSync, readFileSync } from 'node:fs';

/** Command lines of this machine's processes that mention the folder; none where there is no /proc. */
export function processesOf(folder: string): string[] {
  try {
    const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
    return pids.map(commandLine).filter((line) => line.includes(folder));
  } catch {
    return [];
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
