// Runs the HTTP/1.1 codecs over memory with their input cut in pieces; tells what their users saw and what was written.
import { ManualClock } from '../../proxy/base/clock.ts';
import type { ProxyError } from '../../proxy/base/error.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { WriteBatch } from '../../proxy/base/write-batch.ts';
import type { ClientStream, RequestSink, ResponseSink, ServerConnectionHandler,
  ServerStream } from '../../proxy/http/codec.ts';
import type { Headers } from '../../proxy/http/headers.ts';
import type { Http1ClientOptions } from '../../proxy/http/http1-client.ts';
import { Http1ClientConnection } from '../../proxy/http/http1-client.ts';
import type { Http1ServerOptions } from '../../proxy/http/http1-server.ts';
import { Http1ServerConnection } from '../../proxy/http/http1-server.ts';
import { localReplyFor } from '../../proxy/http/local-reply.ts';
import { RequestHead, ResponseHead } from '../../proxy/http/message.ts';
import { MemoryTransport, settle } from './memory-transport.ts';

/** What a sink saw of one message; independent of how its bytes were cut. */
export class SeenMessage {
  start = '';
  fields: string[] = [];
  body = '';
  trailers: string[] | undefined = undefined;
  ended = false;
  error: ProxyError | undefined = undefined;
  informational: number[] = [];
  drains = 0;

  /** One line, for comparisons. */
  get text(): string {
    const end = this.error === undefined ? (this.ended ? 'end' : 'open') : `${this.error.kind} ${this.error.detail}`;
    const trailers = this.trailers === undefined ? '' : ` trailers=${this.trailers.join('|')}`;
    const interim = this.informational.map((status) => `${status}, `).join('');
    return `${interim}${this.start} [${this.fields.join('|')}] "${this.body}"${trailers} ${end}`;
  }
}

export type Reply = (stream: ServerStream, request: SeenMessage, head: RequestHead | undefined) => void;

/** 200 with a body, or the local reply of what went wrong. */
export function replyOk(stream: ServerStream, request: SeenMessage): void {
  const reply = request.error === undefined ? { status: 200, body: 'ok\n' } : localReplyFor(request.error);
  const head = new ResponseHead(reply.status);
  head.contentLength = reply.body.length;
  stream.sendResponseHead(head, false);
  stream.sendResponseData(Buffer.from(reply.body, 'latin1'), true);
}

/** A server's user: replies when a request is complete, or at its head for those that want a tunnel. */
export class ServerProbe implements ServerConnectionHandler {
  readonly transport = new MemoryTransport();
  readonly clock = new ManualClock();
  readonly timers = new TimerWheel(this.clock);
  readonly requests: SeenMessage[] = [];
  readonly heads: (RequestHead | undefined)[] = [];
  readonly streams: ServerStream[] = [];
  readonly connection: Http1ServerConnection;
  closed = false;
  reply: Reply = replyOk;
  replyAtHead = false;
  readonly delayedCloseMs: number;

  constructor(options: Partial<Http1ServerOptions> = {}) {
    this.connection = new Http1ServerConnection(this.transport, { ...SERVER_OPTIONS, writes: new WriteBatch(),
      ...options }, this, this.timers);
    this.delayedCloseMs = options.delayedCloseMs ?? SERVER_OPTIONS.delayedCloseMs;
  }

  onStream(stream: ServerStream): RequestSink {
    const seen = new SeenMessage();
    let head: RequestHead | undefined;
    this.requests.push(seen);
    this.streams.push(stream);
    this.heads.push(undefined);
    const index = this.heads.length - 1;
    const reply = (): void => this.reply(stream, seen, head);
    return {
      onRequestHead: (request, end) => {
        head = this.heads[index] = request;
        seen.start = requestSummary(request);
        seen.fields = request.headers.fields;
        seen.ended = end;
        if (end || this.replyAtHead) reply();
      },
      onRequestData: (chunk, end) => {
        seen.body += chunk.toString('latin1');
        seen.ended = end;
        if (end && !this.replyAtHead) reply();
      },
      onRequestTrailers: (trailers) => {
        seen.trailers = trailers.fields;
        seen.ended = true;
        if (!this.replyAtHead) reply();
      },
      onRequestError: (error) => {
        seen.error = error;
        if (error.kind !== 'downstream-reset') reply();
      },
      onResponseDrain: () => void seen.drains++,
    };
  }

  onProtocolError(): void {
    // The answer tells.
  }

  onConnectionClose(): void {
    this.closed = true;
  }

  get statuses(): number[] {
    return [...this.transport.written.matchAll(/^HTTP\/1\.[01] (\d{3}) /gm)].map((match) => Number(match[1]));
  }

  get text(): string {
    return this.requests.map((request) => request.text).join('\n');
  }

  /** Whether the connection takes no further request. */
  get ending(): boolean {
    return this.transport.ended || this.transport.destroyed;
  }

