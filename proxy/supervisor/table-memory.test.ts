// Route tables that come again: what of them is decoded, and that nobody can tell from the outcome.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TableCodec } from '../../control/push/table-codec.ts';
import { SeededRandom } from '../base/random.ts';
import { systemClock } from '../base/clock.ts';
import type { RouteConfiguration, VirtualHost } from '../config/route.ts';
import { ROUTE_TYPE } from '../config/type-url.ts';
import { Wire } from '../config/wire.ts';
import { decodeResponse } from '../xds/resource-decode.ts';
import type { DecodedResponse, DecodeResponse } from '../xds/resource-decode.ts';
import { TableMemory } from './table-memory.ts';
import { splitTable } from './table-split.ts';

const wire = new Wire(assert.fail);
const codec = new TableCodec(wire);

const host = (name: string): VirtualHost => (
  { name, domains: [name], routes: [{ match: { prefix: '/' }, route: { cluster: name, timeout: '3s' } }] });
const hosts = (count: number): VirtualHost[] => Array.from({ length: count }, (_, i) => host(`h${i}.example`));

function responseOf(...tables: readonly RouteConfiguration[]): Parameters<DecodeResponse>[0] {
  const resources = tables.map((table) => (
    { name: table.name ?? '', version: '1', typeUrl: ROUTE_TYPE, value: codec.encode(table) }));
  return { type: ROUTE_TYPE, resources };
}

/** Counts the virtual hosts that are decoded. */
function remembering(): { decode: DecodeResponse; decoded: () => number; memory: TableMemory } {
  let count = 0;
  const memory = new TableMemory(async (response) => {
    for (const { value } of response.resources) count += splitTable(value, 0)?.hosts.length ?? 0;
    return decodeResponse({ wire, clock: systemClock }, response);
  }, systemClock);
  const decoded = (): number => {
    const now = count;
    count = 0;
    return now;
  };
  return { decode: (response) => memory.decode(response), decoded, memory };
}

const tableOf = ({ updated }: DecodedResponse): RouteConfiguration => updated[0]?.resource as RouteConfiguration;

test('of a table that comes again with one virtual host more that one is decoded', async () => {
  const { decode, decoded } = remembering();
  const before = tableOf(await decode(responseOf({ name: 'r', virtualHosts: hosts(1000) })));
  assert.equal(decoded(), 1000);
  const virtualHosts = hosts(1000).toSpliced(500, 0, host('new.example'));
  const after = tableOf(await decode(responseOf({ name: 'r', virtualHosts })));
  assert.equal(decoded(), 1);
  assert.deepEqual(after.virtualHosts, virtualHosts);
  const known = new Set(before.virtualHosts);
  assert.deepEqual(after.virtualHosts?.filter((one) => !known.has(one)).map(({ name }) => name), ['new.example']);
});

test('S103 a fault in a new virtual host is refused with its place in the whole table', async () => {
  const { decode, decoded } = remembering();
  await decode(responseOf({ name: 'r', virtualHosts: hosts(200) }));
  const bad: VirtualHost = { name: 'bad', domains: [], routes: [] };
  const { updated, refused } = await decode(responseOf({ name: 'r', virtualHosts: [...hosts(200), bad] }));
  assert.deepEqual(updated, []);
  assert.match(refused[0]?.reason ?? '', /virtualHosts\[200\]/);
  decoded();
  await decode(responseOf({ name: 'r', virtualHosts: [host('x.example'), ...hosts(200)] }));
  assert.equal(decoded(), 1);
});

test('tables that change at random are decoded as without a memory', async () => {
  const seed = Number(process.env['SEED'] ?? Math.trunc(performance.now() * 1000));
  const random = new SeededRandom(seed);
  const draw = (below: number): number => Math.trunc(random.float() * below);
  const { decode, decoded } = remembering();
  const names = ['one', 'two', 'small'];
  const tables = new Map(names.map((name) => [name, hosts(name === 'small' ? 3 : 150)]));
  let all = 0;
  for (let i = 0; i < 40; i++) {
    const list = tables.get(names[draw(3)]!)!;
    for (let k = draw(4); k > 0; k--) list.splice(draw(list.length + 1), draw(2), host(`n${i}-${k}.example`));
    if (draw(3) === 0) list.splice(draw(list.length), 2);
    const sent = [...tables].filter(() => draw(2) === 0).map(([name, virtualHosts]) => (
      { name, virtualHosts: [...virtualHosts], ignorePortInHostMatching: draw(2) === 0 }));
    const response = responseOf(...sent);
    const expected = await decodeResponse({ wire, clock: systemClock }, response);
    assert.deepEqual(await decode(response), expected, `seed ${seed}`);
    all += sent.reduce((sum, { virtualHosts }) => sum + virtualHosts.length, 0);
  }
  assert.ok(decoded() < all / 2, `seed ${seed}`);
});

test('no more than 100,000 virtual hosts are remembered: the table that came first goes first', async () => {
  const { decode, decoded, memory } = remembering();
  const virtualHosts = hosts(30_000);
  const tables = ['a', 'b', 'c', 'd'].map((name) => ({ name, virtualHosts }));
  for (const table of tables) await decode(responseOf(table));
  assert.equal(memory.size, 90_000);
  decoded();
  for (const table of [tables[3]!, tables[0]!]) await decode(responseOf(table));
  assert.equal(decoded(), 30_000);
});

test('bytes that are no message are left to the decoder, wherever they end', () => {
  const bytes = codec.encode({ name: 'r', virtualHosts: hosts(3), ignorePortInHostMatching: true });
  const whole = splitTable(bytes, 1);
  assert.deepEqual([whole?.name, whole?.hosts.length], ['r', 3]);
  assert.deepEqual(Buffer.concat([...whole!.rest, ...whole!.hosts]).length, bytes.length);
  assert.equal(splitTable(bytes, 4), undefined);
  for (let end = 0; end < bytes.length; end++) {
    const parts = splitTable(bytes.subarray(0, end), 0);
    assert.ok(parts === undefined || parts.hosts.length <= 3);
  }
  for (const odd of [[0x13], [0x14], [0x12, 0x80], [0x12, ...Array(12).fill(0xff)], [0x0f, 1], [0x12, 5, 1]]) {
    assert.equal(splitTable(Buffer.from(odd), 0), undefined);
  }
});
