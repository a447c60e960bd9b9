// What the benchmarks of both codecs share: a transport that forgets, a user that answers at once, and the clock.
import type { Socket } from 'node:net';
import type { Transport, TransportHandler } from '../../proxy/base/transport.ts';
import type { RequestSink, ServerStream } from '../../proxy/http/codec.ts';
import { ResponseHead } from '../../proxy/http/message.ts';

const ROUNDS = 7;
const BODY = Buffer.from('{"status":"ok"}');

export const scratch = Buffer.alloc(256 * 1024) as Buffer & { latin1Write(text: string, at: number): number };

/** Takes output and forgets it, as a socket that never fills. */
export class NullTransport implements Transport {
  handler: TransportHandler | undefined = undefined;
  bytes = 0;
  readonly bufferedBytes = 0;
  readonly holdsBytes = false;
  readonly encrypts = false;
  get socket(): Socket {
    throw new Error('no socket');
  }
  attach(handler: TransportHandler): void {
    this.handler = handler;
  }
  writeLatin1(text: string): boolean {
    // What a socket does first: the pieces of the text become one run of bytes.
    this.bytes += scratch.latin1Write(text, 0);
    return true;
  }
  write(chunk: Buffer): boolean {
    this.bytes += chunk.length;
    return true;
  }
  writeAround(before: string, chunk: Buffer, after: string): boolean {
    return this.writeLatin1(before) && this.write(chunk) && this.writeLatin1(after);
  }
  endStalls(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

/** The best of several rounds. */
export function measure(name: string, times: number, run: () => void): void {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < times; i++) run();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / times);
  }
  const cost = `${best.toFixed(0).padStart(8)} ns/op ${(1e9 / best).toFixed(0).padStart(9)}/s`;
  process.stdout.write(`${name.padEnd(52)} ${cost}\n`);
}

/** Answers at once by a small response of the proxy's own. */
export class Answering implements RequestSink {
  readonly #stream: ServerStream;
  constructor(stream: ServerStream) {
    this.#stream = stream;
  }
  onRequestHead(): void {
    const head = new ResponseHead(200);
    head.contentLength = BODY.length;
    head.headers.append('content-type', 'application/json');
    this.#stream.sendResponseHead(head, false);
    this.#stream.sendResponseData(BODY, true);
  }
  onRequestData(): void {}
  onRequestTrailers(): void {}
  onRequestError(): void {}
  onResponseDrain(): void {}
}
