// The paced client of bench/load as the measurement sees it: started, asked, ended.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Pace } from '../load/paced.ts';

const PACED = fileURLToPath(new URL('../load/paced.ts', import.meta.url));

export class Probe {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  /** Requests go to all `ports` alike. */
  constructor(ports: readonly number[]) {
    this.#child = spawn(process.execPath, [PACED, ...ports.map(String)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** What it saw since the last question, one for each port. */
  async take(): Promise<readonly Pace[]> {
    this.#child.stdin!.write('\n');
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the paced client has ended');
    return JSON.parse(value) as Pace[];
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.stdin!.end();
    await once(this.#child, 'exit');
  }
}
