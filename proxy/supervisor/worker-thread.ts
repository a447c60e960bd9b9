// One worker thread as the supervisor sees it: its start, its answers to configuration, its end.
import { Worker } from 'node:worker_threads';
import type { RouteConfiguration } from '../config/route.ts';
import { slicesOf } from './config-slices.ts';
import type { ConfigSlice } from './config-slices.ts';
import type { Applied, ConfigBatch, FromWorker, Refusal, ToWorker, WorkerStart } from './messages.ts';

/** Told about everything that is not an answer to apply(). */
export interface WorkerListener {
  onMessage(thread: WorkerThread, message: FromWorker): void;
  /** `reason` is the error's text, or the exit code. Called once. */
  onEnd(thread: WorkerThread, reason: string): void;
}

const ENTRY = new URL('../thread.mjs', import.meta.url);

/** Three times what is filled between two scavenges. V8's own is 48, which a busy worker fills for no CPU gained. */
const YOUNG_MB = 12;

/** `starting` until it says that it is started, `running` until `stopping` is asked for, `ended` for ever. */
export type WorkerState = 'starting' | 'running' | 'stopping' | 'ended';

export class WorkerThread {
  readonly index: number;
  readonly #worker: Worker;
  readonly #listener: WorkerListener;
  readonly #waiting = new Map<number, (applied: Applied) => void>();
  /** Route tables that it has in force. */
  readonly #tables = new Map<string, RouteConfiguration>();
  #nextId = 0;
  #state: WorkerState = 'starting';
  #error = '';
  #work = '';

  constructor(start: WorkerStart, listener: WorkerListener, heapMb?: number) {
    this.index = start.workerIndex;
    this.#listener = listener;
    const resourceLimits = {
      maxYoungGenerationSizeMb: YOUNG_MB, ...(heapMb !== undefined && { maxOldGenerationSizeMb: heapMb }),
    };
    this.#worker = new Worker(ENTRY, {
      workerData: start, argv: ['./worker-main.ts'], name: `wrk:${start.workerIndex}`,
      resourceLimits,
    });
    this.#worker.on('message', (message: FromWorker) => this.#onMessage(message));
    this.#worker.on('error', (error: unknown) => {
      this.#error = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    this.#worker.on('exit', (code) => this.#onExit(code));
  }

  get state(): WorkerState {
    return this.#state;
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** Configuration that it has not answered for, for people. */
  get work(): string | undefined {
    return this.#waiting.size === 0 ? undefined : this.#work;
  }

  /** The system's id of the thread, 0 until known; for CPU figures. */
  get threadId(): number {
    return this.#worker.threadId;
  }

  /**
   * Resolves when the worker has applied or refused; a worker that ends meanwhile counts as having applied. It is sent
   * one slice at a time: what waits in its port it would take at once.
   */
  async apply(batch: ConfigBatch): Promise<Applied> {
    const refused: Refusal[] = [];
    for (const slice of slicesOf(batch, (name) => this.#tables.get(name))) {
      if (this.#state === 'ended' || this.#state === 'stopping') break;
      refused.push(...(await this.#send(slice)).refused);
    }
    if (batch.kind === 'route') this.#noteTables(batch, refused);
    return { refused };
  }

  #noteTables({ updated, removed }: ConfigBatch, refused: readonly Refusal[]): void {
    const bad = new Set(refused.map(({ name }) => name));
    for (const { name, resource } of updated) {
      if (!bad.has(name)) this.#tables.set(name, resource as RouteConfiguration);
    }
    for (const name of removed) this.#tables.delete(name);
  }

  #send(slice: ConfigSlice): Promise<Applied> {
    const id = this.#nextId++;
    this.#work = slice.kind === 'config' ? `configuration of kind ${slice.batch.kind}` : 'a route table';
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.post({ id, ...slice });
    });
  }

  post(message: ToWorker): void {
    if (this.#state !== 'ended') this.#worker.postMessage(message);
  }

  /** Asks for an orderly end. */
  stop(): void {
    if (this.#state === 'ended') return;
    this.#state = 'stopping';
    this.#worker.postMessage({ kind: 'stop' } satisfies ToWorker);
  }

  /** Ends the thread whatever it is doing. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #onMessage(message: FromWorker): void {
    if (message.kind === 'started' && this.#state === 'starting') this.#state = 'running';
    if (message.kind !== 'applied') {
      this.#listener.onMessage(this, message);
      return;
    }
    const resolve = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    resolve?.(message.applied);
  }

  #onExit(code: number): void {
    this.#state = 'ended';
    for (const resolve of this.#waiting.values()) resolve({ refused: [] });
    this.#waiting.clear();
    this.#listener.onEnd(this, this.#error === '' ? `exit code ${code}` : this.#error);
  }
}
