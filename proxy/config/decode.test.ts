// The decoder: both spellings, errors with paths and near names, what is not honoured, hostile input.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { parse } from 'yaml';
import { AccessLog } from './access-log.ts';
import { Bootstrap } from './bootstrap.ts';
import { Cluster } from './cluster.ts';
import { decode } from './decode.ts';
import { HeaderMatcher } from './header-matcher.ts';
import { HttpFilter } from './http-connection-manager.ts';
import { FilterChain, Listener, NetworkFilter } from './listener.ts';
import { Permission } from './rbac.ts';
import { RouteConfiguration } from './route.ts';
import { bool, string, struct, uint32 } from './scalar.ts';
import { any, atMostOne, exactlyOne, list, map, message, optional, recursive, Refusal, required } from './schema.ts';
import type { Schema, Static } from './schema.ts';

const GOOGLE = 'type.googleapis.com/';

/** Envoy's extensions that run somebody's program inside the proxy. */
const CODE_FROM_ELSEWHERE = [
  ['HTTP filter', HttpFilter, [
    'envoy.extensions.filters.http.lua.v3.Lua', 'envoy.extensions.filters.http.wasm.v3.Wasm',
    'envoy.extensions.filters.http.golang.v3alpha.Config',
    'envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter',
  ]],
  ['network filter', NetworkFilter, [
    'envoy.extensions.filters.network.wasm.v3.Wasm', 'envoy.extensions.filters.network.golang.v3alpha.Config',
    'envoy.extensions.filters.network.dynamic_modules.v3.DynamicModuleNetworkFilter',
  ]],
  ['access log', AccessLog, ['envoy.extensions.access_loggers.wasm.v3.WasmAccessLog']],
] as const;

const SIDECAR = new URL('../../test/interop/bootstraps/sidecar.yaml', import.meta.url);

const Leaf = message('test.Leaf', {
  firstName: required(string({ minLength: 1 }), 'First name.'),
  size10: optional(uint32(), 'A number.', 'size_10'),
  either: optional(bool(), 'One of two.'),
  orElse: optional(bool(), 'The other.'),
}, {
  warned: { 'it is only for show': ['show_only'] },
  refused: { 'it would be dangerous': ['danger_zone'] },
  legacy: { oldName: optional(string(), 'first_name') },
  fold: (value, { oldName }) => {
    if (oldName !== undefined) value.size10 = oldName.length;
    return undefined;
  },
  oneOf: [atMostOne('either', 'or_else')],
  check: ({ size10 = 0 }) => (size10 > 9 ? new Refusal('is too much', ['size10']) : undefined),
});
interface Leaf extends Static<typeof Leaf> {}

const Tree = message('test.Tree', {
  leaves: optional(list(Leaf, { max: 3 }), 'Leaves.'),
  byName: optional(map(Leaf), 'Leaves by name.'),
  notThis: optional(recursive<Tree>((): Schema => Tree), 'A tree.'),
  pick: optional(string(), 'Picked.'),
  otherPick: optional(string(), 'Picked.'),
}, { oneOf: [exactlyOne('pick', 'other_pick')] });
interface Tree extends Static<typeof Tree> {}

function messages(schema: Schema, input: unknown, path?: string): string[] {
  return decode(schema, input, path).errors.map((error) => error.message);
}

describe('spelling', () => {
  test('snake_case, camelCase and a mixture decode to the same camelCase value', () => {
    const expected: Leaf = { firstName: 'a', size10: 3, orElse: true };
    for (const input of [
      { first_name: 'a', size_10: 3, or_else: true },
      { firstName: 'a', size10: 3, orElse: true },
      { first_name: 'a', size10: '3', orElse: true },
    ]) assert.deepEqual(decode(Leaf, input).value, expected);
  });

  test('keys of maps and of free-form objects stay as they are', () => {
    const { value } = decode(Tree, { pick: '', by_name: { snake_key: { first_name: 'x' } } });
    assert.deepEqual(Object.keys(value?.byName ?? {}), ['snake_key']);
    const free = decode(struct(), { snake_key: { other_key: 1 } });
    assert.deepEqual(JSON.stringify(free.value), '{"snake_key":{"other_key":1}}');
  });

  test('one field in both spellings is an error', () => {
    assert.deepEqual(messages(Leaf, { first_name: 'a', firstName: 'b' }),
      ['firstName: is given twice, also as first_name']);
  });
});

