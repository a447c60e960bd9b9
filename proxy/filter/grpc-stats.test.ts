// The gRPC statistics filter: which calls it counts, and under which names. Expectations as observed on Envoy 1.40.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CountedStats } from '../../test/harness/counted.ts';
import { HeldFilterStream } from '../../test/harness/filter-stream.ts';
import type { FilterStreamFacts } from '../../test/harness/filter-stream.ts';
import type { GrpcStats } from '../config/grpc-stats.ts';
import { Headers } from '../http/headers.ts';
import { ResponseHead } from '../http/message.ts';
import { clusterScope } from '../telemetry/stat-name.ts';
import type { ClusterSet } from '../upstream/upstream.ts';
import { GrpcStatsFilter } from './grpc-stats.ts';

const MESSAGE = Buffer.from([0, 0, 0, 0, 1, 7]);
const GRPC = ['content-type', 'application/grpc'];

/** `trailers` and `head` are values of grpc-status; without a head there is no answer. */
interface Exchange extends FilterStreamFacts {
  readonly requests?: number;
  readonly head?: string | number;
  readonly responses?: number;
  readonly trailers?: string;
}

function bench(config: GrpcStats) {
  const counted = new CountedStats();
  const known = { statScope: clusterScope('c') };
  const clusters = { get: (name: string) => (name === 'gone' ? undefined : known) } as unknown as ClusterSet;
  const filter = new GrpcStatsFilter('grpc_stats', config, { clusters, stats: counted.stats });
  return { filter, counted };
}

/** Passes one exchange through; the stream as it was left. */
function pass(filter: GrpcStatsFilter, exchange: Exchange): HeldFilterStream {
  const { requests = 1, head, responses = 0, trailers } = exchange;
  const stream = new HeldFilterStream({ cluster: 'c', path: '/pkg.Svc/Do', fields: GRPC, ...exchange });
  assert.equal(filter.onRequestHead(stream), 'continue');
  for (let i = 0; i < requests; i++) assert.equal(filter.onRequestData(stream, MESSAGE), 'continue');
  if (head !== undefined) {
    const answer = new ResponseHead(typeof head === 'number' ? head : 200, new Headers([...GRPC]));
    if (typeof head === 'string' && head !== '') answer.headers.append('grpc-status', head);
    filter.onResponseHead(stream, answer, responses === 0 && trailers === undefined);
  }
  for (let i = 0; i < responses; i++) filter.onResponseData(stream, MESSAGE);
  if (trailers !== undefined) filter.onResponseTrailers(stream, new Headers(['grpc-status', trailers]));
  filter.onComplete(stream);
  return stream;
}

function counts(config: GrpcStats, ...exchanges: Exchange[]): Record<string, number> {
  const { filter, counted } = bench(config);
  for (const exchange of exchanges) pass(filter, exchange);
  return counted.counts;
}

test('by default all methods of a cluster share their counters', () => {
  assert.deepEqual(counts({}, { requests: 2, head: '', responses: 3, trailers: '0' }, { path: '/a/b', head: '14' }), {
    'cluster.c.grpc.request_message_count': 3, 'cluster.c.grpc.response_message_count': 3,
    'cluster.c.grpc.0': 1, 'cluster.c.grpc.14': 1, 'cluster.c.grpc.success': 1, 'cluster.c.grpc.failure': 1,
    'cluster.c.grpc.total': 2,
  });
});

test('every method, or those of a list, have counters of their own', () => {
  const answered: Exchange = { requests: 0, head: '0' };
  const own = (path: string): Exchange => ({ ...answered, path });
  const calls = [own('/pkg.Svc/Do'), own('/pkg.Svc/Do?x'), own('/pkg.Svc/Else')];
  const totals = (config: GrpcStats): [string, number][] =>
    Object.entries(counts(config, ...calls)).filter(([name]) => name.endsWith('.total'));
  assert.deepEqual(totals({ statsForAllMethods: true }),
    [['cluster.c.grpc.pkg.Svc.Do.total', 2], ['cluster.c.grpc.pkg.Svc.Else.total', 1]]);
  assert.deepEqual(totals({ statsForAllMethods: true, replaceDotsInGrpcServiceName: true }),
    [['cluster.c.grpc.pkg_Svc.Do.total', 2], ['cluster.c.grpc.pkg_Svc.Else.total', 1]]);
  const services = [{ name: 'pkg.Svc', methodNames: ['Do'] }];
  assert.deepEqual(totals({ individualMethodStatsAllowlist: { services }, replaceDotsInGrpcServiceName: true }),
    [['cluster.c.grpc.pkg.Svc.Do.total', 2], ['cluster.c.grpc.total', 1]]);
});

test('what is none of gRPC\'s, has no cluster, or names no method is not counted', () => {
  const none: Exchange[] = [
    { fields: ['content-type', 'application/grpc-web'], head: '0' }, { cluster: '', head: '0' },
    { cluster: 'gone', head: '0' }, { path: '/one', head: '0' }, { path: '/a/b/c', head: '0' },
  ];
  assert.deepEqual(counts({ statsForAllMethods: true }, ...none), {});
  assert.deepEqual(counts({}, { requests: 0, head: 404, responses: 1 }), {}, 'a body that is no gRPC');
});

test('a response has messages when it is gRPC\'s, and a status in its head counts at once', () => {
  assert.deepEqual(counts({}, { requests: 0, head: '5', responses: 1 }), {
    'cluster.c.grpc.5': 1, 'cluster.c.grpc.failure': 1, 'cluster.c.grpc.total': 1,
    'cluster.c.grpc.response_message_count': 1,
  });
});

test('numbers of messages are told to access logs, with the first message and when asked', () => {
  const emits = bench({ emitFilterState: true }).filter;
  assert.deepEqual(pass(emits, { requests: 2, head: '', responses: 3, trailers: '0' }).info.grpcMessages,
    { requests: 2, responses: 3 });
  assert.deepEqual(pass(emits, { path: '/one', head: '0' }).info.grpcMessages, { requests: 1, responses: 0 });
  assert.equal(pass(emits, { requests: 0, head: '0' }).info.grpcMessages, undefined);
  assert.equal(pass(bench({}).filter, { head: '0' }).info.grpcMessages, undefined);
});

test('the time of the upstream is recorded for calls that end as gRPC\'s do', () => {
  const name = { flat: 'cluster.c.grpc.upstream_rq_time', family: '', labels: [] };
  const recorded = (config: GrpcStats, exchange: Exchange): boolean => {
    const { filter, counted } = bench(config);
    const before = counted.counts[name.flat];
    pass(filter, exchange);
    return before === undefined && counted.names.has(name.flat);
  };
  const timed = { enableUpstreamStats: true };
  assert.ok(recorded(timed, { head: '', responses: 1, trailers: '0' }) && recorded(timed, { head: '14' }));
  assert.ok(!recorded(timed, { head: '', responses: 1 }), 'a response without a status');
  assert.ok(!recorded({}, { head: '14' }));
});
