// The ext_authz filter on a cluster held in memory: what is asked, when, and what no answer of any kind can do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CountedStats } from '../../test/harness/counted.ts';
import { HeldFilterStream } from '../../test/harness/filter-stream.ts';
import type { FilterStreamFacts } from '../../test/harness/filter-stream.ts';
import { ProxyError } from '../base/error.ts';
import { SeededRandom } from '../base/random.ts';
import type { ExtAuthz } from '../config/external-authorization.ts';
import { Headers } from '../http/headers.ts';
import { ResponseHead } from '../http/message.ts';
import type { RequestHead } from '../http/message.ts';
import { AccessDecisions } from '../telemetry/decision-sink.ts';
import { clusterScope, httpScope } from '../telemetry/stat-name.ts';
import type { AttemptSink, ClusterSet } from '../upstream/upstream.ts';
import { changeQuery, emptyAnswer } from './ext-authz-answer.ts';
import { ExtAuthzFilter } from './ext-authz.ts';

const HTTP: ExtAuthz = { httpService: { serverUri: { uri: 'http://auth', cluster: 'auth', timeout: '1s' } } };
const GRPC: ExtAuthz = { grpcService: { envoyGrpc: { clusterName: 'auth' } } };

interface Asked {
  readonly head: RequestHead;
  readonly body: string;
  readonly sink: AttemptSink;
}

function setUp(config: ExtAuthz, facts: FilterStreamFacts = {}, endStream = true) {
  const asked: Asked[] = [];
  let cancelled = 0;
  const endpoint = { done: () => undefined };
  const cluster = {
    statScope: clusterScope('auth'), pick: () => endpoint, countResponse: () => undefined,
    startAttempt: (_endpoint: unknown, sink: AttemptSink, head: RequestHead) => {
      const call = { head, body: '', sink };
      asked.push(call);
      return {
        endpoint, cancel: () => cancelled++,
        sendData: (chunk: Buffer) => (call.body += chunk.toString('latin1')).length > 0,
      };
    },
  };
  const decisions = new AccessDecisions();
  const denied: string[] = [];
  decisions.add({ onDecision: ({ outcome, detail }) => denied.push(`${outcome} ${detail}`) });
  const filter = new ExtAuthzFilter('auth', config, {
    clusters: { get: () => cluster } as unknown as ClusterSet, random: new SeededRandom(1),
    stats: new CountedStats().stats, node: { id: 'n', cluster: 'c', metadata: {} }, decisions, scope: httpScope('in'),
  }, 'typedConfig');
  const stream = new HeldFilterStream(facts);
  const verdict = filter.onRequestHead(stream, endStream);
  return { filter, stream, verdict, asked, denied, cancelled: () => cancelled };
}

/** Answers an HTTP call whole. */
function answer({ sink }: Asked, status: number, fields: string[] = [], body = ''): void {
  sink.onResponseHead(new ResponseHead(status, new Headers(fields)), body === '');
  if (body !== '') sink.onResponseData(Buffer.from(body), true);
}

test('a request waits for the answer, and goes on with 200', () => {
  const { stream, verdict, asked } = setUp(HTTP, { path: '/a?q' });
  assert.equal(verdict, 'pause');
  assert.deepEqual([asked[0]!.head.method, asked[0]!.head.path, asked[0]!.head.authority], ['GET', '/a?q', 'shop']);
  answer(asked[0]!, 200);
  assert.deepEqual([stream.resumed, stream.replies.length], [1, 0]);
});