describe('errors', () => {
  test('an unknown field is named with the nearest name in the spelling of its neighbours', () => {
    assert.deepEqual(messages(Leaf, { first_name: 'a', first_nam: 'b' }),
      ['first_nam: unknown field of test.Leaf; did you mean \'first_name\'?']);
    assert.deepEqual(messages(Leaf, { firstName: 'a', orEsle: true }),
      ['orEsle: unknown field of test.Leaf; did you mean \'orElse\'?']);
  });

  test('an unknown field that is near to nothing lists what there is', () => {
    assert.deepEqual(messages(Leaf, { first_name: 'a', zzzzzz: 1 }),
      ['zzzzzz: unknown field of test.Leaf; known: first_name, size_10, either, or_else']);
  });

  test('paths have the writer\'s spelling, indices and quoted map keys, below the given path', () => {
    const input = { pick: 'x', byName: { 'a.b': { first_name: 1 } }, leaves: [{ first_name: 'a' }, { firstName: '' }] };
    assert.deepEqual(messages(Tree, input, 'clusters["x"]'), [
      'clusters["x"].byName["a.b"].first_name: must be text; a number must be quoted',
      'clusters["x"].leaves[1].firstName: must not be empty',
    ]);
  });

  test('all errors are reported, a missing field once and with what it is for', () => {
    assert.deepEqual(messages(Tree, { leaves: [{ or_else: 1, size_10: -1 }] }), [
      'leaves[0].or_else: must be true or false, is 1',
      'leaves[0].size_10: must be at least 0, is -1',
      'leaves[0]: needs first_name (First name)',
      'needs one of pick, other_pick',
    ]);
  });

  test('rules over several fields name the field as it was written', () => {
    assert.deepEqual(messages(Leaf, { first_name: 'a', size_10: 10 }), ['size_10: is too much']);
    assert.deepEqual(messages(Leaf, { firstName: 'a', size10: 10 }), ['size10: is too much']);
    assert.deepEqual(messages(Leaf, { first_name: 'a', either: false, or_else: true }),
      ['must have only one of either, or_else']);
  });

  test('lists know their bounds and single values are no lists', () => {
    const leaf = { first_name: 'a' };
    assert.deepEqual(messages(Tree, { pick: '', leaves: [leaf, leaf, leaf, leaf] }),
      ['leaves: must have at most 3 entries, has 4']);
    assert.deepEqual(messages(Tree, { pick: '', leaves: leaf }), ['leaves: must be a list, is an object']);
    assert.deepEqual(messages(Tree, { pick: '', by_name: [leaf] }), ['by_name: must be an object, is a list']);
    assert.deepEqual(messages(Tree, null), ['must be an object, is null']);
  });

  test('where: the place of each error comes from locate', () => {
    const decoded = decode(Leaf, { first_name: 'a', size_10: 'x' }, '', (path) => `f.yaml:${path.length}:1`);
    assert.equal(decoded.errors[0]?.message, 'f.yaml:1:1: size_10: must be a whole number, is \'x\'');
    assert.equal(decoded.errors[0]?.path, 'size_10');
  });

  test('S92 the number of errors is bounded', () => {
    const leaves = Array.from({ length: 1000 }, () => 1);
    const found = messages(list(Leaf), leaves);
    assert.equal(found.length, 51);
    assert.match(found.at(-1)!, /further errors are left out/);
  });

  test('S92 a part that fails after the last error that is told is not judged any more', () => {
    const Part = message('test.Part', { inner: required(Leaf, 'A leaf.') });
    const Whole = message('test.Whole', { parts: required(list(Part), 'Parts.') }, {
      check: ({ parts }) => (parts.every(({ inner }) => inner.firstName !== '') ? undefined : new Refusal('empty')),
    });
    const parts = Array.from({ length: 60 }, () => ({ inner: { danger_zone: 1 } }));
    assert.equal(messages(list(Whole), [{ parts }, { parts }]).length, 51);
  });
});

