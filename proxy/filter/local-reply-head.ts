// A reply that the proxy makes itself, as a message: text, or to gRPC requests a status without body.
import type { ProxyError } from '../base/error.ts';
import { detailFor, localReplyFor } from '../http/local-reply.ts';
import { ResponseHead } from '../http/message.ts';
import { GRPC_TYPE, grpcStatusOfHttp, isGrpc } from '../telemetry/grpc-status.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import type { RequestView } from '../telemetry/stream-info.ts';
import type { LocalReply } from './filter.ts';

/** The head before the route's changes, which see neither type nor gRPC status of it, as in Envoy. */
export function replyHead(reply: LocalReply): ResponseHead {
  const head = new ResponseHead(reply.status);
  addHeaders(head, reply);
  return head;
}

/**
 * Completes the head and gives the body, undefined where the head is all. `request` is undefined when it was malformed.
 * `translated`: what became a gRPC request was none, and its answer will be translated back. `grpc`: whether it came as
 * one of gRPC's.
 */
export function completeReply(
  head: ResponseHead, request: RequestView | undefined, reply: LocalReply, translated = false,
  grpc = isGrpc(request),
): Buffer | undefined {
  if (grpc && !translated && reply.plain !== true) {
    completeGrpc(head, reply, request?.method === 'HEAD');
    return undefined;
  }
  const isHead = request?.method === 'HEAD';
  if (reply.body === '') head.headers.remove('content-type');
  else if (!head.headers.has('content-type')) head.headers.append('content-type', 'text/plain');
  const body = reply.body === '' || isHead ? undefined : Buffer.from(reply.body, 'latin1');
  // A head that is all says its length where its protocol wants that said.
  if (reply.body !== '') head.contentLength = reply.body.length;
  return body;
}

/** gRPC's Trailers-Only form: HTTP status 200, the body as grpc-message. */
function completeGrpc(head: ResponseHead, reply: LocalReply, isHead: boolean): void {
  head.status = 200;
  head.headers.set('content-type', GRPC_TYPE);
  head.headers.set('grpc-status', String(reply.grpcStatus ?? grpcStatusOfHttp(reply.status)));
  if (reply.body !== '' && !isHead) head.headers.set('grpc-message', percentEncoded(reply.body));
}

function addHeaders(head: ResponseHead, reply: LocalReply): void {
  for (const [name, value] of reply.headers ?? []) head.headers.append(name, value);
}

/** gRPC's encoding of Status-Message: printable ASCII but `%` stays, every other byte becomes `%XX`. */
export function percentEncoded(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const plain = code >= 0x20 && code <= 0x7e && code !== 0x25;
    out += plain ? text[i]! : `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** What the proxy says of an error, and where else to ask; `close`: its connection takes no further request. */
export function errorReply(
  error: ProxyError, retried: boolean, location: string,
): LocalReply & { readonly close: boolean } {
  const { status, grpcStatus, flag, body, close } = localReplyFor(error, retried);
  const headers = location === '' ? [] : [['location', location] as const];
  const flags = flag === undefined ? 0 : flagBit(flag);
  return { status, grpcStatus, body, detail: detailFor(error), flags, headers, close };
}
