// A table that is encoded by its hosts says what it says when it is encoded whole (peer: protobufjs, by wire.ts).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouteConfiguration } from '../../proxy/config/route.ts';
import { Wire } from '../../proxy/config/wire.ts';
import { TableCodec } from './table-codec.ts';

const TABLE = 'envoy.config.route.v3.RouteConfiguration';

test('a table by its hosts decodes to what it was, whatever their lengths', () => {
  const wire = new Wire();
  const codec = new TableCodec(wire);
  for (const length of [0, 1, 100, 113, 114, 127, 128, 300, 16_383, 16_384, 40_000]) {
    const table: RouteConfiguration = {
      name: 'r', validateClusters: false,
      virtualHosts: ['a', 'b'].map((name) => ({ name, domains: [`${'x'.repeat(length)}.${name}`] })),
    };
    assert.deepEqual(wire.decode(TABLE, codec.encode(table)), wire.decode(TABLE, wire.encode(TABLE, table)));
  }
  const table = { name: 'r', virtualHosts: [] };
  assert.deepEqual(codec.encode(table), wire.encode(TABLE, table));
});

test('what cannot be encoded is told when the table is', () => {
  const codec = new TableCodec(new Wire());
  const host = { name: 'a', domains: ['*'], nonsense: 1 };
  assert.equal(codec.prepare(host), false);
  assert.throws(() => codec.encode({ virtualHosts: [host] }), /nonsense/);
});
