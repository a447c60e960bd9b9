// Tracing: contexts read and written, sampling decisions, spans and their tags.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleRequest, sampleStream } from '../../test/harness/stream-sample.ts';
import { ManualClock } from '../base/clock.ts';
import { SeededRandom } from '../base/random.ts';
import { TimerWheel } from '../base/timers.ts';
import type { HttpTracing } from '../config/http-connection-manager.ts';
import { decode } from '../config/decode.ts';
import { ZipkinConfig as ZipkinConfigSchema } from '../config/tracing.ts';
import type { ZipkinConfig } from '../config/tracing.ts';
import { ZIPKIN_TYPE } from '../config/type-url.ts';
import { Headers } from '../http/headers.ts';
import { addMetadata } from './dynamic-metadata.ts';
import { flagBit } from './response-flag.ts';
import { BATCH_SPANS_MAX, SpanBuffer, tracingScope } from './span-buffer.ts';
import type { SpanRecord } from './span-record.ts';
import { statName } from './stat-name.ts';
import { Stats } from './stats.ts';
import type { StreamInfo } from './stream-info.ts';
import { compileTracer } from './tracing.ts';
import type { Tracer } from './tracing.ts';

/** Draws 0 of the random sampling: its first eight digits are zero. */
const UUID = '00000000-1111-4222-8333-444444444444';
const TRACE = '463ac35c9f6413ad48485a3953bb6124';
const SPAN = 'a2fb4a1d1a96d312';
const PARENT = '0020000000000001';
const INCOMING = ['x-b3-traceid', TRACE, 'x-b3-spanid', SPAN, 'x-b3-parentspanid', PARENT, 'x-b3-sampled', '1'];

interface Bench {
  readonly tracer: Tracer;
  readonly spans: SpanRecord[];
  readonly buffer: SpanBuffer;
  readonly stats: Stats;
}

function bench(changes: HttpTracing = {}, zipkin: Partial<ZipkinConfig> = {}, outbound = true): Bench {
  const stats = new Stats({ chunk: () => {}, register: () => {} });
  const spans: SpanRecord[] = [];
  const buffer = new SpanBuffer(new TimerWheel(new ManualClock()), stats, (batch) => spans.push(...batch));
  const collector = { collectorCluster: 'zipkin', collectorEndpoint: '/api/v2/spans' };
  const typedConfig = { '@type': ZIPKIN_TYPE, ...collector, ...zipkin } as const;
  const metadata = { LABELS: { app: 'reviews', version: 'v2' }, NAMESPACE: 'default', MESH_ID: 'm' };
  const tracer = compileTracer(
    { provider: { name: 'zipkin', typedConfig }, ...changes },
    { outbound, defaultProvider: undefined, requestId: undefined, path: 'tracing' },
    { random: new SeededRandom(5), spans: buffer, node: { id: 'sidecar~1', cluster: 'reviews.default', metadata } },
  )!;
  return { tracer, spans, buffer, stats };
}

function run({ tracer, buffer }: Bench, fields: string[], id = UUID): { headers: Headers; info: StreamInfo } {
  const info = sampleStream();
  const headers = new Headers(['x-request-id', id, ...fields]);
  info.request = sampleRequest({ headers });
  info.requestId = id;
  tracer.start(headers, info);
  tracer.finish(info);
  buffer.flush();
  return { headers, info };
}

const b3 = (headers: Headers): (string | undefined)[] =>
  ['x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled'].map((name) => headers.get(name));

test('a collector_service says cluster, host and path, before the older fields', () => {
  const uri = (text: string): unknown => ({
    collector_cluster: 'old', collector_endpoint: '/old',
    collector_service: { http_uri: { uri: text, cluster: 'zipkin', timeout: '1s' } },
  });
  assert.deepEqual(decode(ZipkinConfigSchema, uri('http://zipkin.example:9411/api/v2/spans')).value, {
    collectorCluster: 'zipkin', collectorEndpoint: '/api/v2/spans', collectorHostname: 'zipkin.example:9411',
  });
  assert.match(String(decode(ZipkinConfigSchema, uri('http://zipkin.example')).errors[0]), /uri: needs a path/);
});

