// Replies of the proxy's own as text and to gRPC clients. Expectations as observed on Envoy 1.40.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headersOf, sampleRequest } from '../../test/harness/stream-sample.ts';
import { LENGTH_UNKNOWN } from '../http/message.ts';
import type { RequestView } from '../telemetry/stream-info.ts';
import type { LocalReply } from './filter.ts';
import { completeReply, replyHead } from './local-reply-head.ts';

const DENIED: LocalReply = { status: 403, body: 'RBAC: access denied', detail: 'd', flags: 0 };
const GRPC = sampleRequest({ headers: headersOf(['content-type', 'application/grpc']) });

/** As a stream makes it where no route changes headers. */
function replyTo(request: RequestView | undefined, reply: LocalReply, translated = false) {
  const head = replyHead(reply);
  return { head, body: completeReply(head, request, reply, translated) };
}

/** Value of a header of the reply to a gRPC request. */
function grpcHeader(reply: LocalReply, name: string): string | undefined {
  return replyTo(GRPC, reply).head.headers.get(name);
}

test('text has its type and length; without body there is no type', () => {
  const { head, body } = replyTo(sampleRequest(), { ...DENIED, headers: [['x-a', '1']] });
  assert.equal(`${head.status} ${String(body)}`, '403 RBAC: access denied');
  assert.equal(head.contentLength, 19);
  assert.deepEqual(head.headers.fields, ['x-a', '1', 'content-type', 'text/plain']);
  const empty = replyTo(undefined, { ...DENIED, body: '' });
  assert.deepEqual([empty.head.headers.fields, empty.head.contentLength], [[], LENGTH_UNKNOWN]);
  assert.equal(empty.body, undefined);
});

test('HEAD gets the head of what GET would get', () => {
  const request = sampleRequest({ method: 'HEAD' });
  const { head, body } = replyTo(request, DENIED);
  assert.equal(head.contentLength, 19);
  assert.equal(body, undefined);
  assert.equal(replyTo(request, { ...DENIED, body: '' }).head.contentLength, LENGTH_UNKNOWN, 'as in Envoy');
});

test('a request that a filter made gRPC is answered in text, which the filter makes gRPC-Web', () => {
  const { head, body } = replyTo(GRPC, DENIED, true);
  assert.equal(`${head.status} ${String(body)}`, '403 RBAC: access denied');
  assert.equal(head.headers.get('grpc-status'), undefined);
});

test('gRPC clients get 200 and the status that the HTTP status stands for, or the one that was meant', () => {
  const { head, body } = replyTo(GRPC, DENIED);
  assert.equal(head.status, 200);
  assert.equal(head.contentLength, LENGTH_UNKNOWN, 'HTTP/2 says no length of what is not there');
  assert.equal(body, undefined);
  assert.deepEqual(head.headers.fields,
    ['content-type', 'application/grpc', 'grpc-status', '7', 'grpc-message', 'RBAC: access denied']);
  assert.equal(grpcHeader({ ...DENIED, status: 418 }, 'grpc-status'), '2');
  assert.equal(grpcHeader({ ...DENIED, status: 200, grpcStatus: 14 }, 'grpc-status'), '14');
});

test('S12 grpc-message is percent-encoded, so that no body can end the field', () => {
  assert.equal(grpcHeader({ ...DENIED, body: '50% a\r\nx: y \u00e9~' }, 'grpc-message'), '50%25 a%0D%0Ax: y %E9~');
});

test('a type that a route gave stays, but not without a body, nor to gRPC clients', () => {
  const typeOf = (request: RequestView, body: string): string | undefined => {
    const head = replyHead(DENIED);
    head.headers.set('content-type', 'text/html');
    completeReply(head, request, { ...DENIED, body });
    return head.headers.get('content-type');
  };
  assert.deepEqual([typeOf(sampleRequest(), 'body'), typeOf(sampleRequest(), ''), typeOf(GRPC, 'body')],
    ['text/html', undefined, 'application/grpc']);
});
