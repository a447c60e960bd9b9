// One process of the demo: started, watched, restarted when it dies, and ended with the demo.
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** What to run. `args` go to this Node; a .ts file comes first. */
export interface ProcessPlan {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Record<string, string>;
  /** Folder that it runs in; this process's when absent. */
  readonly cwd?: string;
  /** Group that it runs as; this process's when absent. */
  readonly gid?: number;
  /** Where else than here: the command that runs another one there, after which it stands. */
  readonly inside?: (command: string, args: readonly string[]) => readonly [string, readonly string[]];
  /** Where its output goes. */
  readonly logFile: string;
  /** True once it does its work; asked again and again while it starts. */
  ready(): Promise<boolean>;
}

/** `stopped` before start and after stop; `waiting` between a death and the restart. */
export type ProcessState = 'stopped' | 'starting' | 'running' | 'waiting' | 'stopping';

const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 25;
/** Deaths in a row after which a process that never became ready is given up. */
const STARTS_MAX = 3;
const OUTPUT_KEPT = 2000;
const RESTART_BASE_MS = 100;
const RESTART_MAX_MS = 5000;
const STEADY_MS = 10_000;
const STOP_GRACE_MS = 6000;

export class ManagedProcess {
  readonly plan: ProcessPlan;
  readonly #onDeath: (process: ManagedProcess, how: string) => void;
  #child: ChildProcess | undefined = undefined;
  #log: WriteStream | undefined = undefined;
  #state: ProcessState = 'stopped';
  #deaths = 0;
  #startedMs = 0;
  #lastOutput = '';
  #restart: NodeJS.Timeout | undefined = undefined;

  constructor(plan: ProcessPlan, onDeath: (process: ManagedProcess, how: string) => void) {
    this.plan = plan;
    this.#onDeath = onDeath;
  }

  get state(): ProcessState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts and waits until it is ready. Rejects with a line that names the log file. */
  async start(): Promise<void> {
    this.#log ??= createWriteStream(this.plan.logFile, { flags: 'a' });
    this.#spawn();
    await this.untilReady();
  }

  async untilReady(): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (!(await this.plan.ready())) {
      if (this.#state === 'stopping' || this.#state === 'stopped') return;
      if (this.#deaths > STARTS_MAX) throw new Error(`${this.plan.name} does not start. It said:\n${this.#lastOutput}`);
      if (performance.now() > deadline) {
        throw new Error(
          `${this.plan.name} is not ready after ${READY_TIMEOUT_MS / 1000} s. It said:\n${this.#lastOutput}`,
        );
      }
      await delay(POLL_MS);
    }
  }

  /** Ends the process as a crash would; it is restarted. */
  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** SIGKILL, and no restart. */
  abandon(): void {
    clearTimeout(this.#restart);
    this.#state = 'stopping';
    this.#child?.kill('SIGKILL');
  }

  /** SIGTERM, then SIGKILL; resolves when it is gone. */
  async stop(graceMs = STOP_GRACE_MS): Promise<void> {
    clearTimeout(this.#restart);
    const child = this.#child;
    this.#state = 'stopping';
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await gone;
      clearTimeout(force);
    }
    this.#state = 'stopped';
    this.#log?.end();
    this.#log = undefined;
  }

  #spawn(): void {
    this.#state = 'starting';
    this.#startedMs = performance.now();
    // A group of its own: Ctrl-C reaches the demo alone, which then ends its processes in order.
    const [command, args] = this.plan.inside?.(process.execPath, this.plan.args) ?? [process.execPath, this.plan.args];
    const child = spawn(command, args, {
      env: { ...process.env, ...this.plan.env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true,
      ...(this.plan.cwd !== undefined && { cwd: this.plan.cwd }),
      ...(this.plan.gid !== undefined && { gid: this.plan.gid }),
    });
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => this.#keep(chunk));
    child.stderr.on('data', (chunk: Buffer) => this.#keep(chunk));
    child.once('spawn', () => {
      if (this.#state === 'starting') this.#state = 'running';
    });
    child.once('error', (error) => this.#ended(error.message));
    child.once('exit', (code, signal) => this.#ended(signal ?? `exit status ${code}`));
  }

  #keep(chunk: Buffer): void {
    this.#log?.write(chunk);
    this.#lastOutput = (this.#lastOutput + chunk.toString('utf8')).slice(-OUTPUT_KEPT);
  }

  #ended(how: string): void {
    if (this.#state === 'stopping' || this.#state === 'stopped' || this.#state === 'waiting') return;
    if (performance.now() - this.#startedMs > STEADY_MS) this.#deaths = 0;
    const delayMs = Math.min(RESTART_MAX_MS, RESTART_BASE_MS * 2 ** this.#deaths++);
    this.#state = 'waiting';
    this.#onDeath(this, how);
    this.#restart = setTimeout(() => this.#spawn(), delayMs);
  }
}
