// The client side of HTTP/1.1: one exchange at a time on an upstream connection.
import { ProxyError } from '../base/error.ts';
import type { Transport, TransportHandler } from '../base/transport.ts';
import type { WriteBatch } from '../base/write-batch.ts';
import type { ClientConnection, ClientConnectionHandler, ClientStream, ResponseSink } from './codec.ts';
import type { Headers } from './headers.ts';
import type { BodyDecoder, BodyTarget } from './http1-body.ts';
import { ChunkedBody, LengthBody, UntilCloseBody } from './http1-body.ts';
import type { FieldRules } from './http1-head.ts';
import { hasBareLineEnd, headEnd } from './http1-head.ts';
import { HTTP1_LIMITS, INFORMATIONAL_MAX } from './http1-limits.ts';
import { Http1Output } from './http1-output.ts';
import type { ParsedResponse } from './http1-response.ts';
import { parseResponse } from './http1-response.ts';
import type { Framing } from './http1-serialize.ts';
import { fieldsText, requestText } from './http1-serialize.ts';
import { parseTrailers } from './http1-trailers.ts';
import { LENGTH_UNKNOWN } from './message.ts';
import type { RequestHead } from './message.ts';

/** A cluster's HTTP/1.1 options, compiled. */
export interface Http1ClientOptions {
  readonly preserveCase: boolean;
  readonly enableTrailers: boolean;
  readonly headerCountMax: number;
  readonly writes: WriteBatch;
}

/** `idle` between exchanges, `head` while a response head is awaited, `body`, `tunnel` after an upgrade, `closed`. */
type State = 'idle' | 'head' | 'body' | 'tunnel' | 'closed';

const EMPTY = Buffer.alloc(0);

export class Http1ClientConnection implements ClientConnection, ClientStream, TransportHandler, BodyTarget {
  readonly #transport: Transport;
  readonly #options: Http1ClientOptions;
  readonly #rules: FieldRules;
  readonly #handler: ClientConnectionHandler;
  readonly #output: Http1Output;
  #state: State = 'idle';
  #rest: Buffer = EMPTY;
  #sink: ResponseSink | undefined = undefined;
  #method = '';
  #framing: Framing = 'none';
  #response: ParsedResponse | undefined = undefined;
  #body: BodyDecoder | undefined = undefined;
  #requestDone = false;
  #responseDone = false;
  #informational = 0;
  #closing = false;
  #anyByte = false;
  #paused = false;
  #wantsDrain = false;
  streamsStarted = 0;
  keepAliveMs: number | undefined = undefined;

