// What a real istiod (1.31, all its own filters on) sent a sidecar, recorded: each of its kinds of listeners, clusters
// and routes is taken as it comes by protobuf, and what is left out is named.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { RESOURCES } from '../../proxy/config/any-registry.ts';
import { decode } from '../../proxy/config/decode.ts';
import type { Schema } from '../../proxy/config/schema.ts';
import { Wire } from '../../proxy/config/wire.ts';
import type { JsonMessage } from '../../proxy/config/wire.ts';

const RECORDED = JSON.parse(
  readFileSync(new URL('../harness/istiod-resources.json', import.meta.url), 'utf8')) as JsonMessage[];

/** Fields and filters without which requests end the same. */
const LEFT_OUT = [
  'envoy.config.core.v3.ApiConfigSource.set_node_on_first_message_only',
  'envoy.config.listener.v3.Listener.access_log',
  'envoy.config.listener.v3.Listener.max_connections_to_accept_per_socket_event',
  'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector.initial_read_buffer_size',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.proxy_100_continue',
  'io.istio.http.peer_metadata.Config.DiscoveryMethod.workload_discovery',
  'network filter/envoy.tcp.metadataexchange.config.MetadataExchange',
  'network filter/stats.PluginConfig',
  'upstream network filter/envoy.tcp.metadataexchange.config.MetadataExchange',
];

test('S92 what a real istiod sends is taken by protobuf, and what is left out is named', () => {
  const unknown: string[] = [];
  const wire = new Wire((line) => unknown.push(line));
  const leftOut = new Set<string>();
  assert.ok(RECORDED.length >= 9);
  for (const recorded of RECORDED) {
    const { '@type': type, ...fields } = wire.decodeAny(wire.encodeAny(recorded));
    const { errors, warnings } = decode(RESOURCES[type as keyof typeof RESOURCES] as Schema, fields);
    assert.deepEqual(errors.map(String), [], String(recorded['name']));
    for (const { key } of warnings) leftOut.add(key);
  }
  assert.deepEqual([...leftOut].toSorted(), LEFT_OUT);
  assert.deepEqual(unknown, []);
});