test('a request without context begins a trace; its id has 64 bits, or 128 where configured', () => {
  const { headers, info } = run(bench(), []);
  const [traceId, spanId, parentId, sampled] = b3(headers);
  assert.match(traceId!, /^[0-9a-f]{16}$/);
  assert.deepEqual([spanId, parentId, sampled], [traceId, undefined, '1']);
  assert.deepEqual([info.traceId, info.spanId, info.sampled], [traceId, traceId, true]);
  const wide = b3(run(bench({}, { traceId128bit: true }), []).headers);
  assert.match(wide[0]!, /^[0-9a-f]{32}$/);
  assert.equal(wide[1], wide[0]!.slice(16));
});

test('outbound continues a trace with a client span of its own', () => {
  const set = bench();
  const { headers } = run(set, INCOMING);
  const [traceId, spanId, parentId, sampled] = b3(headers);
  assert.deepEqual([traceId, parentId, sampled], [TRACE, SPAN, '1']);
  assert.notEqual(spanId, SPAN);
  const span = set.spans[0]!;
  assert.deepEqual([span.kind, span.traceId, span.spanId], ['client', TRACE, spanId]);
  assert.deepEqual([span.parentId, span.shared], [SPAN, false]);
});

test('inbound shares the span id of its client, unless configured not to', () => {
  const set = bench({}, {}, false);
  assert.deepEqual(b3(run(set, INCOMING).headers), [TRACE, SPAN, PARENT, '1']);
  const [span] = set.spans;
  assert.deepEqual([span!.kind, span!.spanId, span!.parentId, span!.shared], ['server', SPAN, PARENT, true]);
  const own = bench({}, { sharedSpanContext: false }, false);
  const [, spanId, parentId] = b3(run(own, INCOMING).headers);
  assert.equal(parentId, SPAN);
  assert.deepEqual([own.spans[0]!.spanId, own.spans[0]!.parentId, own.spans[0]!.shared], [spanId, SPAN, false]);
});

test('spawn_upstream_span gives the upstream a client span under the server span', () => {
  const set = bench({ spawnUpstreamSpan: true });
  const { headers } = run(set, []);
  const [server, client] = set.spans;
  assert.deepEqual([server!.kind, client!.kind, client!.parentId], ['server', 'client', server!.spanId]);
  assert.deepEqual(b3(headers).slice(1, 3), [client!.spanId, server!.spanId]);
});

test('an incoming decision is honoured over the local one, both ways', () => {
  const never: HttpTracing = { randomSampling: { value: 0 } };
  const context = ['x-b3-traceid', TRACE, 'x-b3-spanid', SPAN];
  assert.equal(run(bench(never), [...context, 'x-b3-sampled', '1']).info.sampled, true);
  assert.equal(run(bench(never), [...context, 'x-b3-flags', '1']).info.sampled, true);
  assert.equal(run(bench(), [...context, 'x-b3-sampled', '0']).info.sampled, false);
  assert.equal(run(bench(), ['x-b3-sampled', '0']).info.sampled, false);
  assert.equal(run(bench(never), context).info.sampled, false);
});

test('an unsampled request is passed on as such, keeps no span, and says its trace id', () => {
  const set = bench({ randomSampling: { value: 0 } });
  const { headers, info } = run(set, []);
  assert.equal(b3(headers)[3], '0');
  assert.equal(info.span, undefined);
  assert.equal(info.traceId, b3(headers)[0]);
  assert.deepEqual(set.spans, []);
});

