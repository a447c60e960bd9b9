// Counters of gRPC calls: Envoy's names, and bounds on what clients and servers choose.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CountedStats } from '../../test/harness/counted.ts';
import { LIMITS } from '../config/limits.ts';
import { StatsMerger } from '../supervisor/stats-merger.ts';
import { GrpcClusterStats, grpcMethodOf } from './grpc-call-stats.ts';
import { clusterScope } from './stat-name.ts';
import { Stats } from './stats.ts';

function ofCluster(protocol = 'grpc') {
  const counted = new CountedStats();
  return { counted, calls: new GrpcClusterStats(counted.stats, clusterScope('c'), protocol) };
}

test('a path names a service and a method', () => {
  const wanted = { service: 'pkg.Svc', method: 'Do' };
  for (const path of ['/pkg.Svc/Do', '/pkg.Svc/Do?x=/y', '//pkg.Svc//Do/']) {
    assert.deepEqual(grpcMethodOf(path), wanted, path);
  }
  for (const path of ['/', '/one', '/a/b/c', '', '*']) assert.equal(grpcMethodOf(path), undefined, path);
});

test('calls, messages and times, of one method and of all', () => {
  const { counted, calls } = ofCluster();
  const call = calls.of({ service: 'pkg.Svc', method: 'Do' });
  call.ended('0');
  call.ended('14');
  call.requestMessages(3);
  call.responseMessages(1);
  call.requestTime(5);
  calls.all.ended('0');
  const { 'cluster.c.grpc.pkg.Svc.Do.upstream_rq_time': _time, ...counts } = counted.counts;
  assert.deepEqual(counts, {
    'cluster.c.grpc.pkg.Svc.Do.0': 1, 'cluster.c.grpc.pkg.Svc.Do.14': 1, 'cluster.c.grpc.pkg.Svc.Do.success': 1,
    'cluster.c.grpc.pkg.Svc.Do.failure': 1, 'cluster.c.grpc.pkg.Svc.Do.total': 2,
    'cluster.c.grpc.pkg.Svc.Do.request_message_count': 3, 'cluster.c.grpc.pkg.Svc.Do.response_message_count': 1,
    'cluster.c.grpc.0': 1, 'cluster.c.grpc.success': 1, 'cluster.c.grpc.total': 1,
  });
});

test('for Prometheus the method and the whole name of the service are labels', () => {
  const merger = new StatsMerger();
  const calls = new GrpcClusterStats(new Stats(merger.source()), clusterScope('c'), 'grpc-web');
  calls.of({ service: 'pkg.Svc', method: 'Do' }).ended('0');
  const [status] = merger.snapshot();
  assert.equal(status?.name.family, 'envoy_cluster_grpc_web_0');
  assert.deepEqual(Object.fromEntries(status.name.labels), {
    envoy_cluster_name: 'c', envoy_grpc_bridge_service: 'pkg.Svc', envoy_grpc_bridge_method: 'Do',
  });
});

test('S88 statuses and methods that strangers make up share counters', () => {
  const { counted, calls } = ofCluster();
  for (const status of ['99', 'z z', '', '17', '00']) calls.all.ended(status);
  assert.deepEqual(counted.counts,
    { 'cluster.c.grpc._other': 5, 'cluster.c.grpc.failure': 5, 'cluster.c.grpc.total': 5 });
  const made = ofCluster();
  made.calls.of({ service: 'x'.repeat(LIMITS.grpcMethodBytesMax), method: 'm' }).ended('0');
  for (let i = 0; i < LIMITS.grpcMethodsMax + 7; i++) made.calls.of({ service: 's', method: `m${i}` }).ended('0');
  const { counts } = made.counted;
  assert.equal(counts['cluster.c.grpc._other._other.total'], 8);
  assert.equal(Object.keys(counts).length, (LIMITS.grpcMethodsMax + 1) * 3);
});