describe('fields that are not honoured', () => {
  test('a refused field is an error that says why', () => {
    assert.deepEqual(messages(Leaf, { first_name: 'a', danger_zone: {} }),
      ['danger_zone: is not supported: it would be dangerous']);
    assert.deepEqual(messages(Leaf, { first_name: 'a', dangerZone: 1 }),
      ['dangerZone: is not supported: it would be dangerous']);
  });

  test('a warned field is left out, with one warning however often it is there', () => {
    const input = [{ first_name: 'a', show_only: 1 }, { first_name: 'b', showOnly: {} }];
    const { value, warnings } = decode(list(Leaf), input);
    assert.deepEqual(value, [{ firstName: 'a' }, { firstName: 'b' }]);
    assert.deepEqual(warnings.map(String), ['[0].show_only: is ignored: it is only for show']);
    assert.equal(warnings[0]?.key, 'test.Leaf.show_only');
  });

  test('a default says the same as nothing', () => {
    for (const unset of [false, 0, '', null, [], '0s']) {
      const { value, warnings } = decode(Leaf, { first_name: 'a', danger_zone: unset, show_only: unset });
      assert.deepEqual([value, warnings.length], [{ firstName: 'a' }, 0]);
    }
  });

  test('an old spelling is folded into the current field', () => {
    assert.deepEqual(decode(Leaf, { first_name: 'a', old_name: 'four' }).value, { firstName: 'a', size10: 4 });
    assert.deepEqual(decode(HeaderMatcher, { name: 'x', exact_match: 'y' }).value,
      { name: 'x', stringMatch: { exact: 'y' } });
    assert.deepEqual(decode(HeaderMatcher, { name: 'x', prefixMatch: 'y' }).value,
      { name: 'x', stringMatch: { prefix: 'y' } });
  });

  test('deprecated protocol options of a cluster become typed ones', () => {
    const { value } = decode(Cluster, {
      name: 'a',
      load_assignment: { cluster_name: 'a' },
      http2_protocol_options: {},
      max_requests_per_connection: 7,
    });
    const options = value?.typedExtensionProtocolOptions?.['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'];
    assert.deepEqual(options, {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      commonHttpProtocolOptions: { maxRequestsPerConnection: 7 },
      explicitHttpConfig: { http2ProtocolOptions: {} },
    });
  });
});

const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

describe('Any', () => {
  test('fields stand beside @type and are decoded by it', () => {
    const typedConfig = { '@type': ROUTER, suppress_envoy_headers: true };
    assert.deepEqual(decode(HttpFilter, { name: 'router', typed_config: typedConfig }).value,
      { name: 'router', typedConfig: { '@type': ROUTER, suppressEnvoyHeaders: true } });
  });

  test('a TypedStruct is unwrapped, in both of its names', () => {
    for (const name of ['udpa.type.v1.TypedStruct', 'xds.type.v3.TypedStruct']) {
      const value = { suppress_envoy_headers: true };
      const typedConfig = { '@type': `type.googleapis.com/${name}`, type_url: ROUTER, value };
      assert.deepEqual(decode(HttpFilter, { name: 'router', typed_config: typedConfig }).value?.typedConfig,
        { '@type': ROUTER, suppressEnvoyHeaders: true });
    }
  });

  for (const [place, schema, types] of CODE_FROM_ELSEWHERE) {
    for (const type of types) {
      test(`S102 ${type.slice(type.lastIndexOf('.') + 1)}, code from elsewhere, is refused by name as ${place}`, () => {
        const typedConfig = { '@type': `${GOOGLE}${type}` };
        const [error = ''] = messages(schema as Schema<unknown>, { name: 'x', typed_config: typedConfig });
        assert.ok(error.startsWith(`typed_config: '${type}' is not supported as `), error);
      });
    }
  }

  test('an unknown type names the ones that are known there', () => {
    const [error] = messages(HttpFilter, { name: 'x', typed_config: { '@type': 'type.googleapis.com/x.Lua' } });
    assert.match(error!, /^typed_config: 'x\.Lua' is not supported as HTTP filter; supported: .*router\.v3\.Router/);
    const [near] = messages(HttpFilter, { name: 'x', typed_config: { '@type': 'type.googleapis.com/x.v3.Ruoter' } });
    assert.match(near!, /did you mean 'envoy\.extensions\.filters\.http\.router\.v3\.Router'/);
    assert.match(messages(HttpFilter, { name: 'x', typed_config: {} })[0]!, /needs '@type'/);
  });

  test('what may be left out is left out with what needs it, with a warning', () => {
    const part = required(any('leaf', [Leaf], { 'test.v3.Figures': 'no figures are kept' }), 'A leaf.');
    const Branch = message('test.Branch', { name: required(string(), 'Name.'), part });
    const figures = { '@type': 'type.googleapis.com/test.v3.Figures', x: 1 };
    const leaf = { '@type': 'type.googleapis.com/test.Leaf', first_name: 'a' };
    const { value, warnings } = decode(list(Branch), [{ name: 'b', part: figures }, { name: 'c', part: leaf }]);
    assert.deepEqual(value?.map(({ name }) => name), ['c']);
    assert.equal(warnings.length, 1);
    assert.notEqual(decode(Branch, { name: 'b', part: figures }).errors.length, 0);
  });
});

