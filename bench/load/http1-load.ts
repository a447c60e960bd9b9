// Load over HTTP/1.1 keep-alive connections: wrk where it is installed, else autocannon. One figure set per run.
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { findProgram } from '../../test/harness/peers.ts';

export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that were not 2xx, and connections that failed. */
  readonly errors: number;
}

export interface Load {
  readonly url: string;
  readonly host: string;
  readonly connections: number;
  readonly seconds: number;
}

const run = promisify(execFile);

export const LOAD_TOOL: 'wrk' | 'autocannon' = findProgram('wrk') === undefined ? 'autocannon' : 'wrk';

export async function http1Load(load: Load): Promise<LoadResult> {
  return LOAD_TOOL === 'wrk' ? wrk(load) : autocannon(load);
}

async function wrk({ url, host, connections, seconds }: Load): Promise<LoadResult> {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-H', `Host: ${host}`, url];
  const { stdout } = await run('wrk', args);
  const pick = (pattern: RegExp): string => pattern.exec(stdout)?.[1] ?? '0';
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout);
  return {
    requests: Number(pick(/(\d+) requests in/)),
    requestsPerSecond: Number(pick(/Requests\/sec:\s+([\d.]+)/)),
    p50Ms: milliseconds(pick(/50%\s+([\d.]+\w+)/)),
    p99Ms: milliseconds(pick(/99%\s+([\d.]+\w+)/)),
    errors: Number(pick(/Non-2xx or 3xx responses: (\d+)/))
      + (errors?.slice(1).reduce((sum, n) => sum + Number(n), 0) ?? 0),
  };
}

/** `1.5ms`, `300us`, `2.1s`. */
function milliseconds(text: string): number {
  const value = Number.parseFloat(text);
  if (text.endsWith('us')) return value / 1000;
  return text.endsWith('ms') ? value : value * 1000;
}

interface AutocannonResult {
  readonly '2xx': number;
  readonly non2xx: number;
  readonly errors: number;
  readonly requests: { readonly average: number };
  readonly latency: { readonly p50: number; readonly p99: number };
}

async function autocannon({ url, host, connections, seconds }: Load): Promise<LoadResult> {
  const tool = createRequire(import.meta.url)('autocannon') as (options: object) => Promise<AutocannonResult>;
  const result = await tool({ url, connections, duration: seconds, headers: { host } });
  return {
    requests: result['2xx'] + result.non2xx, requestsPerSecond: result.requests.average,
    p50Ms: result.latency.p50, p99Ms: result.latency.p99, errors: result.non2xx + result.errors,
  };
}
