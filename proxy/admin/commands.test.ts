// Every admin command: Envoy's shapes, filters, and no private key anywhere.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dumpResource, fakeSource } from '../../test/harness/admin-source.ts';
import type { FakeSource } from '../../test/harness/admin-source.ts';
import { REVIEWS, testLeaf, testRoot } from '../../test/harness/certificates.ts';
import { HTTP_CONNECTION_MANAGER_TYPE, ROUTE_TYPE } from '../config/type-url.ts';
import { clusterScope, endpointScope, httpScope, labelledName, statName } from '../telemetry/stat-name.ts';
import type { AdminResponse } from './admin-response.ts';
import { runCommand } from './commands.ts';

function run(fake: FakeSource, url: string, method = 'GET'): Promise<AdminResponse> {
  const [path = '', query = ''] = url.split('?');
  return runCommand(fake.source, { method, path, query: new URLSearchParams(query) });
}

const bodyOf = async (fake: FakeSource, url: string): Promise<string> => (await run(fake, url)).body;

type Json = Record<string, unknown>;
const jsonOf = async (fake: FakeSource, url: string): Promise<Json> => JSON.parse(await bodyOf(fake, url)) as Json;

const CLUSTER = {
  name: 'reviews', type: 'EDS', edsClusterConfig: { edsConfig: { ads: {} }, serviceName: 'svc' },
  circuitBreakers: { thresholds: [{ maxConnections: 7 }] },
};
const ASSIGNMENT = {
  clusterName: 'svc',
  endpoints: [{
    locality: { region: 'r', zone: 'z' }, priority: 1,
    lbEndpoints: [
      { endpoint: { address: { socketAddress: { address: '10.0.0.9', portValue: 9080 } } }, loadBalancingWeight: 3 },
      { endpoint: { address: { socketAddress: { address: '::1', portValue: 80 } } }, healthStatus: 'DRAINING' },
    ],
  }],
};

function withCluster(): FakeSource {
  const fake = fakeSource({
    clusters: [dumpResource('reviews', CLUSTER, { origin: 'dynamic', version: 'v7' })],
    endpoints: [dumpResource('svc', ASSIGNMENT, { origin: 'dynamic', version: 'v8' })],
  });
  fake.stats.counter(statName(endpointScope('reviews', '10.0.0.9:9080'), 'rq_total')).add(5);
  fake.stats.gauge(statName(endpointScope('reviews', '10.0.0.9:9080'), 'rq_active')).set(2);
  return fake;
}

test('/clusters has Envoy\'s lines', async () => {
  const lines = (await bodyOf(withCluster(), '/clusters')).split('\n');
  for (const line of [
    'reviews::observability_name::reviews', 'reviews::default_priority::max_connections::7',
    'reviews::default_priority::max_retries::3', 'reviews::high_priority::max_connections::1024',
    'reviews::added_via_api::true', 'reviews::eds_service_name::svc', 'reviews::10.0.0.9:9080::rq_total::5',
    'reviews::10.0.0.9:9080::rq_active::2', 'reviews::10.0.0.9:9080::cx_total::0', 'reviews::10.0.0.9:9080::weight::3',
    'reviews::10.0.0.9:9080::health_flags::healthy', 'reviews::10.0.0.9:9080::zone::z',
    'reviews::10.0.0.9:9080::priority::1',
    'reviews::[::1]:80::health_flags::/eds_status_draining',
  ]) assert.ok(lines.includes(line), line);
});

test('/clusters?format=json', async () => {
  const answer = await jsonOf(withCluster(), '/clusters?format=json');
  const [cluster] = answer['cluster_statuses'] as Json[];
  const [host] = cluster!['host_statuses'] as Json[];
  assert.deepEqual([cluster!['name'], cluster!['added_via_api']], ['reviews', true]);
  assert.equal(cluster!['eds_service_name'], 'svc');
  assert.deepEqual(host!['address'], { socket_address: { address: '10.0.0.9', port_value: 9080 } });
  assert.ok((host!['stats'] as Json[]).some(({ name, value }) => name === 'rq_total' && value === '5'));
  assert.deepEqual([host!['weight'], host!['health_status']], [3, { eds_health_status: 'HEALTHY' }]);
});

test('/listeners as text and JSON', async () => {
  assert.equal(await bodyOf(fakeSource(), '/listeners'), 'in::127.0.0.1:8080\nsix::[::1]:8081\n');
  const [first] = (await jsonOf(fakeSource(), '/listeners?format=json'))['listener_statuses'] as Json[];
  const socketAddress = { address: '127.0.0.1', port_value: 8080 };
  assert.deepEqual(first, { name: 'in', local_address: { socket_address: socketAddress } });
});