describe('hostile input', () => {
  test('S90 names of Object.prototype are unknown fields, and never reach a prototype', () => {
    for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const input = JSON.parse(`{"first_name":"a","${key}":{"polluted":true}}`) as unknown;
      const [error = ''] = messages(Leaf, input);
      assert.ok(error.includes(`${key}: unknown field`), error);
    }
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  });

  test('S90 maps have no prototype and refuse __proto__', () => {
    const leaf = '{"first_name":"x"}';
    const plain = JSON.parse(`{"pick":"","by_name":{"constructor":${leaf},"toString":${leaf}}}`) as unknown;
    const fine = decode(Tree, plain).value;
    assert.equal(Object.getPrototypeOf(fine?.byName), null);
    assert.deepEqual(Object.keys(fine?.byName ?? {}), ['constructor', 'toString']);
    assert.deepEqual(messages(Tree, JSON.parse(`{"pick":"","by_name":{"__proto__":${leaf}}}`) as unknown),
      ['by_name.__proto__: is not allowed as a key']);
    assert.deepEqual(messages(struct(), JSON.parse('{"a":{"__proto__":{}}}') as unknown),
      ['must not have a key \'__proto__\'']);
  });

  test('S92 nesting is bounded and does not overflow the stack', () => {
    let input: object = { pick: 'x' };
    for (let i = 0; i < 50_000; i++) input = { pick: 'x', not_this: input };
    const [error] = messages(Tree, input);
    assert.match(error!, /is nested deeper than 100$/);
    let metadata: object = {};
    for (let i = 0; i < 50_000; i++) metadata = { a: metadata };
    assert.match(messages(struct(), metadata)[0]!, /nested deeper/);
  });

  test('S97 numbers beyond 2^53 are refused, not rounded', () => {
    const range = (start: unknown): string[] =>
      messages(HeaderMatcher, { name: 'x', range_match: { start, end: Number.MAX_SAFE_INTEGER } });
    assert.deepEqual(range('9007199254740990'), []);
    for (const start of ['9007199254740993', 2 ** 60, 1.5, 'NaN', '1e3', '0x10', ' 1', '01', '', Infinity]) {
      assert.equal(range(start).length, 1, String(start));
    }
  });
});

describe('any input at all', () => {
  test('S92 decoding never throws, and says something about every value that it refuses', () => {
    fc.assert(fc.property(fc.anything({ withBigInt: true, withNullPrototype: true, withDate: true }), (input) => {
      for (const schema of [Bootstrap, Permission, list(HttpFilter), map(struct())]) {
        const { value, errors } = decode<unknown>(schema, input);
        assert.equal(value === undefined, errors.length > 0);
      }
    }));
  });

  test('S92 a bootstrap with any one value replaced never makes decoding throw', () => {
    const sample = readFileSync(fileURLToPath(SIDECAR), 'utf8');
    const input = JSON.parse(JSON.stringify(parse(sample))) as Record<string, unknown>;
    const places = placesIn(input);
    fc.assert(fc.property(fc.nat(places.length - 1), fc.anything(), (place, replacement) => {
      const { parent, key } = places[place]!;
      const before = parent[key];
      parent[key] = replacement;
      decode(Bootstrap, input);
      parent[key] = before;
    }), { numRuns: 300 });
  });
});

/** Every member of every object and list of a value. */
function placesIn(value: unknown): { parent: Record<string | number, unknown>; key: string }[] {
  if (typeof value !== 'object' || value === null) return [];
  const parent = value as Record<string, unknown>;
  return Object.keys(parent).flatMap((key) => [{ parent, key }, ...placesIn(parent[key])]);
}

