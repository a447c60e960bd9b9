// One question to Consul that is asked again and again: a blocking query, by the rules that its documentation gives.
import { messageOf } from '../../proxy/base/error.ts';
import type { Random } from '../../proxy/base/random.ts';
import type { ConsulClient } from './consul-client.ts';

export interface WatchOptions {
  readonly client: ConsulClient;
  readonly path: string;
  readonly random: Random;
  /** Longest wait for a change; may be another one each time. */
  readonly waitMs: () => number;
  /** Takes a place among the questions that may be asked at once; resolves with what gives it back. */
  readonly turn: () => Promise<() => void>;
  /** Each new answer. An Error thrown here counts as a fault of the answer. */
  readonly onAnswer: (body: unknown) => void;
  /** Why there is none; once for each reason in a row. */
  readonly onFault: (reason: string) => void;
  readonly onRecovery: () => void;
}

/** Answers come at most this often: an index that moves all the time (or a server that never waits) costs no more. */
const GAP_MS = 250;
const BACKOFF_MS = 500;
const BACKOFF_MAX_MS = 30_000;

export class ConsulWatch {
  readonly #options: WatchOptions;
  readonly #closed = new AbortController();
  readonly #first = Promise.withResolvers<void>();
  #index = 0;
  #faults = 0;
  #reason = '';
  #timer: NodeJS.Timeout | undefined = undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    void this.#ask();
  }

  /** Resolves with the first answer or fault. */
  get first(): Promise<void> {
    return this.#first.promise;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#closed.abort();
    this.#first.resolve();
  }

  async #ask(): Promise<void> {
    const done = await this.#options.turn();
    if (this.#closed.signal.aborted) return done();
    try {
      const { client, path, waitMs } = this.#options;
      const { body, index } = await client.get(path, this.#index, waitMs(), this.#closed.signal);
      this.#take(body, index);
    } catch (cause) {
      this.#fail(messageOf(cause));
    } finally {
      done();
    }
    this.#first.resolve();
    if (this.#closed.signal.aborted) return undefined;
    this.#timer = setTimeout(() => void this.#ask(), this.#pauseMs());
    return undefined;
  }

  /** The same index is nothing new; one that goes back is another history (a restored server): all is asked anew. */
  #take(body: unknown, index: number): void {
    if (index !== this.#index || this.#reason !== '') this.#options.onAnswer(body);
    this.#index = index < this.#index ? 0 : index;
    this.#faults = 0;
    if (this.#reason === '') return;
    this.#reason = '';
    this.#options.onRecovery();
  }

  #fail(reason: string): void {
    if (this.#closed.signal.aborted) return;
    this.#faults++;
    this.#index = 0;
    if (reason !== this.#reason) this.#options.onFault(reason);
    this.#reason = reason;
  }

  #pauseMs(): number {
    if (this.#faults === 0) return GAP_MS;
    const most = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** Math.min(this.#faults, 10));
    return most / 2 + this.#options.random.float() * (most / 2);
  }
}
