// Request bytes held while a filter waits, or kept for a retry: bounded, and given back in order.
import { keep } from '../base/lent-buffer.ts';
import type { Headers } from '../http/headers.ts';

/** What was held: `ended` says that the last chunk ended the request. */
export interface HeldRequest {
  readonly chunks: readonly Buffer[];
  readonly ended: boolean;
  readonly trailers: Headers | undefined;
}

/** A request without body. */
export const NOTHING: HeldRequest = { chunks: [], ended: false, trailers: undefined };

/** Hears of what comes while a filter waits. */
export interface BodyWatcher {
  /** `bytes` are held by now; `complete`: nothing follows. */
  onHeld(held: HeldRequest, bytes: number, complete: boolean): void;
}

/** Nothing is allocated until the first chunk comes. */
export class RequestBuffer {
  #bytesMax: number;
  #watcher: BodyWatcher | undefined = undefined;
  #trailers: Headers | undefined = undefined;
  #chunks: Buffer[] | undefined = undefined;
  #bytes = 0;
  #ended = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get empty(): boolean {
    return this.#chunks === undefined;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get trailers(): Headers | undefined {
    return this.#trailers;
  }

  set trailers(trailers: Headers | undefined) {
    this.#trailers = trailers;
    if (trailers !== undefined) this.#watcher?.onHeld(this.peek(), this.#bytes, true);
  }

  /** From now on; room is made for `bytesMax` and a byte that is too many. */
  watch(bytesMax: number, watcher: BodyWatcher): void {
    this.#bytesMax = Math.max(this.#bytesMax, bytesMax + 1);
    this.#watcher = watcher;
    // A filter before it may have waited so long that there will be no more.
    const { chunks, ended, trailers } = this.peek();
    if (chunks.length > 0 || trailers !== undefined) {
      watcher.onHeld(this.peek(), this.#bytes, ended || trailers !== undefined);
    }
  }

  /** Takes the chunk in any case; false says that the limit is reached and reading should stop. */
  add(chunk: Buffer, ended: boolean): boolean {
    (this.#chunks ??= []).push(keep(chunk));
    this.#bytes += chunk.length;
    this.#ended ||= ended;
    this.#watcher?.onHeld(this.peek(), this.#bytes, ended);
    return this.#bytes < this.#bytesMax;
  }

  /** All that is held, for another try; it stays held. */
  peek(): HeldRequest {
    if (this.#chunks === undefined && this.#trailers === undefined) return NOTHING;
    return { chunks: this.#chunks ?? [], ended: this.#ended, trailers: this.#trailers };
  }

  take(): HeldRequest {
    const held = this.peek();
    this.clear();
    return held;
  }

  clear(): void {
    this.#chunks = undefined;
    this.#bytes = 0;
    this.#ended = false;
    this.#trailers = undefined;
  }
}
