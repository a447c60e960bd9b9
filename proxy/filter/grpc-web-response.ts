// gRPC's answer on its way to a gRPC-Web client: trailers become the last message of the body, other answers a status.
import type { ProxyError } from '../base/error.ts';
import { LIMITS } from '../config/limits.ts';
import type { ServerStream } from '../http/codec.ts';
import type { Headers } from '../http/headers.ts';
import { LENGTH_UNKNOWN } from '../http/message.ts';
import type { ResponseHead } from '../http/message.ts';
import { grpcStatusOfHttp, isGrpcResponse } from '../telemetry/grpc-status.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import { Base64Writer } from './grpc-web-base64.ts';
import { percentEncoded } from './local-reply-head.ts';

/** First byte of the message that holds the trailers (gRPC-Web protocol, "Message framing"). */
const TRAILERS = 0x80;
const HEADER_BYTES = 5;
const NOTHING = Buffer.alloc(0);

export const WEB_TYPE = 'application/grpc-web';
export const WEB_PROTO_TYPE = 'application/grpc-web+proto';
export const WEB_TEXT_TYPE = 'application/grpc-web-text';
export const WEB_TEXT_PROTO_TYPE = 'application/grpc-web-text+proto';

/**
 * Stands between a stream and its codec. An answer that is none of gRPC's is held until it is whole: its HTTP status
 * stays, and its body becomes grpc-message, as in Envoy.
 */
export class GrpcWebResponse implements ServerStream {
  readonly #codec: ServerStream;
  readonly #info: StreamInfo;
  readonly #text: Base64Writer | undefined;
  /** The head of an answer that is none of gRPC's, and the beginning of its body. */
  #held: ResponseHead | undefined = undefined;
  #message = '';

  /** `text`: the client asked for base64. */
  constructor(codec: ServerStream, info: StreamInfo, text: boolean) {
    this.#codec = codec;
    this.#info = info;
    this.#text = text ? new Base64Writer() : undefined;
  }

  sendInformational(head: ResponseHead): void {
    this.#codec.sendInformational(head);
  }

  sendResponseHead(head: ResponseHead, endStream: boolean): void {
    const understood = endStream || isGrpcResponse(head, false) || isGrpcWebResponse(head);
    head.headers.set('content-type', this.#text === undefined ? WEB_PROTO_TYPE : WEB_TEXT_PROTO_TYPE);
    head.contentLength = LENGTH_UNKNOWN;
    if (understood) this.#codec.sendResponseHead(head, endStream);
    else this.#held = head;
  }

  sendResponseData(chunk: Buffer, endStream: boolean): boolean {
    if (this.#held !== undefined) {
      this.#hold(chunk);
      if (endStream) this.#sendHeld(this.#held);
      return true;
    }
    if (this.#text === undefined) return this.#codec.sendResponseData(chunk, endStream);
    const text = this.#text.write(chunk);
    const whole = endStream ? Buffer.concat([text, this.#text.end(NOTHING)]) : text;
    this.#info.bytesSent += whole.length - chunk.length;
    return whole.length === 0 && !endStream ? true : this.#codec.sendResponseData(whole, endStream);
  }

  sendResponseTrailers(trailers: Headers): void {
    if (this.#held !== undefined) {
      this.#sendHeld(this.#held);
      return;
    }
    const frame = trailersFrame(trailers);
    const last = this.#text === undefined ? frame : this.#text.end(frame);
    this.#info.bytesSent += last.length;
    this.#codec.sendResponseData(last, true);
  }

  resetStream(error: ProxyError): void {
    this.#codec.resetStream(error);
  }

  pauseBody(): void {
    this.#codec.pauseBody();
  }

  resumeBody(): void {
    this.#codec.resumeBody();
  }

  /** Bytes beyond the limit are read and forgotten. */
  #hold(chunk: Buffer): void {
    this.#info.bytesSent -= chunk.length;
    this.#message += chunk.toString('latin1', 0, LIMITS.grpcMessageBytesMax - this.#message.length);
  }

  #sendHeld(head: ResponseHead): void {
    this.#held = undefined;
    head.headers.set('grpc-message', percentEncoded(this.#message));
    head.headers.set('grpc-status', String(grpcStatusOfHttp(head.status)));
    head.contentLength = 0;
    this.#codec.sendResponseHead(head, true);
  }
}

/** The upstream speaks gRPC-Web itself. */
function isGrpcWebResponse({ status, headers }: ResponseHead): boolean {
  const type = headers.get('content-type') ?? '';
  const semicolon = type.indexOf(';');
  const essence = (semicolon === -1 ? type : type.slice(0, semicolon)).trimEnd().toLowerCase();
  return status === 200 && (essence === WEB_TYPE || essence === WEB_PROTO_TYPE);
}

/** `name:value` lines as a message of their own. Codecs bound what trailers hold. */
function trailersFrame(trailers: Headers): Buffer {
  let lines = '';
  for (let i = 0; i < trailers.count; i++) lines += `${trailers.nameAt(i)}:${trailers.valueAt(i)}\r\n`;
  const frame = Buffer.allocUnsafe(HEADER_BYTES + lines.length);
  frame[0] = TRAILERS;
  frame.writeUInt32BE(lines.length, 1);
  frame.write(lines, HEADER_BYTES, 'latin1');
  return frame;
}