test('S72 whatever is no answer denies with 403, and is told', () => {
  const ends: ((call: Asked, stream: HeldFilterStream) => void)[] = [
    (_call, stream) => stream.advance(1100),
    ({ sink }) => sink.onResponseError(new ProxyError('upstream-reset', 'upstream', 'reset')),
    (call) => answer(call, 500),
    (call) => answer(call, 200, [], 'x'.repeat(70_000)),
  ];
  for (const end of ends) {
    const { stream, asked, denied } = setUp(HTTP);
    end(asked[0]!, stream);
    assert.deepEqual([stream.resumed, stream.replies.map(({ status }) => status)], [0, [403]]);
    assert.deepEqual(denied, ['denied ext_authz_error']);
  }
  const { stream, asked } = setUp(GRPC);
  answer(asked[0]!, 200);
  assert.deepEqual([stream.resumed, stream.replies.length], [0, 1], 'HTTP\'s 200 is not gRPC\'s');
});

test('S72 a CONNECT has no path, and is never sent to a service as such, nor let on unasked', () => {
  const open = setUp({ ...HTTP, failureModeAllow: true }, { method: 'CONNECT', path: '' });
  assert.deepEqual([open.verdict, open.asked.length, open.stream.replies[0]?.status], ['replied', 0, 403]);
  const grpc = setUp(GRPC, { method: 'CONNECT', path: '' }, false);
  assert.equal(grpc.verdict, 'pause');
  assert.doesNotMatch(grpc.asked[0]!.body, /:path/);
  assert.match(grpc.asked[0]!.body, /:method/);
});

test('S72 an answer changes neither host nor framing, and what cannot be sent is left out', () => {
  const allowedUpstreamHeaders = { patterns: [{ safeRegex: { regex: '.*' } }] };
  const httpService = { ...HTTP.httpService!, authorizationResponse: { allowedUpstreamHeaders } };
  const { stream, asked } = setUp({ httpService }, { fields: ['x-a', '1'] });
  answer(asked[0]!, 200, ['host', 'evil', 'content-length', '7', 'transfer-encoding', 'chunked', 'x-user', 'eve',
    'x-a', '2']);
  assert.deepEqual(stream.request.headers.fields, ['x-a', '2', 'x-user', 'eve']);
  assert.equal(stream.request.authority, 'shop');
});

test('S72 replies that would end nothing become 403', () => {
  const { stream, asked } = setUp(HTTP);
  answer(asked[0]!, 199, ['x-why', 'odd']);
  assert.equal(stream.replies[0]?.status, 403);
});

test('the body is awaited up to its limit, and one byte more is refused', () => {
  const config = { ...HTTP, withRequestBody: { maxRequestBytes: 4 } };
  const held = (text: string) => ({ chunks: [Buffer.from(text)], ended: false, trailers: undefined });
  const whole = setUp(config, { method: 'POST' }, false);
  whole.stream.watcher!.onHeld(held('123'), 3, false);
  assert.equal(whole.asked.length, 0);
  whole.stream.watcher!.onHeld(held('1234'), 4, true);
  assert.equal(whole.asked[0]!.body, '1234');
  const long = setUp(config, { method: 'POST' }, false);
  long.stream.watcher!.onHeld(held('12345'), 5, false);
  assert.deepEqual([long.asked.length, long.stream.errors.map(({ detail }) => detail)],
    [0, ['request_payload_too_large']]);
  const upgrade = setUp(config, { method: 'CONNECT', path: '' }, false);
  assert.equal(upgrade.stream.watcher, undefined, 'what has no end is not awaited');
});

test('a request that ends while it waits takes its call with it', () => {
  const { filter, stream, cancelled } = setUp(HTTP);
  filter.onComplete(stream);
  assert.equal(cancelled(), 1);
});

test('queries are changed by name, in the order of names', () => {
  const change = (path: string, querySet: string[], queryRemoved: string[] = []): string =>
    changeQuery(path, { ...emptyAnswer(), querySet, queryRemoved });
  assert.equal(change('/a?b=1', []), '/a?b=1');
  assert.equal(change('/a?z=1&b=2&b=3', ['b', '9', 'c', '']), '/a?b=9&c=&z=1');
  assert.equal(change('/a?b=2', [], ['b']), '/a');
});
