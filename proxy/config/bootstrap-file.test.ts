// A proxy's start: sample files load, and every fault in a file is a line with its place.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bootstrapJsonSchema, ConfigErrors, loadBootstrap } from './bootstrap-file.ts';

const SAMPLES = fileURLToPath(new URL('../../test/interop/bootstraps/', import.meta.url));

const FILTERS = 'type.googleapis.com/envoy.extensions.filters';

describe('bootstrap files', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-bootstrap-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** The error lines for a text, without the folder. */
  async function faults(text: string): Promise<string[]> {
    const file = join(folder, 'b.yaml');
    await writeFile(file, text);
    const error: unknown = await loadBootstrap(file).then(() => undefined, (cause: unknown) => cause);
    assert.ok(error instanceof ConfigErrors, 'the file was accepted');
    return error.message.split('\n').map((line) => line.replaceAll(file, 'b.yaml'));
  }

  test('the sample bootstraps load without a warning', async () => {
    const { bootstrap, warnings } = await loadBootstrap(`${SAMPLES}sidecar.yaml`);
    assert.deepEqual(warnings, []);
    assert.deepEqual(bootstrap.staticResources?.clusters?.map(({ name }) => name),
      ['reviews-v1', 'reviews-v2', 'ratings', 'collector']);
    assert.equal(bootstrap.admin?.address?.socketAddress?.portValue, 18_011);
    const minimal = await loadBootstrap(`${SAMPLES}minimal.yaml`);
    assert.deepEqual(minimal.warnings, []);
    assert.equal(minimal.bootstrap.staticResources?.listeners?.length, 1);
  });

  test('every error is one line with file, line, column and path', async () => {
    assert.deepEqual(await faults([
      'static_resources:',
      '  clusters:',
      '    - name: a',
      '      conect_timeout: 1s',
      '      connect_timeout: 1',
      '      load_assignment: { cluster_name: a }',
    ].join('\n')), [
      'b.yaml:4:7: static_resources.clusters[0].conect_timeout: unknown field of envoy.config.cluster.v3.Cluster; '
      + 'did you mean \'connect_timeout\'?',
      'b.yaml:5:7: static_resources.clusters[0].connect_timeout: must be a duration in seconds like \'1.5s\', up to '
      + '315576000000s, is 1',
    ]);
  });

  test('a rate limit service is a cluster of the file', async () => {
    const limit = `{ "@type": ${FILTERS}.http.ratelimit.v3.RateLimit, domain: d, rate_limit_service: { grpc_service: {`
      + ' envoy_grpc: { cluster_name: limts } } } }';
    const filters = `[{ name: l, typed_config: ${limit} },`
      + ` { name: r, typed_config: { "@type": ${FILTERS}.http.router.v3.Router } }]`;
    const manager = `{ "@type": ${FILTERS}.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: s,`
      + ` route_config: {}, http_filters: ${filters} }`;
    const [fault] = await faults('static_resources: { clusters: [{ name: limits, load_assignment: {'
      + ' cluster_name: limits } }], listeners: [{ address: {'
      + ' socket_address: { address: 127.0.0.1, port_value: 1 } }, filter_chains: [{ filters: [{ name: h,'
      + ` typed_config: ${manager} }] }] }] }\n`);
    assert.match(fault!, /http_filters\[0\].*\.cluster_name: there is no cluster 'limts' .*did you mean 'limits'\?$/);
  });

  test('what is not one document, or none, or no YAML is said so', async () => {
    assert.deepEqual(await faults('# nothing\n'), ['b.yaml: is empty; a bootstrap is needed']);
    assert.deepEqual(await faults('node: {}\n---\nnode: {}\n'), ['b.yaml:3:1: a bootstrap is one document']);
    assert.deepEqual(await faults('- 1\n'), ['b.yaml:1:1: must be an object, is a list']);
    assert.match((await faults('a: b: c\n'))[0]!, /^b\.yaml:1:/);
    await assert.rejects(loadBootstrap(join(folder, 'none.yaml')), /none\.yaml: there is no such file$/);
  });

  test('warnings name the place and say what holds instead', async () => {
    const file = join(folder, 'w.yaml');
    await writeFile(file, 'layered_runtime:\n  layers: [{ name: a, static_layer: { x: 1 } }]\n');
    assert.deepEqual((await loadBootstrap(file)).warnings,
      [`${file}:1:1: layered_runtime: is ignored: there is no runtime; default values always hold`]);
  });

  test('names that must exist are looked for', async () => {
    const router = '{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }';
    const manager = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
    const tls = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
    const eds = '{ name: b, type: EDS, eds_cluster_config: { eds_config: { ads: {} } } }';
    const lines = await faults(`
dynamic_resources:
  lds_config: { api_config_source: { api_type: DELTA_GRPC, grpc_services: [{ envoy_grpc: { cluster_name: xds } }] } }
static_resources:
  clusters:
    - { name: reviews, load_assignment: { cluster_name: a } }
    - { name: reviews, load_assignment: { cluster_name: a } }
    - ${eds}
  listeners:
    - address: { socket_address: { address: ::1, port_value: 1 } }
      filter_chains:
        - transport_socket:
            name: tls
            typed_config:
              "@type": ${tls}
              common_tls_context: { tls_certificate_sds_secret_configs: [{ name: mine }] }
          filters:
            - name: hcm
              typed_config:
                "@type": type.googleapis.com/${manager}
                stat_prefix: a
                http_filters: [{ name: r, typed_config: ${router} }]
                route_config:
                  virtual_hosts:
                    - name: v
                      domains: ["*"]
                      routes: [{ match: { prefix: / }, route: { cluster: reviws } }]
`);
    assert.deepEqual(lines.map((line) => line.replace(/^b\.yaml:\d+:\d+: /, '')), [
      'static_resources.clusters[1].name: \'reviews\' is used twice',
      'static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0]'
      + '.route.cluster: there is no cluster \'reviws\' in static_resources; did you mean \'reviews\'?',
      'static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context'
      + '.tls_certificate_sds_secret_configs[0].name: there is no secret \'mine\' in static_resources',
      'static_resources.clusters[2].eds_cluster_config.eds_config.ads: needs dynamic_resources.ads_config',
      'dynamic_resources.lds_config.api_config_source.grpc_services[0].envoy_grpc.cluster_name: there is no cluster '
      + '\'xds\' in static_resources',
    ]);
    assert.match(lines[0]!, /^b\.yaml:7:9: /);
  });
});

test('the JSON Schema of the bootstrap is self-contained and describes every field', () => {
  const schema = bootstrapJsonSchema();
  const definitions = schema['$defs'] as Record<string, { properties: Record<string, { description?: string }> }>;
  const text = JSON.stringify(schema);
  for (const [, name = ''] of text.matchAll(/"#\/\$defs\/([^"]+)"/g)) {
    assert.ok(decodeURIComponent(name) in definitions, name);
  }
  for (const [name, { properties }] of Object.entries(definitions)) {
    for (const [field, { description }] of Object.entries(properties)) {
      if (field !== '@type') assert.ok((description ?? '').length > 3, `${name}.${field}`);
    }
  }
  assert.ok('typed_extension_protocol_options' in definitions['envoy.config.cluster.v3.Cluster']!.properties);
});
