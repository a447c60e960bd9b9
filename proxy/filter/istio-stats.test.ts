// Istio's metrics: labels of both sides, answers told apart, bounds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headersOf, sampleConnection, sampleRequest, sampleStream } from '../../test/harness/stream-sample.ts';
import { ConfigError } from '../base/error.ts';
import type { IstioStats } from '../config/istio-stats.ts';
import { StatsMerger } from '../supervisor/stats-merger.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import { Stats } from '../telemetry/stats.ts';
import type { StreamInfo, TlsInfo } from '../telemetry/stream-info.ts';
import type { FilterStream, HttpFilter } from './filter.ts';
import { ANSWERS_MAX, PAIRS_MAX, compileIstioStats } from './istio-stats.ts';

const NODE = {
  id: 'sidecar~10.0.0.1~reviews-v2-x.default~default.svc.cluster.local',
  cluster: 'reviews.default',
  metadata: {
    WORKLOAD_NAME: 'reviews-v2', NAMESPACE: 'default', CLUSTER_ID: 'Kubernetes',
    LABELS: { app: 'reviews', version: 'v2' },
  },
};

interface Bench {
  readonly merger: StatsMerger;
  readonly filter: HttpFilter;
}

function bench(outbound: boolean, config: IstioStats = {}): Bench {
  const merger = new StatsMerger();
  const deps = { stats: new Stats(merger.source()), node: NODE, outbound };
  return { merger, filter: compileIstioStats(config, deps, 'filter') };
}

function complete({ filter }: Bench, info: StreamInfo): void {
  filter.onComplete!({ info } as unknown as FilterStream);
}

/** `family{labels that are asked for}` to value or count. */
function figures({ merger }: Bench, family: string, ...labels: string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const stat of merger.snapshot()) {
    if (stat.name.family !== family) continue;
    const values = new Map(stat.name.labels);
    const key = labels.map((label) => values.get(label) ?? '(none)').join(' ');
    found.set(key, (found.get(key) ?? 0) + (stat.kind === 'histogram' ? stat.count : stat.value));
  }
  return found;
}

const mutual = (peer: string, local: string): TlsInfo => ({
  version: 'TLSv1.3', cipher: 'x', alpn: undefined,
  peerUriSan: peer, peerDnsSans: [], peerSubject: undefined, peerCertificateHash: undefined, localUriSan: local,
});

test('the source reports both workloads from node, endpoint and certificates', () => {
  const set = bench(true);
  const info = sampleStream();
  info.clusterName = 'outbound|9080|v1|ratings.shop.svc.cluster.local';
  info.upstreamWorkload = 'ratings-v1;shop;ratings;v1;Kubernetes';
  info.upstreamTls = mutual('spiffe://td/ns/shop/sa/ratings', 'spiffe://td/ns/default/sa/reviews');
  complete(set, info);
  complete(set, info);
  const [stat] = set.merger.snapshot().filter(({ name }) => name.family === 'istio_requests_total');
  assert.ok(stat?.kind === 'counter');
  assert.equal(stat.value, 2);
  assert.deepEqual(Object.fromEntries(stat.name.labels), {
    reporter: 'source',
    source_workload: 'reviews-v2', source_workload_namespace: 'default', source_app: 'reviews', source_version: 'v2',
    source_canonical_service: 'reviews', source_canonical_revision: 'v2', source_cluster: 'Kubernetes',
    source_principal: 'spiffe://td/ns/default/sa/reviews',
    destination_workload: 'ratings-v1', destination_workload_namespace: 'shop', destination_app: 'ratings',
    destination_version: 'v1', destination_canonical_service: 'ratings', destination_canonical_revision: 'v1',
    destination_cluster: 'Kubernetes', destination_principal: 'spiffe://td/ns/shop/sa/ratings',
    destination_service: 'ratings.shop.svc.cluster.local', destination_service_name: 'ratings',
    destination_service_namespace: 'shop',
    connection_security_policy: 'unknown', request_protocol: 'http', response_code: '200', grpc_response_status: '',
    response_flags: '-',
  });
  for (const family of ['istio_request_duration_milliseconds', 'istio_request_bytes', 'istio_response_bytes']) {
    assert.deepEqual([...figures(set, family)], [['', 2]]);
  }
});

test('the destination reports itself, its peer by certificate, and whether the connection was mutual TLS', () => {
  const set = bench(false);
  const tls = mutual('spiffe://td/ns/front/sa/productpage', 'spiffe://td/ns/default/sa/reviews');
  for (const connection of [sampleConnection({ tls }), sampleConnection()]) {
    const info = sampleStream(connection);
    info.operation = 'reviews.default.svc.cluster.local:9080/*';
    complete(set, info);
  }
  const labels = ['source_principal', 'source_workload_namespace', 'destination_version', 'connection_security_policy'];
  assert.deepEqual([...figures(set, 'istio_requests_total', 'destination_service_name', ...labels)], [
    ['reviews spiffe://td/ns/front/sa/productpage front v2 mutual_tls', 1],
    ['reviews unknown unknown v2 none', 1],
  ]);
});