test('the request id draws: its first digits decide, and its reason digit tells the proxies behind', () => {
  const half: HttpTracing = { randomSampling: { value: 50 } };
  const low = run(bench(half), [], '00001387-1111-4222-8333-444444444444'); // 4999
  assert.equal(low.info.sampled, true);
  assert.equal(low.headers.get('x-request-id'), '00001387-1111-9222-8333-444444444444');
  const high = run(bench(half), [], '00001388-1111-4222-8333-444444444444'); // 5000
  assert.equal(high.info.sampled, false);
  assert.equal(high.headers.get('x-request-id'), '00001388-1111-4222-8333-444444444444');
  const told = run(bench({ randomSampling: { value: 0 } }), [], '00001388-1111-9222-8333-444444444444');
  assert.equal(told.info.sampled, true);
  assert.equal(run(bench(), [], 'not-a-uuid').info.sampled, false);
});

test('client and service may ask for a trace; overall sampling bounds both', () => {
  const never: HttpTracing = { randomSampling: { value: 0 } };
  const client = run(bench(never), ['x-client-trace-id', 'x']);
  assert.deepEqual([client.info.sampled, client.info.requestId[14]], [true, 'a']);
  assert.equal(run(bench({ ...never, clientSampling: { value: 0 } }), ['x-client-trace-id', 'x']).info.sampled, false);
  assert.equal(run(bench(never), ['x-envoy-force-trace', 'true']).info.requestId[14], 'b');
  const none = run(bench({ overallSampling: { value: 0 } }), [], '00000000-1111-9222-8333-444444444444');
  assert.deepEqual([none.info.sampled, none.info.requestId[14]], [false, '4']);
});

test('B3 single and W3C contexts are read; B3 wins; what goes on is consistent', () => {
  const single = run(bench(), ['b3', `${TRACE}-${SPAN}-1-${PARENT}`]);
  assert.deepEqual([b3(single.headers)[0], b3(single.headers)[2], single.headers.get('b3')], [TRACE, SPAN, undefined]);
  assert.equal(run(bench(), ['b3', '0']).info.sampled, false);
  const w3c: Partial<ZipkinConfig> = { traceContextOption: 'USE_B3_WITH_W3C_PROPAGATION' };
  const traceparent = `00-${TRACE}-${SPAN}-00`;
  const both = run(bench({}, w3c), ['traceparent', traceparent, 'tracestate', 'a=b']);
  assert.deepEqual([b3(both.headers)[0], b3(both.headers)[3]], [TRACE, '0']);
  assert.equal(both.headers.get('traceparent'), `00-${TRACE}-${b3(both.headers)[1]}-00`);
  assert.equal(both.headers.get('tracestate'), 'a=b');
  const padded = run(bench({}, w3c), ['x-b3-traceid', SPAN, 'x-b3-spanid', SPAN, 'traceparent', traceparent]);
  assert.equal(padded.info.traceId, SPAN);
  assert.ok(padded.headers.get('traceparent')!.startsWith(`00-0000000000000000${SPAN}-`));
  assert.notEqual(run(bench(), ['traceparent', traceparent]).info.traceId, TRACE);
});

test('a repeated context field goes on once', () => {
  const repeated = ['x-b3-traceid', SPAN, 'x-b3-traceid', TRACE, 'x-b3-spanid', SPAN, 'x-b3-flags', '0'];
  const { headers } = run(bench(), repeated);
  assert.deepEqual(headers.fields.filter((field) => field.startsWith('x-b3-')).toSorted(), [
    'x-b3-parentspanid', 'x-b3-sampled', 'x-b3-spanid', 'x-b3-traceid',
  ]);
  assert.equal(headers.get('x-b3-traceid'), TRACE);
});

