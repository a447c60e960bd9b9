// Starts a real server process for a test or benchmark and makes sure that it ends.
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

const OUTPUT_MAX = 65_536;

/** A child process whose output is kept (the last 64 KiB) for error messages. */
export class ServerProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly name: string;
  #output = '';
  readonly #ended: Promise<number>;

  constructor(
    command: string, args: readonly string[],
    options: { name?: string; env?: Record<string, string>; cwd?: string } = {},
  ) {
    this.name = options.name ?? command;
    this.child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env },
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    });
    this.child.stdout?.on('data', (chunk: Buffer) => this.#keep(chunk));
    this.child.stderr?.on('data', (chunk: Buffer) => this.#keep(chunk));
    this.#ended = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.#output += error.message;
        resolve(-1);
      });
      this.child.once('exit', (code, signal) => resolve(code ?? (signal === null ? -1 : 128)));
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get output(): string {
    return this.#output;
  }

  /** Exit status; 128 for an end by signal. */
  get ended(): Promise<number> {
    return this.#ended;
  }

  /** Resolves when `ready` does; rejects with the output when the process ends first or time is up. */
  async until(ready: () => Promise<boolean> | boolean, timeoutMs = 20_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await ready())) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`${this.name} ended:\n${this.#output}`);
      }
      if (performance.now() > deadline) {
        throw new Error(`${this.name} is not ready after ${timeoutMs} ms:\n${this.#output}`);
      }
      await delay(20);
    }
  }

  /** SIGTERM, then SIGKILL after `graceMs`. Resolves with the exit status. */
  async stop(graceMs = 5000): Promise<number> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM');
      const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs);
      await this.#ended;
      clearTimeout(timer);
    }
    return this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #keep(chunk: Buffer): void {
    this.#output = (this.#output + chunk.toString('utf8')).slice(-OUTPUT_MAX);
  }
}

/** True when an HTTP GET answers with `status`. */
export async function answers(url: string, status = 200): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return response.status === status;
  } catch {
    return false;
  }
}