test('answers are told apart by code, flags and gRPC status', () => {
  const set = bench(true);
  const answer = (status: number, flags: number, grpc?: string): void => {
    const info = sampleStream();
    info.status = status;
    info.flags = flags;
    if (grpc !== undefined) {
      info.request = sampleRequest({ headers: headersOf(['content-type', 'application/grpc']) });
      info.responseTrailers = headersOf(['grpc-status', grpc]);
    }
    complete(set, info);
  };
  answer(200, 0);
  answer(503, flagBit('UF') + flagBit('URX'));
  answer(503, flagBit('UF') + flagBit('URX'));
  answer(200, 0, '0');
  answer(200, 0, '14');
  answer(0, flagBit('DC'));
  const labels = ['request_protocol', 'response_code', 'response_flags', 'grpc_response_status'];
  assert.deepEqual([...figures(set, 'istio_requests_total', ...labels)], [
    ['http 200 - ', 1], ['http 503 URX,UF ', 2], ['grpc 200 - 0', 1], ['grpc 200 - 14', 1], ['http 0 DC ', 1],
  ]);
});

test('gRPC messages are counted as the filter grpc_stats tells them', () => {
  const set = bench(true);
  const call = (grpc: string | undefined, requests: number, responses: number): void => {
    const info = sampleStream();
    const type = grpc === undefined ? 'text/plain' : 'application/grpc';
    info.request = sampleRequest({ headers: headersOf(['content-type', type]) });
    info.responseTrailers = headersOf(['grpc-status', grpc ?? '0']);
    info.grpcMessages = { requests, responses };
    complete(set, info);
  };
  call('0', 1, 7);
  call('0', 2, 3);
  call('zz', 1, 0);
  call(undefined, 5, 5);
  assert.deepEqual([...figures(set, 'istio_request_messages_total', 'grpc_response_status')], [['0', 3], ['-1', 1]]);
  assert.deepEqual([...figures(set, 'istio_response_messages_total', 'grpc_response_status')], [['0', 10], ['-1', 0]]);
  const untold = bench(true, { metrics: [{ name: 'request_messages_total', drop: true }] });
  const info = sampleStream();
  info.request = sampleRequest({ headers: headersOf(['content-type', 'application/grpc']) });
  complete(untold, info);
  assert.equal(figures(untold, 'istio_request_messages_total').size, 0);
  assert.deepEqual([...figures(untold, 'istio_response_messages_total')], [['', 0]]);
});

test('destinations: subsets, other hosts, other cluster names, none', () => {
  const set = bench(true);
  for (const name of ['outbound|443||api.example.com', 'PassthroughCluster', 'inbound|9080||', '']) {
    const info = sampleStream();
    info.clusterName = name;
    complete(set, info);
  }
  const found = figures(set, 'istio_requests_total', 'destination_service', 'destination_service_name');
  assert.deepEqual([...found.keys()], [
    'api.example.com api.example.com', 'PassthroughCluster PassthroughCluster', 'unknown unknown',
  ]);
});

test('S88 no label comes from a request, and label sets without end fold into _other', () => {
  const set = bench(false);
  for (let i = 0; i < PAIRS_MAX + 50; i++) {
    const tls = mutual(`spiffe://td/ns/n/sa/s${i}`, 'spiffe://td/ns/default/sa/reviews');
    const info = sampleStream(sampleConnection({ tls }));
    info.request = sampleRequest({ authority: `evil${i}`, path: `/${i}` });
    complete(set, info);
  }
  const bySource = figures(set, 'istio_requests_total', 'source_principal');
  assert.equal(bySource.size, PAIRS_MAX + 1);
  assert.equal(bySource.get('_other'), 50);
  assert.deepEqual([...figures(set, 'istio_requests_total', 'destination_service').keys()].includes('evil1'), false);
  const codes = bench(true);
  for (let i = 0; i < ANSWERS_MAX + 7; i++) {
    const info = sampleStream();
    info.flags = i + 1;
    complete(codes, info);
  }
  assert.equal(figures(codes, 'istio_requests_total', 'response_flags').get('_other'), 7);
});

test('metrics are dropped and labels removed as configured; unknown metrics are refused', () => {
  const set = bench(true, {
    metrics: [
      { tagsToRemove: ['source_principal'] }, { name: 'request_bytes', drop: true },
      { name: 'requests_total', tagsToRemove: ['response_flags'] }, { name: 'tcp_sent_bytes_total', drop: true },
    ],
  });
  complete(set, sampleStream());
  const labels = ['source_principal', 'response_flags'];
  assert.deepEqual([...figures(set, 'istio_requests_total', ...labels)], [['(none) (none)', 1]]);
  assert.deepEqual([...figures(set, 'istio_response_bytes', ...labels)], [['(none) -', 1]]);
  assert.equal(figures(set, 'istio_request_bytes').size, 0);
  assert.throws(() => bench(true, { metrics: [{ name: 'toString' }] }), (error: unknown) => {
    return error instanceof ConfigError && error.path === 'filter.metrics[0].name';
  });
});
