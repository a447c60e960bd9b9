// CPU time and memory of a process from /proc: the steady figures of a noisy machine.
import { existsSync, readFileSync, readdirSync } from 'node:fs';

/** Nanoseconds on a CPU, of all threads that live now; 0 for a process that has ended, as weft's decoder does. */
export function cpuNs(pid: number): bigint {
  let total = 0n;
  for (const task of existsSync(`/proc/${pid}`) ? readdirSync(`/proc/${pid}/task`) : []) {
    try {
      total += BigInt(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]!);
    } catch {
      // The thread ended between the listing and the read.
    }
  }
  return total;
}

/** Resident set in bytes; 0 for a process that has ended. */
export function rssBytes(pid: number): number {
  if (!existsSync(`/proc/${pid}`)) return 0;
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) * 1024;
}

/** A process and its children: nginx and HAProxy work in a child of the process that was started. */
export function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  const list = children === '' ? [] : children.split(' ').map(Number);
  return [pid, ...list.flatMap(familyOf)];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
