// The receiving side's flow control: what came is given back once it is used, on the stream and on the connection.
import { WINDOW_DEFAULT } from './http2-frame.ts';
import type { Http2Output } from './http2-output.ts';
import { ReceiveWindow } from './http2-receive-window.ts';
import type { Http2Stream } from './http2-stream.ts';

export class Http2Credit {
  readonly #output: Http2Output;
  readonly #configured: number;
  readonly #window: ReceiveWindow;
  /** What new streams have: the greater of default and ours until the peer knows ours. */
  streamInitial: number;

  constructor(output: Http2Output, connectionWindow: number, streamWindow: number) {
    this.#output = output;
    this.#configured = streamWindow;
    this.#window = new ReceiveWindow(Math.max(connectionWindow, WINDOW_DEFAULT));
    this.streamInitial = Math.max(streamWindow, WINDOW_DEFAULT);
  }

  /** False when the peer has sent more than the connection may. */
  take(bytes: number): boolean {
    return this.#window.take(bytes);
  }

  /** The peer has learned of our stream window. */
  settle(streams: Iterable<Http2Stream>): void {
    if (this.streamInitial === this.#configured) return;
    this.streamInitial = this.#configured;
    for (const stream of streams) stream.window.resize(this.#configured);
  }

  /** Bytes of a stream that were passed on; while it is paused they wait. */
  give(stream: Http2Stream, bytes: number): void {
    if (stream.paused && !stream.over) {
      stream.heldBytes += bytes;
      return;
    }
    this.giveConnection(bytes);
    if (stream.remoteEnded || stream.over) return;
    const increment = stream.window.credit(bytes);
    if (increment > 0) this.#output.windowUpdate(stream.id, increment);
  }

  giveConnection(bytes: number): void {
    const increment = this.#window.credit(bytes);
    if (increment > 0) this.#output.windowUpdate(0, increment);
  }
}