function withStats(): FakeSource {
  const fake = withCluster();
  fake.stats.counter(statName(clusterScope('reviews'), 'upstream_rq_total')).add(3);
  fake.stats.counter(statName(clusterScope('reviews'), 'upstream_rq_503')).add(1);
  fake.stats.counter(statName(clusterScope('reviews'), 'upstream_rq_5xx')).add(1);
  fake.stats.gauge(statName(httpScope('in'), 'downstream_rq_active'));
  fake.stats.histogram(statName(clusterScope('reviews'), 'upstream_rq_time')).record(7);
  fake.stats.histogram(statName(clusterScope('other'), 'upstream_rq_time'));
  fake.stats.counter(labelledName('istio_requests_total', [['reporter', 'source'], ['response_code', '200']])).add(2);
  return fake;
}

test('/stats: flat names sorted, histograms last, endpoints left out', async () => {
  assert.equal(
    await bodyOf(withStats(), '/stats'),
    'cluster.reviews.upstream_rq_503: 1\ncluster.reviews.upstream_rq_5xx: 1\ncluster.reviews.upstream_rq_total: 3\n' +
      'http.in.downstream_rq_active: 0\nistio_requests_total{reporter="source",response_code="200"}: 2\n' +
      'cluster.other.upstream_rq_time: No recorded values\n' +
      'cluster.reviews.upstream_rq_time: P0(nan,5) P25(nan,6.25) P50(nan,7.5) P75(nan,8.75) P90(nan,9.5) ' +
      'P95(nan,9.75) P99(nan,9.95) P99.5(nan,9.975) P99.9(nan,9.995) P100(nan,10)\n',
  );
});

test('/stats: filter, usedonly, type, json, and what is wrong with a filter', async () => {
  const fake = withStats();
  assert.equal(await bodyOf(fake, '/stats?filter=rq_total'), 'cluster.reviews.upstream_rq_total: 3\n');
  assert.equal(await bodyOf(fake, '/stats?filter=%5Ehttp%5C.'), 'http.in.downstream_rq_active: 0\n');
  assert.equal(await bodyOf(fake, '/stats?filter=%5Ehttp%5C.&usedonly'), '');
  assert.equal((await bodyOf(fake, '/stats?type=Gauges')).split('\n').length, 2);
  const { stats } = (await jsonOf(fake, '/stats?format=json&filter=reviews')) as { stats: Json[] };
  assert.deepEqual(stats[0], { name: 'cluster.reviews.upstream_rq_503', value: 1 });
  const { computed_quantiles: [quantiles] } = stats.at(-1)!['histograms'] as { computed_quantiles: Json[] };
  assert.equal(quantiles!['name'], 'cluster.reviews.upstream_rq_time');
  assert.deepEqual((quantiles!['values'] as Json[])[2], { interval: null, cumulative: 7.5 });
  const bad = await run(fake, '/stats?filter=(');
  assert.equal(bad.status, 400);
  assert.match(bad.body, /filter: the regular expression .* is not valid/);
  assert.equal((await run(fake, '/stats?format=xml')).status, 400);
});

test('S46 a filter that would run away in a backtracking engine does not', async () => {
  const fake = fakeSource();
  fake.stats.counter(statName(clusterScope('a'.repeat(3000)), 'upstream_rq_total'));
  assert.equal((await run(fake, `/stats?filter=${encodeURIComponent('(a+)+$')}`)).body, '');
});

test('/stats/prometheus: families, response codes as labels, cumulative buckets', async () => {
  const { body, contentType } = await run(withStats(), '/stats/prometheus');
  const lines = body.split('\n');
  assert.match(contentType, /^text\/plain; version=0\.0\.4/);
  for (const line of [
    '# TYPE envoy_cluster_upstream_rq counter',
    'envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="reviews"} 1',
    'envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="reviews"} 1',
    'envoy_cluster_upstream_rq_total{envoy_cluster_name="reviews"} 3',
    '# TYPE envoy_http_downstream_rq_active gauge',
    'envoy_http_downstream_rq_active{envoy_http_conn_manager_prefix="in"} 0',
    '# TYPE envoy_cluster_upstream_rq_time histogram',
    'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="reviews",le="5"} 0',
    'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="reviews",le="10"} 1',
    'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="reviews",le="+Inf"} 1',
    'envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="reviews"} 7',
    'envoy_cluster_upstream_rq_time_count{envoy_cluster_name="reviews"} 1',
    'istio_requests_total{reporter="source",response_code="200"} 2',
  ]) assert.ok(lines.includes(line), `${line}\n${body}`);
  assert.equal(body.includes('weft_endpoint'), false);
});

test('S88 label values cannot leave their quotes', async () => {
  const fake = fakeSource();
  fake.stats.counter(statName(clusterScope('a"b\\c\nd'), 'upstream_rq_total')).inc();
  const body = await bodyOf(fake, '/stats/prometheus');
  assert.ok(body.includes('{envoy_cluster_name="a\\"b\\\\c\\nd"} 1'), body);
});

