// A reply that the proxy makes itself, as a message: text, or to gRPC requests a status without body.
import { ResponseHead } from '../http/message.ts';
import { GRPC_TYPE, grpcStatusOfHttp, isGrpc } from '../telemetry/grpc-status.ts';
import type { RequestView } from '../telemetry/stream-info.ts';
import type { LocalReply } from './filter.ts';

/** Head and body; `body` is undefined where the head is all. `request` is undefined when it was malformed. */
export interface ReplyMessage {
  readonly head: ResponseHead;
  readonly body: Buffer | undefined;
}

/** `translated`: what became a gRPC request was none, and its answer will be translated back. */
export function replyTo(request: RequestView | undefined, reply: LocalReply, translated = false): ReplyMessage {
  if (!translated && isGrpc(request)) return { head: grpcReplyHead(reply), body: undefined };
  const isHead = request?.method === 'HEAD';
  const body = reply.body === '' || isHead ? undefined : Buffer.from(reply.body, 'latin1');
  const head = textReplyHead(reply);
  if (body !== undefined || isHead) head.contentLength = reply.body.length;
  return { head, body };
}

/** A head that is all says its length where its protocol wants that said. */
function textReplyHead(reply: LocalReply): ResponseHead {
  const head = new ResponseHead(reply.status);
  if (reply.body !== '') head.headers.append('content-type', 'text/plain');
  addHeaders(head, reply);
  return head;
}

/** The reply in gRPC's Trailers-Only form: HTTP status 200, the body as grpc-message. */
function grpcReplyHead(reply: LocalReply): ResponseHead {
  const head = new ResponseHead(200);
  head.headers.append('content-type', GRPC_TYPE);
  head.headers.append('grpc-status', String(reply.grpcStatus ?? grpcStatusOfHttp(reply.status)));
  if (reply.body !== '') head.headers.append('grpc-message', percentEncoded(reply.body));
  addHeaders(head, reply);
  return head;
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
