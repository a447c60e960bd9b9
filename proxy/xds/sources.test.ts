// Sources other than ADS: secrets over streams of their own, of both variants (peer: grpc-js with @grpc/proto-loader).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawXdsServer } from '../../test/harness/raw-xds.ts';
import type { Raw, RawAny } from '../../test/harness/raw-xds.ts';
import { until } from '../../test/harness/until.ts';
import { FakeProxy, xds, xdsCluster } from '../../test/harness/xds-client-fixture.ts';
import { SECRET_TYPE, UPSTREAM_TLS_TYPE } from '../config/type-url.ts';

function tlsCluster(name: string, secret: string, apiType: string, clusterName: string): Raw {
  const sdsConfig = { apiConfigSource: { apiType, grpcServices: [{ envoyGrpc: { clusterName } }] } };
  const commonTlsContext = { tlsCertificateSdsSecretConfigs: [{ name: secret, sdsConfig }] };
  const typedConfig = { '@type': UPSTREAM_TLS_TYPE, commonTlsContext };
  const address = { socketAddress: { address: '127.0.0.1', portValue: 1 } };
  return {
    name, loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }] },
    transportSocket: { name: 'tls', typedConfig },
  };
}

const secret = (name: string): RawAny => xds.any('envoy.extensions.transport_sockets.tls.v3.Secret', {
  name, validation_context: { trusted_ca: { inline_string: 'PEM' } },
});

test('F23 secrets come over streams of their own, of both variants, and stay when they are deleted', async (t) => {
  const server = new RawXdsServer(xds);
  await server.listen();
  const proxy = new FakeProxy(server.port, {
    ownSecrets: ['default'],
    extra: {
      clusters: [
        xdsCluster('xds', server.port), xdsCluster('sds', server.port),
        tlsCluster('one', 'by-delta', 'DELTA_GRPC', 'sds'), tlsCluster('two', 'by-sotw', 'GRPC', 'sds'),
        tlsCluster('three', 'default', 'GRPC', 'sds-grpc'),
      ],
    },
  });
  t.after(() => {
    proxy.config.stop();
    server.kill();
  });
  proxy.config.start();
  const streams = [await server.streams.next(), await server.streams.next()];
  const first = await Promise.all(streams.map((stream) => stream.requests.next()));
  const delta = streams[first.findIndex(({ type_url: type }) => type === SECRET_TYPE)]!;
  assert.deepEqual(first.find(({ type_url: type }) => type === SECRET_TYPE)?.resource_names_subscribe, ['by-delta']);
  await delta.answerTo(delta.sendResources('1', { 'by-delta': secret('by-delta') }));

  const call = await server.sotwStreams.next();
  const requests: Raw[] = [];
  call.on('data', (request: Raw) => requests.push(request));
  await until('a request', () => requests.length === 1);
  assert.deepEqual(requests[0]!['resource_names'], ['by-sotw']);
  call.write({ type_url: SECRET_TYPE, version_info: '5', nonce: 'x', resources: [secret('by-sotw')] });
  await until('a request', () => requests.length === 2);
  const { version_info: version, response_nonce: nonce, error_detail: error } = requests[1]!;
  assert.deepEqual([version, nonce, error], ['5', 'x', null]);
  const bad = { type_url: SECRET_TYPE, value: Buffer.from([0xff]) };
  call.write({ type_url: SECRET_TYPE, version_info: '6', nonce: 'y', resources: [bad] });
  await until('a request', () => requests.length === 3);
  assert.deepEqual([requests[2]!['version_info'], requests[2]!['response_nonce']], ['5', 'y']);
  assert.match((requests[2]!['error_detail'] as Raw)['message'] as string, /is not a valid/);
  assert.deepEqual(proxy.applied.toSorted(), ['sds +by-delta', 'sds +by-sotw']);
  // F23: a secret that the server deletes stays in force.
  await delta.answerTo(delta.sendResources('2', {}, ['by-delta'], SECRET_TYPE));
  assert.match(proxy.lines.join('\n'), /has no secret 'by-delta'; what is in force stays/);
  assert.equal(proxy.applied.length, 2);
});

test('a static resource with a source that cannot be used is told at once', () => {
  const extra = { clusters: [xdsCluster('xds', 1), tlsCluster('a', 'default', 'GRPC', 'sds-grpc')] };
  assert.throws(() => new FakeProxy(1, { extra }),
    /cluster a: static_resources: of sds-grpc this proxy answers nothing/);
});
