// Load over mutual TLS: starts load/tls-client.ts, since no common generator has client certificates.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { LATE_MS } from './load.ts';
import type { LoadResult, Target } from './load.ts';

/** What a connection is used for: many requests; one request after a full handshake, or after a resumed one. */
export type TlsMode = 'keep-alive' | 'full' | 'resumed';

export interface TlsOptions {
  readonly mode: TlsMode;
  readonly connections: number;
}

/** What tls-client.ts gets as its argument. */
export interface TlsClientJob extends TlsOptions, Pick<Target, 'port' | 'seconds' | 'folder'> {}

const CLIENT = fileURLToPath(new URL('tls-client.ts', import.meta.url));

/** The client says `ready` when its connections stand, waits for a line, and prints its result before they close. */
export async function tlsLoad(target: Target, options: TlsOptions): Promise<LoadResult> {
  const { port, seconds, folder } = target;
  const job: TlsClientJob = { port, seconds, folder, ...options };
  const child = spawn(process.execPath, [CLIENT, JSON.stringify(job)], {
    stdio: ['pipe', 'pipe', 'inherit'], timeout: seconds * 1000 + LATE_MS,
  });
  const closed = once(child, 'close');
  const lines = createInterface({ input: child.stdout });
  let result: LoadResult | undefined;
  lines.on('line', (line) => {
    if (line === 'ready') {
      target.begin();
      child.stdin.write('go\n');
    } else {
      result = JSON.parse(line) as LoadResult;
      lines.emit('result');
    }
  });
  await Promise.race([once(lines, 'result'), closed]);
  if (result === undefined) throw new Error('the TLS load generator ended without a result');
  // Whoever measures looks now, before the connections close.
  setImmediate(() => child.stdin.end());
  return result;
}
