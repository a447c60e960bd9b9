// gRPC-Web to gRPC and back, one stream at a time. Expectations as observed on Envoy 1.40.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CountedStats } from '../../test/harness/counted.ts';
import { HeldFilterStream } from '../../test/harness/filter-stream.ts';
import type { FilterStreamFacts } from '../../test/harness/filter-stream.ts';
import { ProxyError } from '../base/error.ts';
import { LIMITS } from '../config/limits.ts';
import type { ServerStream } from '../http/codec.ts';
import { Headers } from '../http/headers.ts';
import { LENGTH_UNKNOWN, ResponseHead } from '../http/message.ts';
import { clusterScope } from '../telemetry/stat-name.ts';
import type { ClusterSet } from '../upstream/upstream.ts';
import { GrpcWebFilter } from './grpc-web.ts';

/** A codec that notes what it is given. */
class NotedStream implements ServerStream {
  readonly events: string[] = [];
  head: ResponseHead | undefined = undefined;
  room = true;

  sendInformational(head: ResponseHead): void {
    this.events.push(`informational ${head.status}`);
  }

  sendResponseHead(head: ResponseHead, endStream: boolean): void {
    this.head = head;
    this.events.push(endStream ? 'head end' : 'head');
  }

  sendResponseData(chunk: Buffer, endStream: boolean): boolean {
    this.events.push(`data ${chunk.toString('latin1')}${endStream ? ' end' : ''}`);
    return this.room;
  }

  sendResponseTrailers(): void {
    this.events.push('trailers');
  }

  resetStream(error: ProxyError): void {
    this.events.push(`reset ${error.kind}`);
  }

  pauseBody(): void {
    this.events.push('pause');
  }

  resumeBody(): void {
    this.events.push('resume');
  }
}

function filterWith(counted = new CountedStats()): GrpcWebFilter {
  const clusters = { get: () => ({ statScope: clusterScope('c') }) } as unknown as ClusterSet;
  return new GrpcWebFilter('grpc_web', { clusters, stats: counted.stats });
}

/** A call whose head has passed the filter, with the codec that its answer goes to. */
function call(fields: readonly string[], facts: FilterStreamFacts = {}, counted?: CountedStats) {
  const filter = filterWith(counted);
  const stream = new HeldFilterStream({ method: 'POST', path: '/pkg.Svc/Do', cluster: 'c', fields, ...facts });
  stream.request.contentLength = 6;
  assert.equal(filter.onRequestHead(stream, false), 'continue');
  const codec = new NotedStream();
  const answer = stream.translations.reduce<ServerStream>((inner, translation) => translation(inner), codec);
  return { filter, stream, codec, answer };
}

const WEB = ['content-type', 'application/grpc-web+proto'];
const TEXT = ['content-type', 'application/grpc-web-text'];

test('a call becomes gRPC: type, te, encodings, no length', () => {
  for (const type of ['', '+proto', '-text', '-text+proto'].map((end) => `application/grpc-web${end}`)) {
    const { request } = call(['content-type', type]).stream;
    assert.deepEqual(request.headers.fields, ['content-type', 'application/grpc', 'grpc-accept-encoding', 'identity']);
    assert.deepEqual([request.acceptsTrailers, request.contentLength], [true, LENGTH_UNKNOWN]);
  }
  const { request } = call([...WEB, 'grpc-accept-encoding', 'gzip', 'grpc-timeout', '1S']).stream;
  assert.deepEqual(request.headers.fields,
    ['content-type', 'application/grpc', 'grpc-accept-encoding', 'gzip', 'grpc-timeout', '1S']);
});

test('other requests pass as they are', () => {
  for (const type of ['application/grpc', 'application/grpc-web+json', 'application/grpc-web; charset=utf-8',
    'Application/grpc-web', 'application/grpc-webx', 'text/plain']) {
    const { stream, filter } = call(['content-type', type]);
    assert.deepEqual([stream.request.headers.fields, stream.translations.length], [['content-type', type], 0]);
    assert.equal(filter.onRequestData(stream, Buffer.from('!'), true), 'continue');
  }
  assert.equal(call([]).stream.translations.length, 0);
});