describe('resources', () => {
  test('rules of RBAC nest', () => {
    const ports = { or_rules: { rules: [{ destination_port: 80 }] } };
    const input = { and_rules: { rules: [{ any: true }, { not_rule: ports }] } };
    assert.deepEqual(decode(Permission, input).value,
      { andRules: { rules: [{ any: true }, { notRule: { orRules: { rules: [{ destinationPort: 80 }] } } }] } });
    assert.deepEqual(messages(Permission, { any: false }), ['any: must be true']);
    assert.match(messages(Permission, {})[0]!, /^needs one of and_rules, or_rules, any, /);
    assert.match(messages(Permission, { and_rules: { rules: [] } })[0]!, /must have at least 1 entries/);
  });

  test('S46 a regular expression that cannot be compiled is refused where it stands', () => {
    const [error] = messages(HeaderMatcher, { name: 'x', string_match: { safe_regex: { regex: '(a' } } });
    assert.match(error!, /^string_match\.safe_regex\.regex: .*not valid RE2/);
    const long = 'a'.repeat(1025);
    assert.match(messages(HeaderMatcher, { name: 'x', safe_regex_match: { regex: long } })[0]!, /1024 is the limit/);
  });

  test('a domain belongs to one virtual host, and a filter chain ends with what ends it', () => {
    const host = (name: string, domain: string) => ({ name, domains: [domain] });
    assert.deepEqual(messages(RouteConfiguration, { virtual_hosts: [host('a', 'x.Example'), host('b', 'X.example')] }),
      ['virtual_hosts[1].domains[0]: \'X.example\' belongs to virtual host \'a\' already']);
    const tcp = { '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
      stat_prefix: 'x', cluster: 'y' };
    const rbac = { '@type': 'type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC', stat_prefix: 'x' };
    const filters = (...configs: object[]): string[] =>
      messages(FilterChain, { filters: configs.map((config, i) => ({ name: `f${i}`, typed_config: config })) });
    assert.deepEqual(filters(rbac, tcp), []);
    assert.deepEqual(filters(rbac), ['filters: must end with an HTTP connection manager or a TCP proxy']);
    assert.deepEqual(filters(tcp, rbac), ['filters[0]: ends the chain, so that nothing can follow it']);
  });

  test('a cluster has what its type needs', () => {
    const at = (address: string) => ({
      cluster_name: 'a',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address, port_value: 1 } } } }] }],
    });
    // Istio's BlackHoleCluster.
    assert.deepEqual(messages(Cluster, { name: 'a' }), []);
    assert.deepEqual(messages(Cluster, { name: 'a', type: 'EDS' }), ['eds_cluster_config: is needed for type EDS']);
    assert.match(messages(Cluster, { name: 'a', load_assignment: at('example') })[0]!, /needs type STRICT_DNS/);
    assert.deepEqual(messages(Cluster, { name: 'a', type: 'STRICT_DNS', load_assignment: at('example') }), []);
    assert.deepEqual(messages(Cluster, { name: 'a', load_assignment: at('::1') }), []);
    const logical = (...names: string[]): string[] => messages(Cluster, {
      name: 'a', type: 'LOGICAL_DNS',
      load_assignment: { cluster_name: 'a', endpoints: names.flatMap((name) => at(name).endpoints) },
    });
    assert.deepEqual(logical('a'), []);
    assert.match(logical('a', 'b')[0]!, /must be one endpoint/);
  });

  test('a listener needs an address, a route exactly one action and one path', () => {
    assert.match(messages(Listener, { name: 'a' })[0]!, /^needs address/);
    const address = { socket_address: { address: '::1', port_value: 1 } };
    assert.deepEqual(messages(Listener, { address }), ['needs filter_chains']);
    const routes = (route: object): string[] =>
      messages(RouteConfiguration, { virtual_hosts: [{ name: 'v', domains: ['*'], routes: [route] }] });
    assert.deepEqual(routes({ match: { prefix: '/' }, direct_response: { status: 200 } }), []);
    assert.match(routes({ match: { prefix: '/' } })[0]!, /routes\[0\]: needs one of route, redirect, direct_response/);
    assert.match(routes({ match: {}, route: { cluster: 'a' } })[0]!, /\.match: needs one of prefix, path, /);
    assert.match(routes({ match: { prefix: '/', path: '/' }, route: { cluster: 'a' } })[0]!, /only one of prefix, /);
    const retries = { cluster: 'a', retry_policy: { retry_on: '5xx,rest' } };
    assert.match(routes({ match: { prefix: '/' }, route: retries })[0]!,
      /retry_on: unknown condition 'rest'; did you mean 'reset'\?/);
  });
});
