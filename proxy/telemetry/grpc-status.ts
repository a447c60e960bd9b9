// gRPC as it shows in HTTP: which messages are gRPC's, how a call ended, which status of the one is which of the other.
import type { RequestView, ResponseView, StreamInfo } from './stream-info.ts';

/** Names by number (google.rpc.Code), in the two spellings of %GRPC_STATUS%. */
export const GRPC_STATUS: readonly (readonly [camel: string, snake: string])[] = [
  ['OK', 'OK'], ['Canceled', 'CANCELLED'], ['Unknown', 'UNKNOWN'], ['InvalidArgument', 'INVALID_ARGUMENT'],
  ['DeadlineExceeded', 'DEADLINE_EXCEEDED'], ['NotFound', 'NOT_FOUND'], ['AlreadyExists', 'ALREADY_EXISTS'],
  ['PermissionDenied', 'PERMISSION_DENIED'], ['ResourceExhausted', 'RESOURCE_EXHAUSTED'],
  ['FailedPrecondition', 'FAILED_PRECONDITION'], ['Aborted', 'ABORTED'], ['OutOfRange', 'OUT_OF_RANGE'],
  ['Unimplemented', 'UNIMPLEMENTED'], ['Internal', 'INTERNAL'], ['Unavailable', 'UNAVAILABLE'],
  ['DataLoss', 'DATA_LOSS'], ['Unauthenticated', 'UNAUTHENTICATED'],
];

/** A status that is no number, as Envoy's logs have it. */
const INVALID = -1;

export const GRPC_TYPE = 'application/grpc';

/** `application/grpc`, alone or with a subtype such as `+proto`; gRPC-Web is something else. */
function isGrpcType(type: string | undefined): boolean {
  return type !== undefined && type.startsWith(GRPC_TYPE)
    && (type.length === GRPC_TYPE.length || type[GRPC_TYPE.length] === '+');
}

export function isGrpc(request: RequestView | undefined): boolean {
  // Of several fields the joined value counts, so that all who ask see one type.
  return isGrpcType(request?.headers.joined('content-type'));
}

/** Whether a response is one of gRPC's: by its status where it is nothing but a head (Trailers-Only). */
export function isGrpcResponse(response: ResponseView, endStream: boolean): boolean {
  if (endStream) return response.headers.get('grpc-status') !== undefined;
  return response.status === 200 && isGrpcType(response.headers.get('content-type'));
}

/** The text of grpc-status, of the trailers or of the head (Trailers-Only); undefined where neither has one. */
export function grpcStatusText({ response, responseTrailers }: StreamInfo): string | undefined {
  return responseTrailers?.get('grpc-status') ?? response?.headers.get('grpc-status');
}

/**
 * The status of a gRPC request: what the response says, else what its HTTP status stands for; -1 for a text that is no
 * number. Undefined for other requests.
 */
export function grpcStatus(info: StreamInfo): number | undefined {
  if (!isGrpc(info.request)) return undefined;
  const text = grpcStatusText(info);
  if (text !== undefined) return grpcStatusOfText(text);
  return info.status === 0 ? undefined : grpcStatusOfHttp(info.status);
}

/** -1 for what is no number. */
export function grpcStatusOfText(text: string): number {
  if (text === '' || text.length > 9) return INVALID;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x30 || text.charCodeAt(i) > 0x39) return INVALID;
  return Number(text);
}

/** gRPC's http-grpc-status-mapping. */
export function grpcStatusOfHttp(status: number): number {
  switch (status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

/** By number, Google's mapping of google.rpc.Code to HTTP. */
const HTTP_STATUS = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401] as const;

/** The HTTP status that a gRPC status is judged as (outlier detection); unknown ones are a server's fault. */
export function httpStatusOfGrpc(status: number): number {
  return HTTP_STATUS[status] ?? 500;
}