test('malformed contexts are no contexts', () => {
  const w3c: Partial<ZipkinConfig> = { traceContextOption: 'USE_B3_WITH_W3C_PROPAGATION' };
  const malformed: readonly string[][] = [
    ['x-b3-traceid', 'xyz', 'x-b3-spanid', SPAN], ['x-b3-traceid', TRACE],
    ['x-b3-traceid', '0'.repeat(32), 'x-b3-spanid', SPAN],
    ['b3', `${TRACE}`], ['b3', `${TRACE}-${SPAN}x`], ['b3', '-'], ['traceparent', `ff-${TRACE}-${SPAN}-01`],
    ['traceparent', `00-${TRACE}-${SPAN}-01-x`], ['traceparent', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['traceparent', '00'],
  ];
  for (const fields of malformed) {
    const { info, headers } = run(bench({}, w3c), fields);
    assert.match(info.traceId, /^[0-9a-f]{16}$/, fields.join(' '));
    assert.notEqual(info.traceId, TRACE, fields.join(' '));
    for (const value of b3(headers)) if (value !== undefined) assert.match(value, /^[0-9a-f]+$/, fields.join(' '));
  }
});

test('tags have the names of Envoy and Istio, custom tags win, and times are microseconds', () => {
  const set = bench({
    customTags: [
      { tag: 'istio.namespace', literal: { value: 'mine' } },
      { tag: 'who', requestHeader: { name: 'X-User', defaultValue: 'nobody' } },
      { tag: 'none', environment: { name: 'WEFT_NO_SUCH_VARIABLE' } },
      { tag: 'dry-run', metadata: { kind: { request: {} }, metadataKey: { key: 'rbac', path: [{ key: 'result' }] } } },
      { tag: 'unsaid', metadata: { kind: { request: {} }, metadataKey: { key: 'rbac', path: [{ key: 'x' }] } } },
    ],
    maxPathTagLength: 8,
  });
  const { tracer, buffer, spans } = set;
  const info = sampleStream();
  info.requestId = UUID;
  info.status = 503;
  info.flags = flagBit('DI');
  addMetadata(info, 'rbac', { result: 'denied' });
  info.attempts = 3;
  info.operation = 'reviews.default.svc.cluster.local:9080/*';
  tracer.start(new Headers(['x-request-id', UUID]), info);
  tracer.finish(info);
  buffer.flush();
  const { name, startUs, durationUs, tags, error, target } = spans[0]!;
  const pairs = new Map(tags.flatMap((tag, i) => (i % 2 === 0 ? [[tag, tags[i + 1]!] as const] : [])));
  assert.deepEqual([name, startUs, durationUs, error], [info.operation, 1_700_000_000_123_000, 12_900, true]);
  assert.deepEqual(target, { cluster: 'zipkin', path: '/api/v2/spans', hostname: '' });
  const wanted = {
    component: 'proxy', node_id: 'sidecar~1', 'istio.canonical_service': 'reviews', 'istio.canonical_revision': 'v2',
    'istio.namespace': 'mine', 'istio.mesh_id': 'm', who: 'nobody', 'http.url': 'http://reviews:9080/reviews',
    'http.method': 'GET', 'http.protocol': 'HTTP/1.1', 'http.status_code': '503', response_flags: 'DI', error: 'true',
    upstream_cluster: info.clusterName, upstream_address: '10.0.0.9:9080', 'peer.address': '10.0.0.1',
    'retry.count': '2', 'guid:x-request-id': info.requestId, user_agent: 'curl/8',
  };
  for (const [tag, value] of Object.entries(wanted)) assert.equal(pairs.get(tag), value, tag);
  assert.equal(pairs.has('none'), false);
});

test('S89 spans beyond what fits a batch are dropped and counted', () => {
  const set = bench();
  const info = sampleStream();
  info.requestId = UUID;
  set.tracer.start(new Headers(), info);
  for (let i = 0; i < BATCH_SPANS_MAX + 5; i++) set.tracer.finish(info);
  set.buffer.flush();
  assert.equal(set.spans.length, BATCH_SPANS_MAX);
  assert.equal(set.stats.counter(statName(tracingScope, 'spans_dropped')).value, 5);
  assert.equal(set.stats.counter(statName(tracingScope, 'spans_sent')).value, BATCH_SPANS_MAX);
});

test('nothing is traced without configuration', () => {
  const options = { outbound: true, defaultProvider: undefined, requestId: undefined, path: 'tracing' };
  const { buffer } = bench();
  const deps = { random: new SeededRandom(1), spans: buffer, node: { id: '', cluster: '', metadata: {} } };
  assert.equal(compileTracer(undefined, options, deps), undefined);
  assert.equal(compileTracer({}, options, deps), undefined);
});
