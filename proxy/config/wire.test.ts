// Wire against its promises: proto3 JSON both ways, hostile bytes (S92), foreign keys (S90), newer peers' fields.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { loadSync } from '@grpc/proto-loader';
import type { MessageTypeDefinition } from '@grpc/proto-loader';
import { harden } from '../base/harden.ts';
import { RESOURCES } from './any-registry.ts';
import { decode } from './decode.ts';
import type { Schema } from './schema.ts';
import { Wire } from './wire.ts';
import type { JsonMessage } from './wire.ts';
import { loadSchema } from './wire-schema.ts';

const types = loadSchema();
const wire = new Wire(undefined, types);
const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const ANY = 'type.googleapis.com/';

const listener: JsonMessage = {
  '@type': `${ANY}envoy.config.listener.v3.Listener`,
  name: 'inbound',
  address: { socketAddress: { address: '0.0.0.0', portValue: 15006 } },
  trafficDirection: 'INBOUND',
  filterChains: [{
    filterChainMatch: { destinationPort: 9080, transportProtocol: 'tls', applicationProtocols: ['istio', 'h2'] },
    transportSocket: {
      name: 'tls',
      typedConfig: {
        '@type': `${ANY}envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext`,
        commonTlsContext: { tlsCertificateSdsSecretConfigs: [{ name: 'default', sdsConfig: { ads: {} } }] },
        requireClientCertificate: true,
      },
    },
    filters: [{
      name: 'http',
      typedConfig: {
        '@type': `${ANY}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
        statPrefix: 'in',
        streamIdleTimeout: '0s',
        routeConfig: {
          virtualHosts: [{
            name: 'all',
            domains: ['*'],
            routes: [{
              match: { prefix: '/', headers: [{ name: 'end-user', stringMatch: { exact: 'jason' } }] },
              route: {
                weightedClusters: { clusters: [{ name: 'v1', weight: 1 }, { name: 'v3', weight: 99 }] },
                timeout: '1.500s',
                retryPolicy: { retryOn: '5xx', numRetries: 2, retriableStatusCodes: [500, 503] },
              },
            }],
          }],
        },
        httpFilters: [
          {
            name: 'fault',
            typedConfig: {
              '@type': `${ANY}envoy.extensions.filters.http.fault.v3.HTTPFault`,
              delay: { fixedDelay: '7s', percentage: { numerator: 100, denominator: 'MILLION' } },
            },
          },
          { name: 'stats', typedConfig: { '@type': `${ANY}stats.PluginConfig`, disableHostHeaderFallback: true } },
          { name: 'router', typedConfig: { '@type': `${ANY}envoy.extensions.filters.http.router.v3.Router` } },
        ],
      },
    }],
  }],
};

const cluster: JsonMessage = {
  '@type': `${ANY}${CLUSTER}`,
  name: 'outbound|9080||reviews',
  type: 'EDS',
  edsClusterConfig: { edsConfig: { ads: {}, initialFetchTimeout: '0s' }, serviceName: 'reviews' },
  connectTimeout: '0.250s',
  circuitBreakers: { thresholds: [{ maxConnections: 4_294_967_295 }] },
  outlierDetection: { consecutive5xx: 3, enforcingConsecutive5xx: 0 },
  commonLbConfig: { healthyPanicThreshold: { value: 0.5 } },
  metadata: { filterMetadata: { istio: { services: [{ host: 'reviews', ok: true, none: null, weight: 1.5 }] } } },
};

/** Plain copies, so that maps without prototype compare with literals. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** Sends it through the wire and sorts keys, which protobuf does not keep in order. */
function roundTrip(json: JsonMessage): unknown {
  return plain(wire.decodeAny(wire.encodeAny(json)));
}

/** A field of length-delimited bytes. */
function field(number: number, ...parts: readonly (Uint8Array | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  return Buffer.concat([varint((number << 3) | 2), varint(body.length), body]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

test('resources come back as they were, with nested Any, enums, durations and wrappers', () => {
  assert.deepEqual(roundTrip(listener), plain(listener));
  assert.deepEqual(roundTrip(cluster), plain(cluster));
});

test('what the wire gives is what the validator takes', () => {
  for (const json of [cluster, listener]) {
    const schema = RESOURCES[json['@type'] as keyof typeof RESOURCES] as Schema;
    const { '@type': _type, ...fields } = wire.decodeAny(wire.encodeAny(json));
    const { errors } = decode(schema, fields);
    assert.deepEqual(errors.filter(({ reason }) => /unknown field|must be/.test(reason)), []);
  }
});

test('every message of the model is in the protobuf schema, with every field', () => {
  const seen = new Set<Schema>();
  const missing: string[] = [];
  const visit = (schema: Schema): void => {
    if (seen.has(schema)) return;
    seen.add(schema);
    const node = schema['~node'];
    if (node.kind === 'list') visit(node.item);
    if (node.kind === 'map') visit(node.value);
    if (node.kind === 'recursive') visit(node.target());
    if (node.kind === 'any') for (const message of node.messages.values()) visit(message);
    if (node.kind !== 'message') return;
    const known = new Set(types.get(node.name)?.fieldsArray.map(({ jsonName }) => jsonName));
    for (const [key, { schema: inner }] of node.fields) {
      if (!known.has(key)) missing.push(`${node.name}.${key}`);
      visit(inner);
    }
  };
  for (const schema of Object.values(RESOURCES)) visit(schema as Schema);
  assert.deepEqual(missing, []);
});

test('bytes are read by an independent decoder: @grpc/proto-loader with the original .proto files', () => {
  const deps = fileURLToPath(new URL('../../node_modules/@grpc/grpc-js-xds/deps/', import.meta.url));
  const includeDirs = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((name) => `${deps}${name}`);
  const options = { includeDirs, keepCase: false, longs: Number, enums: String };
  const definition = loadSync(['envoy/config/cluster/v3/cluster.proto'], options);
  const type = definition[CLUSTER] as MessageTypeDefinition<object, object>;
  const { value } = wire.encodeAny(cluster);
  const read = plain(type.deserialize(value)) as Record<string, Record<string, unknown>>;
  assert.equal(read['name'], 'outbound|9080||reviews');
  assert.equal(read['type'], 'EDS');
  assert.deepEqual(read['connectTimeout'], { nanos: 250_000_000 });
  assert.deepEqual(read['outlierDetection'], { consecutive_5xx: { value: 3 }, enforcingConsecutive_5xx: {} });
  const { '@type': _type, ...fields } = cluster;
  assert.deepEqual(plain(wire.decode(CLUSTER, type.serialize(type.deserialize(value)))), plain(fields));
});

test('equal values make equal bytes whatever the order of keys in maps', () => {
  const one = wire.encode('google.protobuf.Struct', { a: 1, b: { x: [1, 2], y: null } });
  const other = wire.encode('google.protobuf.Struct', { b: { y: null, x: [1, 2] }, a: 1 });
  assert.deepEqual(one, other);
});

test('numbers: 64-bit integers stay exact, floats short, and what JSON cannot say is text', () => {
  const back = (name: string, value: unknown): unknown => {
    const type = `google.protobuf.${name}`;
    return wire.decode(type, wire.encode(type, value));
  };
  assert.deepEqual(back('ListValue', [1.25]), [1.25]);
  assert.equal(back('UInt64Value', 9_007_199_254_740_991), 9_007_199_254_740_991);
  assert.equal(back('UInt64Value', '18446744073709551615'), '18446744073709551615');
  assert.equal(back('Int64Value', '-9223372036854775808'), '-9223372036854775808');
  assert.equal(back('FloatValue', 0.1), 0.1);
  assert.equal(back('DoubleValue', 'Infinity'), 'Infinity');
  assert.throws(() => wire.encode('google.protobuf.UInt64Value', '18446744073709551616'), /out of the range of uint64/);
  assert.throws(() => wire.encode('google.protobuf.UInt32Value', 1.5), /must be a whole number/);
});

test('S92 an unknown type in an Any stays as bytes under its name', () => {
  const acme = `${ANY}acme.Secret`;
  const typedConfig = { '@type': acme, value: 'AAEC' };
  const json = { '@type': `${ANY}${CLUSTER}`, name: 'c', clusterType: { name: 'x', typedConfig } };
  assert.deepEqual(roundTrip(json), json);
  const opaque = wire.decode(CLUSTER, wire.encodeAny(json).value, 'opaque');
  assert.deepEqual(opaque['clusterType'], {
    name: 'x', typedConfig: { '@type': acme, value: Buffer.from([0, 1, 2]) },
  });
  assert.throws(() => wire.encodeAny({ ...json, clusterType: { typedConfig: { '@type': acme, a: 1 } } }),
    /clusterType\.typedConfig: 'type\.googleapis\.com\/acme\.Secret' is not in the schema/);
});

test('S92 fields of a newer peer are told once per message and number, and bounded', () => {
  const lines: string[] = [];
  const own = new Wire((line) => lines.push(line), types);
  const bytes = Buffer.concat([field(1, 'c'), field(5000, 'new'), field(5000, 'again')]);
  assert.deepEqual(own.decode(CLUSTER, bytes), { name: 'c' });
  own.decode(CLUSTER, bytes);
  assert.deepEqual(lines, [`${CLUSTER}: field 5000 is not known to this version and is ignored`]);
  for (let number = 6000; number < 8000; number++) own.decode(CLUSTER, field(number, ''));
  assert.equal(lines.length, 1000);
});

test('S92 a depth bomb is refused, through messages and through Any', () => {
  let value: Buffer = Buffer.alloc(0);
  for (let i = 0; i < 200; i++) value = field(6, field(1, value));
  assert.throws(() => wire.decode('google.protobuf.Value', value), /max depth|nested deeper/);
  let any: Buffer = Buffer.alloc(0);
  for (let i = 0; i < 200; i++) any = Buffer.concat([field(1, `${ANY}google.protobuf.Any`), field(2, any)]);
  assert.throws(() => wire.decode('google.protobuf.Any', any), /nested deeper than 100/);
  let json: unknown = 1;
  for (let i = 0; i < 200; i++) json = [json];
  assert.throws(() => wire.encode('google.protobuf.Value', json), /nested deeper than 100/);
});

test('S92 lengths beyond the end, varints beyond 64 bits and broken UTF-8 are refused, not read', () => {
  const cases: readonly (readonly [string, Buffer])[] = [
    ['a length of 2 GiB', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07])],
    ['a length over the end', Buffer.from([0x0a, 0x05, 0x61])],
    ['a varint of eleven bytes', Buffer.from([0x10, ...new Array<number>(10).fill(0xff), 0x01])],
    ['field number 0', Buffer.from([0x02, 0x00])],
    ['a group that does not end', Buffer.from([0x0b, 0x0a, 0x00])],
    ['text that is no UTF-8', Buffer.from([0x0a, 0x02, 0xc3, 0x28])],
    ['cut in a nested message', field(1, 'c').subarray(0, 2)],
  ];
  for (const [what, bytes] of cases) {
    assert.throws(() => wire.decode(CLUSTER, bytes), { name: 'ConfigError', message: /is not a valid envoy/ }, what);
  }
});

test('S92 every cut of a message is refused or read, never thrown as anything but a ConfigError', () => {
  const { value } = wire.encodeAny(listener);
  for (let end = 0; end < value.length; end++) {
    try {
      wire.decode('envoy.config.listener.v3.Listener', value.subarray(0, end));
    } catch (cause) {
      assert.equal((cause as Error).name, 'ConfigError', `cut at ${end}: ${String(cause)}`);
    }
  }
});

test('S92 an enum number that is not known stays a number; of a oneof the last wins', () => {
  const bytes = Buffer.from([0x10, 0x63]);
  assert.deepEqual(wire.decode(CLUSTER, bytes), { type: 99 });
  const both = Buffer.concat([Buffer.from([0x10, 0x03]), field(38, field(1, 'x'))]);
  assert.deepEqual(plain(wire.decode(CLUSTER, both)), { clusterType: { name: 'x' } });
  const two = { type: 'EDS', clusterType: { name: 'x' } };
  assert.throws(() => wire.encode(CLUSTER, two), /clusterType: cannot be set together with type/);
});

test('S90 map keys of the prototype are ordinary keys', () => {
  harden();
  const text = '{"__proto__":{"polluted":true},"constructor":1,"toString":"x"}';
  const decoded = wire.decode('google.protobuf.Struct', wire.encode('google.protobuf.Struct', JSON.parse(text)));
  assert.equal(Object.getPrototypeOf(decoded), null);
  assert.deepEqual(Object.keys(decoded).toSorted(), ['__proto__', 'constructor', 'toString']);
  assert.equal(JSON.stringify(decoded), text);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('errors say the field', () => {
  const cases: readonly (readonly [JsonMessage, RegExp])[] = [
    [{ name: 3 }, /^name: must be a text, is 3$/],
    [{ nam: 'x' }, /^nam: is no field of envoy\.config\.cluster\.v3\.Cluster$/],
    [{ type: 'EDSS' }, /^type: must be a name of .*DiscoveryType, is "EDSS"$/],
    [{ connectTimeout: '5' }, /^connectTimeout: is no duration: "5"$/],
    [{ circuitBreakers: { thresholds: [{ maxConnections: -1 }] } },
      /^circuitBreakers\.thresholds\[0\]\.maxConnections: is out of the range/],
    [{ circuitBreakers: { thresholds: {} } }, /^circuitBreakers\.thresholds: must be a list$/],
    [{ respectDnsTtl: 1 }, /^respectDnsTtl: must be true or false/],
    [{ metadata: [] }, /^metadata: must be an object/],
  ];
  for (const [json, message] of cases) {
    assert.throws(() => wire.encode(CLUSTER, json), { name: 'ConfigError', message });
  }
  assert.throws(() => wire.decode('acme.Unknown', Buffer.alloc(0)), /'acme\.Unknown' is not in the schema/);
  assert.throws(() => loadSchema('/nowhere/schema.json'), /schema of xDS cannot be read .* "npm ci" makes it/);
});
