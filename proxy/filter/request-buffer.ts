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

/** Nothing is allocated until the first chunk comes. */
export class RequestBuffer {
  readonly #bytesMax: number;
  #chunks: Buffer[] | undefined = undefined;
  #bytes = 0;
  #ended = false;
  trailers: Headers | undefined = undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get empty(): boolean {
    return this.#chunks === undefined;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the chunk in any case; false says that the limit is reached and reading should stop. */
  add(chunk: Buffer, ended: boolean): boolean {
    (this.#chunks ??= []).push(keep(chunk));
    this.#bytes += chunk.length;
    this.#ended ||= ended;
    return this.#bytes < this.#bytesMax;
  }

  /** All that is held, for another try; it stays held. */
  peek(): HeldRequest {
    if (this.#chunks === undefined && this.trailers === undefined) return NOTHING;
    return { chunks: this.#chunks ?? [], ended: this.#ended, trailers: this.trailers };
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
    this.trailers = undefined;
  }
}
