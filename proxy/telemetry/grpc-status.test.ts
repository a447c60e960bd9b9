// What is gRPC, and how its statuses and HTTP's stand for each other. Expectations as observed on Envoy 1.40.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headersOf, sampleRequest, sampleStream } from '../../test/harness/stream-sample.ts';
import { GRPC_STATUS, grpcStatus, grpcStatusOfHttp, httpStatusOfGrpc, isGrpc, isGrpcResponse } from './grpc-status.ts';
import { addGrpcTags, isGrpcError } from './grpc-span-tags.ts';
import type { StreamInfo } from './stream-info.ts';

function ended(type: string, trailers: readonly string[], head: readonly string[] = [], status = 200): StreamInfo {
  const info = sampleStream();
  info.request = sampleRequest({ path: '/s/m', headers: headersOf(['content-type', type, 'grpc-timeout', '5S']) });
  info.response = { ...info.response!, status, headers: headersOf(head) };
  info.responseTrailers = headersOf(trailers);
  info.status = status;
  return info;
}

const GRPC = 'application/grpc';

test('gRPC is application/grpc alone or with a subtype', () => {
  const are = (type: string): boolean => isGrpc(sampleRequest({ headers: headersOf(['content-type', type]) }));
  for (const type of [GRPC, 'application/grpc+proto']) assert.ok(are(type), type);
  for (const type of ['application/grpc-web', 'application/grpcx', 'application/grpc;x=1', 'Application/GRPC', '']) {
    assert.ok(!are(type), type);
  }
  assert.ok(!isGrpc(undefined) && !isGrpc(sampleRequest()));
});

test('a response is gRPC by its type, or by its status where it is nothing but a head', () => {
  const is = (endStream: boolean, status: number, ...fields: string[]): boolean =>
    isGrpcResponse({ ...sampleStream().response!, status, headers: headersOf(fields) }, endStream);
  assert.deepEqual([is(false, 200, 'content-type', GRPC), is(false, 404, 'content-type', GRPC)], [true, false]);
  assert.deepEqual([is(true, 200, 'content-type', GRPC), is(true, 404, 'grpc-status', '0')], [false, true]);
});

test('the status is the trailers\', the head\'s or HTTP\'s; -1 when it is no number', () => {
  assert.equal(grpcStatus(ended(GRPC, ['grpc-status', '14'], ['grpc-status', '0'])), 14);
  assert.equal(grpcStatus(ended(GRPC, [], ['grpc-status', '5'])), 5);
  assert.equal(grpcStatus(ended(GRPC, [], [], 503)), 14);
  assert.equal(grpcStatus(ended(GRPC, ['grpc-status', '99'])), 99);
  for (const bad of ['zz', '', '-1', '1.0', '1234567890']) {
    assert.equal(grpcStatus(ended(GRPC, ['grpc-status', bad])), -1, bad);
  }
  assert.equal(grpcStatus(ended('text/plain', ['grpc-status', '14'])), undefined);
});

test('statuses of one protocol as those of the other', () => {
  const pairs = [
    [400, 13], [401, 16], [403, 7], [404, 12], [429, 14], [502, 14], [503, 14], [504, 14], [200, 2], [500, 2],
  ];
  assert.deepEqual(pairs.map(([http]) => [http, grpcStatusOfHttp(http!)]), pairs);
  assert.deepEqual(GRPC_STATUS.map((_, status) => httpStatusOfGrpc(status)),
    [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]);
  assert.deepEqual([httpStatusOfGrpc(-1), httpStatusOfGrpc(17)], [500, 500]);
});

test('spans say what was called and how it ended; what the server is to blame for is an error', () => {
  const tags: string[] = [];
  addGrpcTags(tags, ended(GRPC, ['grpc-status', '14', 'grpc-message', 'm%20x']), (text) => text);
  assert.deepEqual(tags, [
    'grpc.path', '/s/m', 'grpc.authority', 'reviews:9080', 'grpc.content_type', GRPC, 'grpc.timeout', '5S',
    'grpc.status_code', '14', 'grpc.message', 'm%20x',
  ]);
  const plain: string[] = [];
  addGrpcTags(plain, ended('text/plain', [], ['grpc-status', '0']), (text) => text);
  assert.deepEqual(plain, ['grpc.status_code', '0']);
  const faults = GRPC_STATUS.map((_, status) => status).filter((status) =>
    isGrpcError(ended(GRPC, ['grpc-status', String(status)])));
  assert.deepEqual(faults, [2, 4, 8, 12, 13, 14, 15]);
  assert.ok(!isGrpcError(ended(GRPC, ['grpc-status', 'zz'])) && !isGrpcError(ended(GRPC, [], [], 503)));
});