test('/config_dump: sections in Envoy\'s shape and spelling, and ?include_eds', async () => {
  const fake = withCluster();
  const { configs } = (await jsonOf(fake, '/config_dump')) as { configs: Json[] };
  assert.deepEqual(configs.map((section) => String(section['@type']).split('.').at(-1)), [
    'BootstrapConfigDump', 'ClustersConfigDump', 'ListenersConfigDump', 'RoutesConfigDump', 'SecretsConfigDump',
  ]);
  assert.equal(configs[1]!['version_info'], 'v7');
  assert.deepEqual(configs[1]!['dynamic_active_clusters'], [{
    version_info: 'v7',
    cluster: {
      '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'reviews', type: 'EDS',
      eds_cluster_config: { eds_config: { ads: {} }, service_name: 'svc' },
      circuit_breakers: { thresholds: [{ max_connections: 7 }] },
    },
    last_updated: '2023-11-14T22:13:20.000Z',
  }]);
  assert.ok((await bodyOf(fake, '/config_dump?include_eds')).includes('dynamic_endpoint_configs'));
});

test('/config_dump: a table inside its listener is shown as a static one', async () => {
  const typedConfig = { '@type': HTTP_CONNECTION_MANAGER_TYPE, statPrefix: 'in', routeConfig: { name: 'inside' } };
  const listener = { name: 'in', filterChains: [{ filters: [{ name: 'hcm', typedConfig }] }] };
  const fake = fakeSource({ listeners: [dumpResource('in', listener)] });
  const [first] = (await jsonOf(fake, '/config_dump?resource=static_route_configs'))['configs'] as Json[];
  assert.deepEqual(first!['route_config'], { '@type': ROUTE_TYPE, name: 'inside' });
});

test('/config_dump: ?resource, ?mask, ?name_regex', async () => {
  const fake = withCluster();
  const mask = 'cluster.name,cluster.type,version_info';
  const one = await jsonOf(fake, `/config_dump?resource=dynamic_active_clusters&mask=${mask}`);
  assert.deepEqual(one, {
    configs: [{
      '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster', version_info: 'v7',
      cluster: { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'reviews', type: 'EDS' },
    }],
  });
  assert.equal((await run(fake, '/config_dump?resource=nope')).status, 404);
  assert.deepEqual(await jsonOf(fake, '/config_dump?resource=dynamic_active_clusters&name_regex=rev'), { configs: [] });
  assert.equal((await bodyOf(fake, '/config_dump?name_regex=rev.*')).includes('dynamic_active_clusters'), true);
});

test('S60 S99 private keys are in no answer, certificates are', async () => {
  const root = testRoot();
  const leaf = testLeaf(root);
  const tlsCertificate = { certificateChain: { inlineString: leaf.chain }, privateKey: { inlineString: leaf.key } };
  const fake = fakeSource({
    secrets: [
      dumpResource('default', { name: 'default', tlsCertificate }, { origin: 'dynamic', version: '1' }),
      dumpResource('ROOTCA', { name: 'ROOTCA', validationContext: { trustedCa: { inlineString: root.cert } } }),
    ],
  });
  const secret = leaf.key.split('\n')[1]!;
  for (const path of ['/config_dump', '/config_dump?resource=dynamic_active_secrets', '/certs']) {
    assert.equal((await bodyOf(fake, path)).includes(secret), false, path);
  }
  assert.match(await bodyOf(fake, '/config_dump'), /"private_key": \{\s+"inline_string": "\[redacted\]"/);
  const certificates = (await jsonOf(fake, '/certs'))['certificates'] as Json[];
  const [chain] = certificates[0]!['cert_chain'] as Json[];
  assert.deepEqual([chain!['path'], chain!['subject_alt_names']], ['<inline>', [{ uri: REVIEWS }]]);
  assert.equal(chain!['expiration_time'], leaf.x509.validToDate.toISOString());
  assert.equal((certificates[1]!['ca_cert'] as Json[]).length, 1);
});

test('/server_info and /memory', async () => {
  const info = await jsonOf(fakeSource(), '/server_info');
  assert.deepEqual([info['state'], info['uptime_current_epoch']], ['LIVE', '65s']);
  assert.match(String(info['version']), /^weft\/0\.1\.0\/node-\d+/);
  assert.deepEqual(info['command_line_options'], { concurrency: 2, config_path: 'envoy.yaml' });
  assert.ok(Number((await jsonOf(fakeSource(), '/memory'))['allocated']) > 0);
});

test('/logging shows and changes levels', async () => {
  const fake = fakeSource();
  const set = async (query: string): Promise<AdminResponse> => run(fake, `/logging${query}`, 'POST');
  assert.equal((await set('')).body, 'active loggers:\n  upstream: off\n  xds: off\n');
  assert.equal((await set('?paths=xds:debug,upstream:info')).body, 'active loggers:\n  upstream: info\n  xds: debug\n');
  assert.equal((await set('?level=warning')).body, 'active loggers:\n  upstream: warning\n  xds: warning\n');
  assert.equal((await set('?xds=trace')).body, 'active loggers:\n  upstream: warning\n  xds: trace\n');
  for (const query of ['?level=loud', '?nope=info', '?paths=xds']) assert.equal((await set(query)).status, 400, query);
});