test('a request that is a head alone keeps its length of none', () => {
  const stream = new HeldFilterStream({ fields: WEB });
  filterWith().onRequestHead(stream, true);
  assert.equal(stream.request.contentLength, 0);
});

test('base64 becomes bytes as it comes; what is none is answered 400', () => {
  const { filter, stream } = call(TEXT);
  const pieces = ['AAAAAA', 'ABc', 'Q==']
    .map((piece, i) => filter.onRequestData(stream, Buffer.from(piece), i === 2));
  assert.deepEqual(pieces.map(String), ['\0\0\0', '\0\0\x01', 'q']);
  const refused = (...sent: string[]): string => {
    const bad = call(TEXT);
    sent.forEach((piece, i) => bad.filter.onRequestData(bad.stream, Buffer.from(piece), i === sent.length - 1));
    const [reply] = bad.stream.replies;
    return `${reply?.status} ${reply?.detail} ${reply?.body}`;
  };
  const text = 'Bad gRPC-web request, invalid base64 data.';
  assert.equal(refused('AAAA', 'A'), `400 grpc_base_64_decode_failed_bad_size ${text}`);
  assert.equal(refused('AA!A'), `400 grpc_base_64_decode_failed ${text}`);
  const cut = call(TEXT);
  cut.filter.onRequestData(cut.stream, Buffer.from('AA'), false);
  assert.equal(cut.filter.onRequestTrailers(cut.stream), 'replied');
});

test('binary bodies pass untouched, in both directions', () => {
  const { filter, stream, answer, codec } = call(WEB);
  assert.equal(filter.onRequestData(stream, Buffer.from('!'), true), 'continue');
  answer.sendResponseHead(grpcHead(), false);
  assert.equal(codec.head?.headers.get('content-type'), 'application/grpc-web+proto');
  codec.room = false;
  assert.equal(answer.sendResponseData(Buffer.from('x'), false), false);
  assert.deepEqual(codec.events, ['head', 'data x']);
});

function grpcHead(...fields: string[]): ResponseHead {
  const head = new ResponseHead(200, new Headers(['content-type', 'application/grpc', ...fields]));
  head.contentLength = 9;
  return head;
}

const TRAILERS = new Headers(['grpc-status', '0', 'grpc-message', 'm%20x', 'x-bin', 'AAE=']);
const LINES = 'grpc-status:0\r\ngrpc-message:m%20x\r\nx-bin:AAE=\r\n';

test('trailers become the last message of the body', () => {
  const { stream, answer, codec } = call(WEB);
  answer.sendResponseHead(grpcHead(), false);
  assert.equal(codec.head?.contentLength, LENGTH_UNKNOWN);
  answer.sendResponseTrailers(TRAILERS);
  assert.deepEqual(codec.events, ['head', `data \x80\0\0\0${String.fromCharCode(LINES.length)}${LINES} end`]);
  assert.equal(stream.info.bytesSent, 295 + 5 + LINES.length);
});

test('who accepts text gets each message in base64, and trailers too', () => {
  const { stream, answer, codec } = call([...WEB, 'accept', 'application/grpc-web-text']);
  answer.sendResponseHead(grpcHead(), false);
  assert.equal(codec.head?.headers.get('content-type'), 'application/grpc-web-text+proto');
  answer.sendResponseData(Buffer.from([0, 0]), false);
  answer.sendResponseData(Buffer.from([0, 0, 1, 7]), false);
  answer.sendResponseTrailers(new Headers(['grpc-status', '0']));
  assert.deepEqual(codec.events,
    ['head', 'data AAAAAAEH', 'data gAAAAA9ncnBjLXN0YXR1czowDQo= end'], 'nothing is sent of an unfinished group');
  assert.equal(stream.info.bytesSent, 295 - 2 - 4 + 'AAAAAAEH'.length + 28);
  const other = call([...WEB, 'accept', 'application/grpc-web-text, */*']);
  other.answer.sendResponseHead(grpcHead(), false);
  assert.equal(other.codec.head?.headers.get('content-type'), 'application/grpc-web+proto');
});

