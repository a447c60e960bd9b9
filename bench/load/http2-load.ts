// Load over HTTP/2 in plaintext by h2load, and calls that look like gRPC's.
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HOST, LATE_MS, PATH, percentile } from './load.ts';
import type { LoadResult, Target } from './load.ts';

/** A call of sidecar.yaml's route with retries; nghttpd finds the content type of the answer by the suffix. */
export const GRPC_PATH = '/flaky/Unary.grpc';

export interface Http2Options {
  readonly connections: number;
  /** Requests in flight on each connection. */
  readonly streams: number;
  /** POST with a message, as a gRPC client sends it. */
  readonly grpc?: boolean;
}

const run = promisify(execFile);

export async function http2Load(target: Target, options: Http2Options): Promise<LoadResult> {
  const log = join(target.folder, 'h2load.log');
  const args = [
    `-c${options.connections}`, `-m${options.streams}`, '-D', String(target.seconds), '-H', `:authority: ${HOST}`,
    `--log-file=${log}`,
  ];
  if (options.grpc === true) args.push(...await grpcArguments(target.folder));
  const url = `http://127.0.0.1:${target.port}${options.grpc === true ? GRPC_PATH : PATH}`;
  target.begin();
  const { stdout } = await run('h2load', [...args, url], { timeout: target.seconds * 1000 + LATE_MS });
  const result = resultOf(stdout, await latencies(log));
  await rm(log, { force: true });
  return result;
}

/** One message of length 5 behind gRPC's prefix. */
export function grpcMessage(text: string): Buffer {
  const message = Buffer.from(text);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

async function grpcArguments(folder: string): Promise<string[]> {
  const message = join(folder, 'grpc-request');
  await writeFile(message, grpcMessage('hello'));
  return ['-d', message, '-H', 'content-type: application/grpc', '-H', 'te: trailers'];
}

/** Of each request in ms, in order: h2load prints no percentiles, but logs start, status and microseconds. */
async function latencies(log: string): Promise<Float64Array> {
  const lines = (await readFile(log, 'latin1')).trimEnd().split('\n');
  return Float64Array.from(lines, (line) => Number(line.slice(line.lastIndexOf('\t') + 1)) / 1000).toSorted();
}

function resultOf(stdout: string, sorted: Float64Array): LoadResult {
  const pick = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1] ?? 0);
  const succeeded = pick(/(\d+) 2xx/);
  const done = pick(/(\d+) done/);
  const broken = pick(/(\d+) failed/) + pick(/(\d+) timeout/);
  return {
    requests: done, bytes: 0, requestsPerSecond: pick(/, ([\d.]+) req\/s/),
    p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99), errors: Math.max(done - succeeded, 0) + broken,
  };
}
