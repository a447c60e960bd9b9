// One unary gRPC call of a filter to a service of its own, over the pools of the service's cluster.
import { ProxyError } from '../base/error.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { Headers } from '../http/headers.ts';
import { LENGTH_UNKNOWN, RequestHead } from '../http/message.ts';
import type { ResponseHead } from '../http/message.ts';
import { GRPC_TYPE, isGrpcResponse } from '../telemetry/grpc-status.ts';
import type { Attempt, AttemptSink, Cluster, Outcome } from '../upstream/upstream.ts';

/** Of a message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;
/** Longer answers are failures. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** Hears the end of a call, once; never after cancel. */
export interface GrpcCallSink {
  /** The answer's message, or why there is none. */
  onCallDone(answer: Buffer | ProxyError): void;
}

export interface GrpcCallTarget {
  readonly path: string;
  readonly authority: string;
  /** 0 is for ever. */
  readonly timeoutMs: number;
}

export class GrpcCall implements AttemptSink, TimerTarget {
  readonly #sink: GrpcCallSink;
  readonly #cluster: Cluster;
  readonly #timer: Timer | undefined;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #status = 0;
  #attempt: Attempt | undefined = undefined;
  #done = false;

  constructor(cluster: Cluster, target: GrpcCallTarget, timers: TimerWheel, sink: GrpcCallSink) {
    this.#cluster = cluster;
    this.#sink = sink;
    if (target.timeoutMs > 0) {
      this.#timer = new Timer(timers, this);
      this.#timer.arm(target.timeoutMs);
    }
  }

  /** `headers` go with the call. The sink may hear of a failure before this returns. */
  start(target: GrpcCallTarget, headers: Headers, message: Uint8Array): void {
    const endpoint = this.#cluster.pick(undefined);
    if (typeof endpoint === 'string') {
      this.#fail(new ProxyError('no-healthy-upstream', 'upstream', 'no_healthy_upstream'));
      return;
    }
    const started = this.#cluster.startAttempt(endpoint, this, headOf(target, headers), false);
    if (started instanceof ProxyError) {
      this.#fail(started);
      return;
    }
    this.#attempt = started;
    started.sendData(framed(message), true);
  }

  cancel(): void {
    this.#finish('cancelled', true);
  }

  onAttemptReady(): void {}

  onInformational(): void {}

  onRequestDrain(): void {}

  onResponseHead(head: ResponseHead, endStream: boolean): void {
    this.#status = head.status;
    if (endStream) this.#end(head.headers);
    else if (!isGrpcResponse(head, false)) this.#fail(noAnswer());
  }

  onResponseData(chunk: Buffer, endStream: boolean): void {
    this.#bytes += chunk.length;
    if (this.#bytes > ANSWER_BYTES_MAX || endStream) {
      this.#fail(noAnswer());
      return;
    }
    this.#chunks.push(Buffer.from(chunk));
  }

  onResponseTrailers(trailers: Headers): void {
    this.#end(trailers);
  }

  onResponseError(error: ProxyError): void {
    if (this.#finish('reset', false)) this.#sink.onCallDone(error);
  }

  onTimer(): void {
    if (this.#finish('timeout', true)) {
      this.#sink.onCallDone(new ProxyError('upstream-timeout', 'upstream', 'grpc_call_timeout'));
    }
  }

  #end(trailers: Headers): void {
    const message = trailers.get('grpc-status') === '0' ? unframed(Buffer.concat(this.#chunks)) : undefined;
    if (!this.#finish(this.#status, false)) return;
    this.#sink.onCallDone(message ?? noAnswer());
  }

  #fail(error: ProxyError): void {
    if (this.#finish('reset', true)) this.#sink.onCallDone(error);
  }

  /** False when it was over before. */
  #finish(outcome: Outcome, cancels: boolean): boolean {
    if (this.#done) return false;
    this.#done = true;
    this.#timer?.cancel();
    this.#attempt?.endpoint.done(outcome);
    if (cancels) this.#attempt?.cancel();
    this.#attempt = undefined;
    return true;
  }
}

/** Neither a message of gRPC nor anything like it. */
function noAnswer(): ProxyError {
  return new ProxyError('upstream-protocol', 'upstream', 'no_grpc_answer');
}

function headOf({ path, authority, timeoutMs }: GrpcCallTarget, headers: Headers): RequestHead {
  headers.set('content-type', GRPC_TYPE);
  if (timeoutMs > 0) headers.set('grpc-timeout', `${Math.ceil(timeoutMs)}m`);
  const head = new RequestHead('POST', authority, path, headers, 'HTTP/2');
  head.contentLength = LENGTH_UNKNOWN;
  head.acceptsTrailers = true;
  return head;
}

function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(PREFIX_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX_BYTES);
  return frame;
}

/** The one uncompressed message of an answer; undefined for anything else. */
function unframed(bytes: Buffer): Buffer | undefined {
  if (bytes.length < PREFIX_BYTES || bytes[0] !== 0) return undefined;
  return bytes.length === PREFIX_BYTES + bytes.readUInt32BE(1) ? bytes.subarray(PREFIX_BYTES) : undefined;
}
