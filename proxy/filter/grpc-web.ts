// The gRPC-Web filter: calls from browsers, which have neither trailers nor HTTP/2 framing, become gRPC and back.
import { LENGTH_UNKNOWN } from '../http/message.ts';
import type { Headers } from '../http/headers.ts';
import type { ResponseHead } from '../http/message.ts';
import type { GrpcCallStats } from '../telemetry/grpc-call-stats.ts';
import { GRPC_TYPE } from '../telemetry/grpc-status.ts';
import type { BodyVerdict, FilterStream, HttpFilter, Verdict } from './filter.ts';
import { GrpcCallCounters } from './grpc-call-counters.ts';
import type { GrpcCountersDeps } from './grpc-call-counters.ts';
import { Base64Reader } from './grpc-web-base64.ts';
import { GrpcWebResponse, WEB_PROTO_TYPE, WEB_TEXT_PROTO_TYPE, WEB_TEXT_TYPE, WEB_TYPE } from './grpc-web-response.ts';

const TYPES: ReadonlySet<string> = new Set([WEB_TYPE, WEB_PROTO_TYPE, WEB_TEXT_TYPE, WEB_TEXT_PROTO_TYPE]);

/** One call. */
interface Call {
  /** Of a request in base64. */
  readonly text: Base64Reader | undefined;
  readonly stats: GrpcCallStats | undefined;
}

/** envoy.extensions.filters.http.grpc_web.v3.GrpcWeb. Requests of other types pass as they are. */
export class GrpcWebFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #counters: GrpcCallCounters;

  constructor(name: string, deps: GrpcCountersDeps) {
    this.name = name;
    this.#counters = new GrpcCallCounters(deps, 'grpc-web');
  }

  onRequestHead(stream: FilterStream, endStream: boolean): Verdict {
    const { request } = stream;
    const type = request.headers.joined('content-type');
    if (type === undefined || !TYPES.has(type)) return 'continue';
    // The route is matched by what the client sent.
    const stats = this.#counters.of(stream, 'every');
    stream.setState(this.index, { text: isText(type) ? new Base64Reader() : undefined, stats } satisfies Call);
    const wantsText = isText(request.headers.joined('accept'));
    stream.translateResponse((codec) => new GrpcWebResponse(codec, stream.info, wantsText));
    request.headers.set('content-type', GRPC_TYPE);
    if (!request.headers.has('grpc-accept-encoding')) request.headers.append('grpc-accept-encoding', 'identity');
    request.acceptsTrailers = true;
    if (!endStream) request.contentLength = LENGTH_UNKNOWN;
    return 'continue';
  }

  onRequestData(stream: FilterStream, chunk: Buffer, endStream: boolean): BodyVerdict | Buffer {
    const text = this.#callOf(stream)?.text;
    if (text === undefined) return 'continue';
    const bytes = text.read(chunk);
    if (bytes === undefined) return refuse(stream, 'grpc_base_64_decode_failed');
    if (endStream && !text.whole) return refuse(stream, 'grpc_base_64_decode_failed_bad_size');
    return bytes;
  }

  onRequestTrailers(stream: FilterStream): BodyVerdict {
    const text = this.#callOf(stream)?.text;
    return text === undefined || text.whole ? 'continue' : refuse(stream, 'grpc_base_64_decode_failed_bad_size');
  }

  onResponseHead(stream: FilterStream, head: ResponseHead): void {
    this.#count(stream, head.headers);
  }

  onResponseTrailers(stream: FilterStream, trailers: Headers): void {
    this.#count(stream, trailers);
  }

  #count(stream: FilterStream, headers: Headers): void {
    const stats = this.#callOf(stream)?.stats;
    if (stats === undefined) return;
    const status = headers.get('grpc-status');
    if (status !== undefined) stats.ended(status);
  }

  #callOf(stream: FilterStream): Call | undefined {
    return stream.getState(this.index) as Call | undefined;
  }
}

function isText(type: string | undefined): boolean {
  return type === WEB_TEXT_TYPE || type === WEB_TEXT_PROTO_TYPE;
}

function refuse(stream: FilterStream, detail: string): 'replied' {
  stream.sendLocalReply({ status: 400, body: 'Bad gRPC-web request, invalid base64 data.', detail, flags: 0 });
  return 'replied';
}
