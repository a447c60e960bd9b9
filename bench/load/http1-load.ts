// Load over HTTP/1.1 in plaintext: wrk where it is installed, else autocannon. One figure set per run.
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { findProgram } from '../../test/harness/peers.ts';
import { HOST, LATE_MS, PATH } from './load.ts';
import type { LoadResult, Target } from './load.ts';

export interface Http1Options {
  readonly connections: number;
  /** Default `PATH`. */
  readonly path?: string;
  /** Each request on a connection of its own, which the proxy closes; wrk only. */
  readonly close?: boolean;
}

const run = promisify(execFile);

export const LOAD_TOOL: 'wrk' | 'autocannon' = findProgram('wrk') === undefined ? 'autocannon' : 'wrk';

export async function http1Load(target: Target, options: Http1Options): Promise<LoadResult> {
  target.begin();
  return LOAD_TOOL === 'wrk' ? wrk(target, options) : autocannon(target, options);
}

async function wrk({ port, seconds }: Target, options: Http1Options): Promise<LoadResult> {
  // A long answer takes more than wrk's own 2 s.
  const args = ['-t1', `-c${options.connections}`, `-d${seconds}s`, '--latency', '--timeout', '30s'];
  args.push('-H', `Host: ${HOST}`);
  if (options.close === true) args.push('-H', 'Connection: close');
  const { stdout } = await run('wrk', [...args, urlOf(port, options)], { timeout: seconds * 1000 + LATE_MS });
  const pick = (pattern: RegExp): string => pattern.exec(stdout)?.[1] ?? '0';
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout);
  const requests = Number(pick(/(\d+) requests in/));
  // wrk writes 0 where no answer is complete.
  const latency = (text: string): number => (requests === 0 ? Number.NaN : milliseconds(text));
  return {
    requests,
    bytes: sizeOf(pick(/requests in [\d.]+\w+, ([\d.]+\w+) read/)),
    requestsPerSecond: Number(pick(/Requests\/sec:\s+([\d.]+)/)),
    p50Ms: latency(pick(/50%\s+([\d.]+\w+)/)),
    p99Ms: latency(pick(/99%\s+([\d.]+\w+)/)),
    errors: Number(pick(/Non-2xx or 3xx responses: (\d+)/))
      + (errors?.slice(1).reduce((sum, n) => sum + Number(n), 0) ?? 0),
  };
}

function urlOf(port: number, { path = PATH }: Http1Options): string {
  return `http://127.0.0.1:${port}${path}`;
}

/** `1.5ms`, `300us`, `2.1s`. */
function milliseconds(text: string): number {
  const value = Number.parseFloat(text);
  if (text.endsWith('us')) return value / 1000;
  return text.endsWith('ms') ? value : value * 1000;
}

/** `1.50GB`: wrk's units are powers of 1024. */
function sizeOf(text: string): number {
  const power = ['B', 'KB', 'MB', 'GB', 'TB'].indexOf(text.replace(/^[\d.]+/, ''));
  return Number.parseFloat(text) * 1024 ** Math.max(power, 0);
}

interface AutocannonResult {
  readonly '2xx': number;
  readonly non2xx: number;
  readonly errors: number;
  readonly requests: { readonly average: number };
  readonly latency: { readonly p50: number; readonly p99: number };
  readonly throughput: { readonly total: number };
}

async function autocannon({ port, seconds }: Target, options: Http1Options): Promise<LoadResult> {
  const tool = createRequire(import.meta.url)('autocannon') as (options: object) => Promise<AutocannonResult>;
  const { connections } = options;
  const result = await tool({ url: urlOf(port, options), connections, duration: seconds, headers: { host: HOST } });
  return {
    requests: result['2xx'] + result.non2xx, bytes: result.throughput.total,
    requestsPerSecond: result.requests.average,
    p50Ms: result.latency.p50, p99Ms: result.latency.p99, errors: result.non2xx + result.errors,
  };
}
