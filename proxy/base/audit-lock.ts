// One writer for an audit log: two would break its chain.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from './error.ts';

const LOCK_FILE = 'audit.lock';

/** Throws a ConfigError while another process lives that writes there. What a dead one has left is taken over. */
export function lockAudit(folder: string): void {
  const path = join(folder, LOCK_FILE);
  const own = writerText(process.pid);
  const other = lockIn(path);
  const [pid = ''] = other.split(' ');
  if (other !== '' && other !== own && Number(pid) > 0 && other === writerText(Number(pid))) {
    throw new ConfigError('', `is written by process ${pid} already: each writer needs a folder of its own`, folder);
  }
  writeFileSync(path, own, { mode: 0o600 });
}

export function unlockAudit(folder: string): void {
  const path = join(folder, LOCK_FILE);
  if (lockIn(path) === writerText(process.pid)) rmSync(path, { force: true });
}

function lockIn(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(0, 100);
  } catch {
    return '';
  }
}

/** The process and, where the system says it, when it began: numbers are used again. '' for one that is gone. */
function writerText(pid: number): string {
  try {
    process.kill(pid, 0);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EPERM') return '';
  }
  try {
    // The name in it may hold anything, up to the last bracket.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''}`;
  } catch {
    return `${pid} `;
  }
}
