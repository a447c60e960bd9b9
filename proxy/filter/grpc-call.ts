// One unary gRPC call of a filter to a service of its own.
import { ProxyError } from '../base/error.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { Headers } from '../http/headers.ts';
import { LENGTH_UNKNOWN, RequestHead } from '../http/message.ts';
import type { ResponseHead } from '../http/message.ts';
import { GRPC_TYPE, isGrpcResponse } from '../telemetry/grpc-status.ts';
import type { Cluster } from '../upstream/upstream.ts';
import { HttpCall, noAnswer } from './http-call.ts';
import type { HttpAnswer, HttpCallSink } from './http-call.ts';

/** Of a message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;

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

export class GrpcCall implements HttpCallSink {
  readonly #sink: GrpcCallSink;
  readonly #call: HttpCall;

  constructor(cluster: Cluster, target: GrpcCallTarget, timers: TimerWheel, sink: GrpcCallSink) {
    this.#sink = sink;
    this.#call = new HttpCall(cluster, target.timeoutMs, timers, this);
  }

  /** `headers` go with the call. The sink may hear of a failure before this returns. */
  start(target: GrpcCallTarget, headers: Headers, message: Uint8Array): void {
    this.#call.start(headOf(target, headers), framed(message));
  }

  cancel(): void {
    this.#call.cancel();
  }

  accepts(head: ResponseHead, endStream: boolean): boolean {
    return endStream || isGrpcResponse(head, false);
  }

  onCallDone(answer: HttpAnswer | ProxyError): void {
    this.#sink.onCallDone(answer instanceof ProxyError ? answer : messageOf(answer) ?? noAnswer());
  }
}

function messageOf({ body, trailers }: HttpAnswer): Buffer | undefined {
  return trailers?.get('grpc-status') === '0' ? unframed(body) : undefined;
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
