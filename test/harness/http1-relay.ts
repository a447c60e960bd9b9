// Both HTTP/1.1 codecs back to back, without anything between them: what one accepts is what the other sends.
import { ManualClock } from '../../proxy/base/clock.ts';
import type { ProxyError } from '../../proxy/base/error.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { WriteBatch } from '../../proxy/base/write-batch.ts';
import type { ClientStream, RequestSink, ResponseSink, ServerConnectionHandler,
  ServerStream } from '../../proxy/http/codec.ts';
import type { Headers } from '../../proxy/http/headers.ts';
import { Http1ClientConnection } from '../../proxy/http/http1-client.ts';
import { Http1ServerConnection } from '../../proxy/http/http1-server.ts';
import { localReplyFor } from '../../proxy/http/local-reply.ts';
import type { RequestHead } from '../../proxy/http/message.ts';
import { ResponseHead } from '../../proxy/http/message.ts';
import { CLIENT_OPTIONS, SERVER_OPTIONS } from './http1-probe.ts';
import { MemoryTransport, settle } from './memory-transport.ts';

/** One upstream connection of the relay. */
export interface Upstream {
  readonly transport: MemoryTransport;
  readonly connection: Http1ClientConnection;
}

/** One downstream connection, and as many upstream connections as its requests need, one after another. */
export class Relay implements ServerConnectionHandler {
  readonly down = new MemoryTransport();
  readonly ups: Upstream[] = [];
  /** Requests that were read whole, in order. */
  whole = 0;
  closed = false;
  readonly #writes = new WriteBatch();
  /** What an upstream answers once a request is whole, or is for a tunnel; undefined: the test answers. */
  readonly #answer: string | undefined;

  constructor(answer: string | undefined) {
    this.#answer = answer;
    const options = { ...SERVER_OPTIONS, writes: this.#writes };
    new Http1ServerConnection(this.down, options, this, new TimerWheel(new ManualClock()));
  }

  /** All that went to upstreams. */
  get written(): string {
    return this.ups.map(({ transport }) => transport.written).join('');
  }

  async feed(parts: readonly string[]): Promise<this> {
    for (const part of parts) {
      this.down.receive(part);
      // oxlint-disable-next-line no-await-in-loop
      await settle();
    }
    await settle();
    return this;
  }

  onStream(stream: ServerStream): RequestSink {
    return new RelayedExchange(stream, this);
  }

  onProtocolError(): void {
    // The answer tells.
  }

  onConnectionClose(): void {
    this.closed = true;
  }

  take(): Upstream {
    const last = this.ups.at(-1);
    if (last?.connection.canTakeStream === true && !last.transport.destroyed) return last;
    const transport = new MemoryTransport();
    const handler = { onStreamDone: () => undefined, onDraining: () => undefined, onConnectionClose: () => undefined };
    const connection = new Http1ClientConnection(transport, { ...CLIENT_OPTIONS, writes: this.#writes }, handler);
    const upstream = { transport, connection };
    this.ups.push(upstream);
    return upstream;
  }

  answer(upstream: Upstream): void {
    this.whole++;
    if (this.#answer !== undefined) setImmediate(() => upstream.transport.receive(this.#answer!));
  }
}

class RelayedExchange implements RequestSink, ResponseSink {
  readonly #down: ServerStream;
  readonly #relay: Relay;
  #upstream: Upstream | undefined = undefined;
  #up: ClientStream | undefined = undefined;

  constructor(down: ServerStream, relay: Relay) {
    this.#down = down;
    this.#relay = relay;
  }

  onRequestHead(head: RequestHead, end: boolean): void {
    const upstream = (this.#upstream = this.#relay.take());
    this.#up = upstream.connection.newStream(this);
    this.#up.sendRequestHead(head, end);
    if (end || head.upgrade !== undefined || head.method === 'CONNECT') this.#relay.answer(upstream);
  }

  onRequestData(chunk: Buffer, end: boolean): void {
    // Kept by tunnels that are not open yet, so a copy (a chunk is valid only during its call).
    this.#up!.sendRequestData(Buffer.from(chunk), end);
    if (end) this.#relay.answer(this.#upstream!);
  }

  onRequestTrailers(trailers: Headers): void {
    this.#up!.sendRequestTrailers(trailers);
    this.#relay.answer(this.#upstream!);
  }

  onRequestError(error: ProxyError): void {
    this.#up?.resetStream();
    if (error.kind === 'downstream-reset') return;
    const { status, body } = localReplyFor(error);
    const head = new ResponseHead(status);
    head.contentLength = body.length;
    this.#down.sendResponseHead(head, false);
    this.#down.sendResponseData(Buffer.from(body), true);
  }

  onResponseDrain(): void {}

  onInformational(head: ResponseHead): void {
    this.#down.sendInformational(head);
  }

  onResponseHead(head: ResponseHead, end: boolean): void {
    this.#down.sendResponseHead(head, end);
  }

  onResponseData(chunk: Buffer, end: boolean): void {
    this.#down.sendResponseData(chunk, end);
  }

  onResponseTrailers(trailers: Headers): void {
    this.#down.sendResponseTrailers(trailers);
  }

  onResponseError(error: ProxyError): void {
    this.#down.resetStream(error);
  }

  onRequestDrain(): void {}
}
