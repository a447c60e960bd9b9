// What may be written to disk of the configuration in force, and what comes back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from './decode.ts';
import { Cluster } from './cluster.ts';
import { modelOf, modelText } from './model-text.ts';
import { CLUSTER_TYPE } from './type-url.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

function cluster(name: string, fields: object = {}): { type: typeof CLUSTER_TYPE; name: string; version: string;
  resource: unknown } {
  const { value, errors } = decode(Cluster, { name, type: 'STATIC', connect_timeout: '1s', ...fields });
  assert.deepEqual(errors, []);
  return { type: CLUSTER_TYPE, name, version: '7', resource: value };
}

test('F01 resources come back as they were', () => {
  const one = cluster('one', { metadata: { filter_metadata: { a: { some_key: [1, null, 'x'] } } } });
  const { text, withheld } = modelText([one]);
  assert.deepEqual(withheld, []);
  assert.deepEqual(modelOf(text), [one]);
});

test('S60 F01 a resource that holds a key is withheld, by name', () => {
  const tls = {
    '@type': TLS,
    common_tls_context: {
      tls_certificates: [{ certificate_chain: { inline_string: 'CHAIN' }, private_key: { inline_string: 'KEY' } }],
    },
  };
  const { text, withheld } = modelText([
    cluster('open'), cluster('secured', { transport_socket: { name: 'tls', typed_config: tls } }),
  ]);
  assert.deepEqual(withheld, ['secured']);
  assert.equal(text.includes('KEY'), false);
  assert.deepEqual(modelOf(text).map(({ name }) => name), ['open']);
});

test('F18 what another version has written and this one does not understand is refused as a whole', () => {
  const text = (entry: unknown): string => JSON.stringify([cluster('one'), entry]);
  assert.throws(() => modelOf(text({ type: 'type.googleapis.com/newer', name: 'x' })), /\[1\]: is no resource of/);
  assert.throws(() => modelOf(text({ ...cluster('two'), resource: { name: 'two', type: 'WARP' } })), /two: .*WARP/);
  assert.throws(() => modelOf(text(null)), /\[1\]/);
  for (const bad of ['{', '{}', '"x"', '']) assert.throws(() => modelOf(bad));
});