  async feed(parts: readonly string[]): Promise<void> {
    for (const part of parts) {
      this.transport.receive(part);
      // oxlint-disable-next-line no-await-in-loop
      await settle();
    }
  }
}

export const SERVER_OPTIONS: Omit<Http1ServerOptions, 'writes'> = {
  headBytesMax: 60 * 1024,
  headerCountMax: 100,
  headTimeoutMs: 10_000,
  acceptHttp10: true,
  defaultHostForHttp10: '',
  allowAbsoluteUrl: true,
  enableTrailers: true,
  preserveCase: false,
  headersWithUnderscores: 'allow',
  delayedCloseMs: 1000,
};

function requestSummary(head: RequestHead): string {
  const marks = [
    head.upgrade === undefined ? '' : ` upgrade=${head.upgrade}`,
    head.acceptsTrailers ? ' te' : '',
    head.expectContinue ? ' expect' : '',
    head.absoluteForm ? ' absolute' : '',
    head.protocol === 'HTTP/1.1' ? '' : ` ${head.protocol}`,
  ];
  return `${head.method} ${head.authority} ${head.path} ${head.contentLength}${marks.join('')}`;
}

export const CLIENT_OPTIONS: Omit<Http1ClientOptions, 'writes'> = { headerCountMax: 100, enableTrailers: true,
  preserveCase: false };

/** A client's user: one request after another on one connection. */
export class ClientProbe {
  readonly #writes = new WriteBatch();
  readonly transport = new MemoryTransport();
  readonly responses: SeenMessage[] = [];
  readonly connection: Http1ClientConnection;
  done = 0;
  draining = 0;
  closed = 0;
  closeError: ProxyError | undefined = undefined;

  constructor(options: Partial<Http1ClientOptions> = {}) {
    const handler = {
      onStreamDone: () => void this.done++,
      onDraining: () => void this.draining++,
      onConnectionClose: (_connection: unknown, error: ProxyError | undefined) => {
        this.closed++;
        this.closeError = error;
      },
    };
    this.connection = new Http1ClientConnection(this.transport, { ...CLIENT_OPTIONS, writes: this.#writes,
      ...options }, handler);
  }

  /** Sends a head; `end` false leaves the request open, and the head waits for what follows. */
  request(head: RequestHead = new RequestHead('GET', 'a', '/'), end = true): ClientStream {
    const stream = this.connection.newStream(this.#sink());
    stream.sendRequestHead(head, end);
    if (end) this.#writes.flushLate();
    return stream;
  }

  #sink(): ResponseSink {
    const seen = new SeenMessage();
    this.responses.push(seen);
    return {
      onInformational: (head) => void seen.informational.push(head.status),
      onResponseHead: (head, end) => {
        seen.start = `${head.status} ${head.contentLength}`;
        if (head.upgrade !== undefined) seen.start += ` upgrade=${head.upgrade}`;
        seen.fields = head.headers.fields;
        seen.ended = end;
      },
      onResponseData: (chunk, end) => {
        seen.body += chunk.toString('latin1');
        seen.ended = end;
      },
      onResponseTrailers: (trailers: Headers) => {
        seen.trailers = trailers.fields;
        seen.ended = true;
      },
      onResponseError: (error) => void (seen.error = error),
      onRequestDrain: () => void seen.drains++,
    };
  }

  get text(): string {
    return this.responses.map((response) => response.text).join('\n');
  }

  /** Whether another request may use the connection. */
  get reusable(): boolean {
    return this.connection.canTakeStream && !this.transport.destroyed;
  }
}

/** The text whole, cut in two at every place, and byte by byte. */
export function* cuts(text: string): Generator<readonly string[]> {
  yield [text];
  for (let i = 1; i < text.length; i++) yield [text.slice(0, i), text.slice(i)];
  yield text.split('');
}

/** Feeds the text in every cut to a fresh probe. */
export async function atEveryCut(text: string, make: () => ServerProbe, check: (probe: ServerProbe,
  cut: string) => void): Promise<void> {
  for (const parts of cuts(text)) {
    const probe = make();
    // oxlint-disable-next-line no-await-in-loop
    await probe.feed(parts);
    check(probe, JSON.stringify(parts.length > 2 ? 'byte by byte' : parts));
  }
}

/** As atEveryCut, for what a server answers to one request. */
export async function responseAtEveryCut(
  text: string, make: () => ClientProbe, check: (probe: ClientProbe, cut: string) => void, closes = false,
): Promise<void> {
  for (const parts of cuts(text)) {
    const probe = make();
    for (const part of parts) probe.transport.receive(part);
    if (closes) probe.transport.receiveEnd();
    // oxlint-disable-next-line no-await-in-loop
    await settle();
    check(probe, JSON.stringify(parts.length > 2 ? 'byte by byte' : parts));
  }
}