test('a status in the head stays there', () => {
  const { answer, codec } = call(WEB);
  answer.sendResponseHead(grpcHead('grpc-status', '5'), true);
  assert.deepEqual(codec.events, ['head end']);
  assert.deepEqual(codec.head?.headers.fields, ['content-type', 'application/grpc-web+proto', 'grpc-status', '5']);
});

test('an answer that is none of gRPC\'s keeps its status, and its body becomes the message', () => {
  const { stream, answer, codec } = call(WEB);
  stream.info.bytesSent = 15;
  answer.sendResponseHead(new ResponseHead(404, new Headers(['content-type', 'text/plain', 'x-a', 'b'])), false);
  assert.equal(answer.sendResponseData(Buffer.from('not % '), false), true);
  answer.sendResponseData(Buffer.from('here\n\xe9', 'latin1'), true);
  assert.deepEqual(codec.events, ['head end']);
  assert.deepEqual([codec.head?.status, codec.head?.contentLength], [404, 0]);
  assert.deepEqual(codec.head?.headers.fields, ['content-type', 'application/grpc-web+proto', 'x-a', 'b',
    'grpc-message', 'not %25 here%0A%E9', 'grpc-status', '12']);
  assert.equal(stream.info.bytesSent, 3, 'as many are not sent as are held');
  const bare = call(WEB);
  bare.answer.sendResponseHead(new ResponseHead(503), true);
  assert.equal(bare.codec.head?.headers.get('grpc-status'), undefined, 'as in Envoy');
});

test('trailers of an answer that is none of gRPC\'s end it', () => {
  const { answer, codec } = call(WEB);
  answer.sendResponseHead(new ResponseHead(200, new Headers(['content-type', 'text/html'])), false);
  answer.sendResponseTrailers(TRAILERS);
  assert.deepEqual([codec.events, codec.head?.headers.get('grpc-status')], [['head end'], '2']);
});

test('S81 of a long answer only the beginning is kept', () => {
  const { answer, codec } = call(WEB);
  answer.sendResponseHead(new ResponseHead(200), false);
  const chunk = Buffer.alloc(1000, 'x');
  for (let i = 0; i < 50; i++) assert.equal(answer.sendResponseData(chunk, i === 49), true);
  assert.equal(codec.head?.headers.get('grpc-message'), 'x'.repeat(LIMITS.grpcMessageBytesMax));
});

test('an upstream that speaks gRPC-Web itself is left alone', () => {
  const { answer, codec } = call(WEB);
  const type = 'application/grpc-web+proto; charset=utf-8';
  answer.sendResponseHead(new ResponseHead(200, new Headers(['content-type', type])), false);
  answer.sendResponseData(Buffer.from('x'), true);
  assert.deepEqual(codec.events, ['head', 'data x end']);
});

test('what is no answer goes through to the codec', () => {
  const { answer, codec } = call(WEB);
  answer.sendInformational(new ResponseHead(103));
  answer.pauseBody();
  answer.resumeBody();
  answer.resetStream(new ProxyError('internal', 'internal', 'd'));
  assert.deepEqual(codec.events, ['informational 103', 'pause', 'resume', 'reset internal']);
});

test('calls are counted by method, apart from those that came as gRPC', () => {
  const counted = new CountedStats();
  const { filter, stream } = call(WEB, {}, counted);
  filter.onResponseHead(stream, grpcHead());
  filter.onResponseTrailers(stream, TRAILERS);
  const plain = call(['content-type', 'application/grpc'], {}, counted);
  plain.filter.onResponseTrailers(plain.stream, TRAILERS);
  assert.deepEqual(counted.counts, {
    'cluster.c.grpc-web.pkg.Svc.Do.0': 1, 'cluster.c.grpc-web.pkg.Svc.Do.success': 1,
    'cluster.c.grpc-web.pkg.Svc.Do.total': 1,
  });
});
