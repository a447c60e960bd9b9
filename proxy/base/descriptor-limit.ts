// How many file descriptors this process may have, and how many of them are for clients.
import { readFileSync } from 'node:fs';

/** What a proxy holds by itself: the process and its files, then each worker's loop, listeners and files. */
const RESERVED = 64;
const RESERVED_PER_WORKER = 32;

/** Infinity without a limit, or where the system does not tell (it has no /proc). */
export function descriptorLimit(): number {
  try {
    return limitIn(readFileSync('/proc/self/limits', 'latin1'));
  } catch {
    return Infinity;
  }
}

/** The soft limit in the text of proc(5)'s limits. */
export function limitIn(text: string): number {
  const line = text.split('\n').find((one) => one.startsWith('Max open files'));
  const limit = Number.parseInt(line?.slice('Max open files'.length) ?? '', 10);
  return Number.isNaN(limit) ? Infinity : limit;
}

/** Half of what is left once the proxy has its own: a connection of a client may need one to a server. */
export function clientsWithin(limit: number, workers: number): number {
  return Math.max(1, Math.floor((limit - RESERVED - RESERVED_PER_WORKER * workers) / 2));
}
