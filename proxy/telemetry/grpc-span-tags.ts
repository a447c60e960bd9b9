// What spans say of gRPC, with Envoy's names: the call, how it ended, and whether that was the server's fault.
import { grpcStatusOfText, grpcStatusText, isGrpc } from './grpc-status.ts';
import type { StreamInfo } from './stream-info.ts';

/** Statuses that are errors of the side that answers: the others say what was wrong with the call. */
const SERVER_FAULTS: ReadonlySet<number> = new Set([2, 4, 8, 12, 13, 14, 15]);

/** Adds flat names and values; a status is told even where the request was none of gRPC's. */
export function addGrpcTags(tags: string[], info: StreamInfo, text: (value: string) => string): void {
  const { request, response, responseTrailers } = info;
  if (request !== undefined && isGrpc(request)) {
    const timeout = request.headers.get('grpc-timeout');
    tags.push('grpc.path', text(request.path), 'grpc.authority', request.authority);
    tags.push('grpc.content_type', text(request.headers.get('content-type') ?? ''));
    if (timeout !== undefined) tags.push('grpc.timeout', text(timeout));
  }
  const status = grpcStatusText(info);
  if (status === undefined) return;
  tags.push('grpc.status_code', text(status));
  const message = responseTrailers?.get('grpc-message') ?? response?.headers.get('grpc-message');
  if (message !== undefined) tags.push('grpc.message', text(message));
}

export function isGrpcError(info: StreamInfo): boolean {
  const status = grpcStatusText(info);
  return status !== undefined && SERVER_FAULTS.has(grpcStatusOfText(status));
}