  constructor(transport: Transport, options: Http1ClientOptions, handler: ClientConnectionHandler) {
    this.#transport = transport;
    this.#options = options;
    this.#handler = handler;
    this.#rules = {
      ...HTTP1_LIMITS, headerCountMax: options.headerCountMax, preserveCase: options.preserveCase, underscores: 'allow', source: 'upstream',
    };
    this.#output = new Http1Output(transport, options.writes);
    transport.attach(this);
  }

  get canTakeStream(): boolean {
    return this.#state === 'idle' && !this.#closing;
  }

  get openStreams(): number {
    return this.#sink === undefined ? 0 : 1;
  }

  newStream(sink: ResponseSink): ClientStream {
    this.#sink = sink;
    this.#state = 'head';
    this.#requestDone = false;
    this.#responseDone = false;
    this.#informational = 0;
    this.#anyByte = false;
    this.streamsStarted++;
    return this;
  }

  drain(): void {
    this.#closing = true;
    if (this.#state === 'idle') this.#transport.destroy();
  }

  destroy(): void {
    this.#transport.destroy();
  }

  // --- the request

  sendRequestHead(head: RequestHead, endStream: boolean): void {
    this.#method = head.method;
    const tunnel = head.method === 'CONNECT' || head.upgrade !== undefined;
    this.#framing = tunnel ? 'close' : endStream && head.contentLength <= 0 ? emptyFraming(head) : head.contentLength === LENGTH_UNKNOWN ? 'chunked' : 'length';
    this.#output.text(requestText(head, this.#framing, this.#options.preserveCase));
    if (endStream && !tunnel) this.#completeRequest();
  }

  sendRequestData(chunk: Buffer, endStream: boolean): boolean {
    if (this.#sink === undefined) return true;
    if (this.#framing === 'chunked') this.#sendChunk(chunk, endStream);
    else if (chunk.length > 0) this.#output.bytes(chunk);
    if (endStream) this.#completeRequest();
    else if (!this.#output.room) this.#wantsDrain = true;
    return this.#output.room;
  }

  sendRequestTrailers(trailers: Headers): void {
    if (this.#framing === 'chunked') {
      this.#output.text(this.#options.enableTrailers ? `0\r\n${fieldsText(trailers, this.#options.preserveCase)}\r\n` : '0\r\n\r\n');
    }
    this.#completeRequest();
  }

  resetStream(): void {
    if (this.#sink === undefined) return;
    this.#sink = undefined;
    this.#transport.destroy();
  }

  pauseBody(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#transport.pause();
  }

  resumeBody(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#transport.resume();
  }

  #sendChunk(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0) {
      this.#output.text(`${chunk.length.toString(16)}\r\n`);
      this.#output.bytes(chunk);
      this.#output.text(endStream ? '\r\n0\r\n\r\n' : '\r\n');
    } else if (endStream) this.#output.text('0\r\n\r\n');
  }

  #completeRequest(): void {
    this.#requestDone = true;
    if (this.#state === 'tunnel') this.#output.end();
    else this.#next();
  }

  // --- from the transport

  onData(chunk: Buffer): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'idle') {
      // Bytes that nobody asked for would be read as the next response (S12).
      this.#transport.destroy();
      return;
    }
    this.#anyByte = true;
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = EMPTY;
    this.#read(bytes);
  }

  onEnd(): void {
    if (this.#state === 'tunnel') {
      this.#responseDone = true;
      this.#sink?.onResponseData(EMPTY, true);
      return;
    }
    if (this.#state === 'body' && this.#body?.endsWithConnection === true) {
      this.#closing = true;
      this.onBodyEnd('');
      return;
    }
    this.#transport.destroy();
  }

  onDrain(): void {
    this.#output.drained();
    if (!this.#wantsDrain) return;
    this.#wantsDrain = false;
    this.#sink?.onRequestDrain();
  }

  onClose(error: ProxyError | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.onResponseError(this.#lostError(error));
    this.#handler.onConnectionClose(this, error);
  }

  /** Before any response byte on a connection that was used before, another try is safe: the server had just hung up. */
  #lostError(error: ProxyError | undefined): ProxyError {
    const retry = !this.#anyByte && this.streamsStarted > 1 ? 'if-reused' : 'never';
    const detail = this.#response === undefined ? 'upstream_reset_before_response_started' : 'upstream_reset_after_response_started';
    return new ProxyError('upstream-reset', 'upstream', `${detail}{connection_termination}`, retry, error?.cause ?? 'connection termination');
  }

  // --- the response

  #read(bytes: Buffer): void {
    let left = bytes;
    while (left.length > 0) {
      if (this.#state === 'head') left = this.#readHead(left);
      else if (this.#state === 'body') left = this.#readBody(left);
      else if (this.#state === 'tunnel') {
        this.#sink?.onResponseData(left, false);
        return;
      } else break;
    }
    // More than the response that was asked for: the connection is not to be trusted any more.
    if (left.length > 0 && this.#state === 'idle') this.#transport.destroy();
  }

  #readHead(bytes: Buffer): Buffer {
    const end = headEnd(bytes);
    if (end === -1 || end > this.#rules.headBytesMax) {
      if (bytes.length > this.#rules.headBytesMax || hasBareLineEnd(bytes)) this.#fail(new ProxyError('upstream-protocol', 'upstream', 'http1.codec_error'));
      else this.#rest = bytes;
      return EMPTY;
    }
    const parsed = parseResponse(bytes.toString('latin1', 0, end), this.#method, this.#rules);
    if (parsed instanceof ProxyError) {
      this.#fail(parsed);
      return EMPTY;
    }
    const { head } = parsed;
    if (head.status < 200 && head.status !== 101) this.#interim(parsed);
    else this.#begin(parsed);
    return bytes.subarray(end);
  }

  #interim({ head }: ParsedResponse): void {
    if (++this.#informational > INFORMATIONAL_MAX) this.#fail(new ProxyError('upstream-protocol', 'upstream', 'too_many_interim_responses'));
    // The proxy answers expectations itself.
    else if (head.status !== 100) this.#sink?.onInformational(head);
  }

  #begin(parsed: ParsedResponse): void {
    const { head, chunked, untilClose, bodyLength } = parsed;
    this.#response = parsed;
    if (parsed.keepAliveMs !== undefined) this.keepAliveMs = parsed.keepAliveMs;
    if (!parsed.keepAlive) this.#closing = true;
    if (head.status === 101 || (this.#method === 'CONNECT' && head.status < 300)) {
      this.#state = 'tunnel';
      this.#closing = true;
      this.#sink?.onResponseHead(head, false);
      return;
    }
    this.#body = chunked ? new ChunkedBody(this.#rules.headBytesMax) : untilClose ? new UntilCloseBody() : bodyLength > 0 ? new LengthBody(bodyLength) : undefined;
    this.#state = 'body';
    const sink = this.#sink;
    if (this.#body === undefined) {
      this.#completeResponse();
      sink?.onResponseHead(head, true);
    } else sink?.onResponseHead(head, false);
  }

  #readBody(bytes: Buffer): Buffer {
    if (this.#body === undefined) return bytes;
    const used = this.#body.feed(bytes, this);
    if (typeof used !== 'string') return bytes.subarray(used);
    this.#fail(new ProxyError('upstream-protocol', 'upstream', `http1.${used}`));
    return EMPTY;
  }

  onBodyData(chunk: Buffer): void {
    this.#sink?.onResponseData(chunk, false);
  }

  onBodyEnd(trailerText: string): void {
    const trailers = parseTrailers(trailerText, this.#rules);
    if (trailers instanceof ProxyError) {
      this.#fail(trailers);
      return;
    }
    const sink = this.#sink;
    this.#completeResponse();
    if (trailers !== undefined && this.#options.enableTrailers) sink?.onResponseTrailers(trailers);
    else sink?.onResponseData(EMPTY, true);
  }

  #completeResponse(): void {
    this.#body = undefined;
    this.#responseDone = true;
    // A response before the request's end: the rest of the request would be read as another one (S09, S10).
    if (!this.#requestDone) this.#closing = true;
    this.resumeBody();
    this.#next();
  }

  /** Free for the next exchange once both halves are complete. The owner may start it from within. */
  #next(): void {
    if (!this.#responseDone || this.#sink === undefined) return;
    this.#sink = undefined;
    this.#response = undefined;
    if (!this.#requestDone || this.#closing) {
      this.#handler.onDraining(this);
      this.#output.flush();
      this.#transport.destroy();
      return;
    }
    this.#state = 'idle';
    this.#handler.onStreamDone(this);
  }

  #fail(error: ProxyError): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.onResponseError(error);
    this.#transport.destroy();
  }
}

/** A request without a body says so where its method could have one (RFC 9110 section 8.6). */
function emptyFraming(head: RequestHead): Framing {
  return head.method === 'POST' || head.method === 'PUT' || head.method === 'PATCH' ? 'length' : 'none';
}
