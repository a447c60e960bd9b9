// The resolvers of the pod, as its applications would ask them themselves: resolv.conf(5).
import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { Clock } from '../base/clock.ts';

export interface Resolvers {
  /** Addresses, in order. */
  readonly servers: readonly string[];
  /** Search domains, lower case, without the last dot. */
  readonly search: readonly string[];
}

/** As the C library has it. */
const SERVERS_MAX = 3;
const SEARCH_MAX = 32;
const RECHECK_MS = 5000;

export function parseResolvConf(text: string): Resolvers {
  const servers: string[] = [];
  let search: string[] = [];
  for (const line of text.split('\n')) {
    const [word = '', ...rest] = line.trim().split(/\s+/);
    const [address = ''] = rest;
    if (word === 'nameserver' && isIP(address.split('%', 1)[0]!) !== 0) servers.push(address);
    // The last of them holds, and `domain` is one of them.
    if (word === 'search' || word === 'domain') search = rest.map((name) => name.toLowerCase().replace(/\.$/, ''));
  }
  return {
    servers: servers.slice(0, SERVERS_MAX), search: search.filter((name) => name !== '').slice(0, SEARCH_MAX),
  };
}

/** The file as it is, looked at again every few seconds while somebody asks. */
export class ResolvConf {
  readonly #file: string;
  readonly #clock: Clock;
  #current: Resolvers = { servers: [], search: [] };
  #checkedMs = -Infinity;
  #changedMs = Number.NaN;

  constructor(file: string, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  get current(): Resolvers {
    if (this.#clock.nowMs() > this.#checkedMs + RECHECK_MS) void this.refresh();
    return this.#current;
  }

  /** What was read last stays where the file cannot be read. */
  async refresh(): Promise<void> {
    this.#checkedMs = this.#clock.nowMs();
    try {
      const { mtimeMs } = await stat(this.#file);
      if (mtimeMs === this.#changedMs) return;
      this.#current = parseResolvConf(await readFile(this.#file, 'utf8'));
      this.#changedMs = mtimeMs;
    } catch {
      // It is being replaced, or there is none: queries fail then, and are counted.
    }
  }
}
