// The decoder thread as its users see it: started when there is something to decode and ended soon after, because the
// schemas of configuration take more memory than all else in the supervisor.
import { Worker } from 'node:worker_threads';
import type { AdminResponse } from '../admin/admin-response.ts';
import type { ConfigSnapshot } from '../admin/admin-source.ts';
import { ConfigError } from '../base/error.ts';
import type { LoadedBootstrap } from '../config/bootstrap-file.ts';
import type { DecoderAnswer, DecoderJob, DecoderRequest } from './decoder-messages.ts';

const ENTRY = new URL('../thread.mjs', import.meta.url);
/** Without work for so long, it ends; the next piece of work pays some 100 ms for another. */
const IDLE_MS = 1000;

interface Waiting {
  resolve(value: unknown): void;
  reject(cause: Error): void;
}

/** What is decoded crosses threads: maps that had no prototype have one afterwards, and nothing else changes. */
export class Decoder {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined = undefined;
  #nextId = 0;
  #idle: NodeJS.Timeout | undefined = undefined;

  /** Reads a bootstrap file. Rejects with an Error of one line for each fault. */
  async bootstrap(file: string): Promise<LoadedBootstrap> {
    return await this.#run({ kind: 'bootstrap', file }) as LoadedBootstrap;
  }

  /** Answers /config_dump. Rejects with a ConfigError for a query that asks for nonsense. */
  async configDump(config: ConfigSnapshot, query: URLSearchParams): Promise<AdminResponse> {
    return await this.#run({ kind: 'config-dump', config, query: query.toString() }) as AdminResponse;
  }

  /** Ends the thread; what it was doing is rejected. */
  async end(): Promise<void> {
    clearTimeout(this.#idle);
    await this.#worker?.terminate();
  }

  #run(job: DecoderJob): Promise<unknown> {
    const worker = this.#worker ??= this.#start();
    clearTimeout(this.#idle);
    worker.ref();
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    worker.postMessage({ id, job } satisfies DecoderRequest);
    return promise;
  }

  #start(): Worker {
    const worker = new Worker(ENTRY, { argv: ['./decoder-main.ts'], name: 'decoder' });
    let reason = 'the decoder thread ended';
    worker.on('message', (answer: DecoderAnswer) => this.#onAnswer(answer));
    worker.on('error', (error: unknown) => {
      reason = error instanceof Error ? error.message : String(error);
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#onEnd(reason);
    });
    return worker;
  }

  #onAnswer(answer: DecoderAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#rest();
    if (!('fault' in answer)) waiting?.resolve(answer.value);
    else if (answer.fault.ofConfig) waiting?.reject(new ConfigError('', answer.fault.message));
    else waiting?.reject(new Error(answer.fault.message));
  }

  /** Nothing is asked of it: it keeps no process alive, and ends if that lasts. */
  #rest(): void {
    this.#worker?.unref();
    this.#idle = setTimeout(() => {
      const worker = this.#worker;
      this.#worker = undefined;
      void worker?.terminate();
    }, IDLE_MS).unref();
  }

  #onEnd(reason: string): void {
    this.#worker = undefined;
    clearTimeout(this.#idle);
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
  }
}
