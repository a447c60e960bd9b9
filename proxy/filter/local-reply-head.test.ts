// Replies of the proxy's own as text and to gRPC clients. Expectations as observed on Envoy 1.40.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocalReply } from './filter.ts';
import { grpcReplyHead, textReplyHead } from './local-reply-head.ts';

const DENIED: LocalReply = { status: 403, body: 'RBAC: access denied', detail: 'd', flags: 0 };

test('text has its type and length; without body there is no type', () => {
  const head = textReplyHead({ ...DENIED, headers: [['x-a', '1']] });
  assert.equal(head.status, 403);
  assert.equal(head.contentLength, 19);
  assert.deepEqual(head.headers.fields, ['content-type', 'text/plain', 'x-a', '1']);
  assert.deepEqual(textReplyHead({ ...DENIED, body: '' }).headers.fields, []);
});

test('gRPC clients get 200 and the status that the HTTP status stands for, or the one that was meant', () => {
  const head = grpcReplyHead(DENIED);
  assert.equal(head.status, 200);
  assert.equal(head.contentLength, 0);
  assert.deepEqual(head.headers.fields,
    ['content-type', 'application/grpc', 'grpc-status', '7', 'grpc-message', 'RBAC: access denied']);
  assert.equal(grpcReplyHead({ ...DENIED, status: 418 }).headers.get('grpc-status'), '2');
  assert.equal(grpcReplyHead({ ...DENIED, status: 200, grpcStatus: 14 }).headers.get('grpc-status'), '14');
});

test('S12 grpc-message is percent-encoded, so that no body can end the field', () => {
  const head = grpcReplyHead({ ...DENIED, body: '50% a\r\nx: y \u00e9~' });
  assert.equal(head.headers.get('grpc-message'), '50%25 a%0D%0Ax: y %E9~');
});
