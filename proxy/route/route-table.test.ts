// Whole tables: what a request finds in them, and what they refuse.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleStream } from '../../test/harness/stream-sample.ts';
import { SeededRandom } from '../base/random.ts';
import type { DataSource } from '../config/data-source.ts';
import type { HostPart } from '../config/host-part.ts';
import type { Route, RouteConfiguration, VirtualHost } from '../config/route.ts';
import { Headers } from '../http/headers.ts';
import { RequestHead } from '../http/message.ts';
import { addMetadata } from '../telemetry/dynamic-metadata.ts';
import { DigitShare } from './fraction.ts';
import type { RouteEntry } from './route-entry.ts';
import { RouteTableBuild, compileRouteTable } from './route-table.ts';
import type { RouteTable } from './route-table.ts';

function compile(config: RouteConfiguration): RouteTable {
  return compileRouteTable(config, (name, filterConfig, _path, outer) =>
    ({ name, type: filterConfig['@type'], outer }));
}

function route(name: string, match: Route['match'], more: Partial<Route> = {}): Route {
  return { name, match, directResponse: { status: 200, body: { inlineString: name } }, ...more };
}

function find(table: RouteTable, authority: string, path = '/', random = 0,
  ...fields: string[]): RouteEntry | undefined {
  return table.match(new RequestHead('GET', authority, path, new Headers(fields)), undefined, random);
}

function hosts(...virtualHosts: VirtualHost[]): RouteTable {
  return compile({ virtualHosts });
}

test('the first route that matches is taken, and no other host is asked', () => {
  const table = hosts(
    { name: 'a', domains: ['a'], routes: [route('x', { prefix: '/x' }), route('xy', { prefix: '/xy' }),
      route('q', { path: '/q' })] },
    { name: 'any', domains: ['*'], routes: [route('any', { prefix: '/' })] },
  );
  assert.equal(find(table, 'a', '/xyz')?.name, 'x');
  assert.equal(find(table, 'a', '/q?a=1')?.name, 'q');
  assert.equal(find(table, 'a', '/other'), undefined);
  assert.equal(find(table, 'b', '/other')?.name, 'any');
  assert.equal(find(table, 'b', '/other')?.virtualHostName, 'any');
  assert.equal(find(hosts(), 'a'), undefined);
});

test('all conditions of a route hold', () => {
  const table = hosts({ name: 'a', domains: ['*'], routes: [
    route('one', { prefix: '/', headers: [{ name: 'x', stringMatch: { exact: '1' } }, { name: 'y' }],
      queryParameters: [{ name: 'q' }] }),
    route('rest', { prefix: '/' }),
  ] });
  assert.equal(find(table, 'a', '/?q', 0, 'x', '1', 'y', '')?.name, 'one');
  assert.equal(find(table, 'a', '/?q', 0, 'x', '1')?.name, 'rest');
  assert.equal(find(table, 'a', '/', 0, 'x', '1', 'y', '')?.name, 'rest');
});

test('a route by what filters said of the request, asked again when they say more', () => {
  const dynamicMetadata = [{ filter: 'jwt', path: [{ key: 'groups' }],
    value: { listMatch: { oneOf: { stringMatch: { exact: 'testers' } } } } }];
  const few = [route('testers', { prefix: '/', dynamicMetadata }), route('rest', { prefix: '/' })];
  const many = [...Array.from({ length: 30 }, (_, i) => route(`r${i}`, { prefix: `/${i}` })), ...few];
  for (const routes of [few, many]) {
    const table = hosts({ name: 'a', domains: ['*'], routes });
    const info = sampleStream();
    const found = (): string | undefined => table.match(new RequestHead('GET', 'a', '/'), info, 0)?.name;
    assert.equal(found(), 'rest');
    addMetadata(info, 'jwt', { groups: ['testers'] });
    assert.equal(found(), 'testers');
    assert.equal(find(table, 'a')?.name, 'rest');
  }
});

test('fractions of two denominators take one draw by its last digits, as in Envoy', () => {
  const first = new DigitShare({ numerator: 1234, denominator: 'TEN_THOUSAND' });
  const second = new DigitShare({ numerator: 40 });
  const draws = Array.from({ length: 10_000 }, (_, i) => (i + 0.5) / 1e6);
  const [one, two] = [draws.filter((draw) => first.takes(draw)).length,
    draws.filter((draw) => !first.takes(draw) && second.takes(draw)).length];
  assert.deepEqual([one, two], [1234, 3486]);
});

test('a fraction takes its share of the draws, independently of the weights behind it', () => {
  const table = hosts({ name: 'a', domains: ['*'], routes: [
    { name: 'half', match: { prefix: '/', runtimeFraction: { defaultValue: { numerator: 50 } } },
      route: { weightedClusters: { clusters: [{ name: 'x', weight: 1 }, { name: 'y', weight: 1 }] } } },
    route('rest', { prefix: '/' }),
  ] });
  const seed = 31;
  const random = new SeededRandom(seed);
  const counts = { half: 0, x: 0 };
  const draws = 20_000;
  for (let i = 0; i < draws; i++) {
    const draw = random.float();
    const entry = find(table, 'a', '/', draw);
    if (entry?.action.kind !== 'forward') continue;
    counts.half++;
    if (entry.action.pickCluster(new RequestHead('GET', 'a', '/'), draw)?.cluster === 'x') counts.x++;
  }
  // Six standard deviations of a fair coin.
  assert.ok(Math.abs(counts.half - draws / 2) < 3 * Math.sqrt(draws), `seed ${seed}: ${counts.half}`);
  assert.ok(Math.abs(counts.x - counts.half / 2) < 3 * Math.sqrt(counts.half),
    `seed ${seed}: ${counts.x} of ${counts.half}`);
  const never = hosts({ name: 'a', domains: ['*'],
    routes: [route('never', { prefix: '/', runtimeFraction: { defaultValue: {} } })] });
  assert.equal(find(never, 'a'), undefined);
});

test('ports of authorities are ignored when asked', () => {
  const virtualHosts = [{ name: 'a', domains: ['a.com', '[::1]'], routes: [route('a', { prefix: '/' })] }];
  const table = compile({ virtualHosts, ignorePortInHostMatching: true });
  assert.deepEqual(['a.com:80', 'a.com', '[::1]:8080', '[::1]'].map((authority) => find(table, authority)?.name),
    ['a', 'a', 'a', 'a']);
  assert.equal(find(compile({ virtualHosts }), 'a.com:80'), undefined);
});

test('S13 hosts are matched without regard to the case of configuration', () => {
  const table = hosts({ name: 'a', domains: ['WWW.Example.com'],
    routes: [route('a', { prefix: '/', headers: [{ name: ':authority',
    stringMatch: { exact: 'www.EXAMPLE.com' } }] })] });
  assert.equal(find(table, 'www.example.com')?.name, 'a');
});

test('levels add their header changes in Envoy\'s order, or the reverse', () => {
  const add = (value: string) => ({ requestHeadersToAdd: [{ header: { key: 'x', value },
    appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' as const }] });
  const config: RouteConfiguration = { ...add('table'),
    virtualHosts: [{ name: 'h', domains: ['*'], ...add('host'),
    routes: [route('r', { prefix: '/' }, add('route'))] }] };
  const winner = (table: RouteTable): string | undefined => {
    const headers = new Headers();
    for (const operations of find(table, 'a')!.requestHeaders) operations.apply(headers, undefined as never);
    return headers.get('x');
  };
  assert.equal(winner(compile(config)), 'table');
  assert.equal(winner(compile({ ...config, mostSpecificHeaderMutationsWins: true })), 'route');
});

test('filter configurations are compiled once, with their place, over those around them', () => {
  const at = (name: string) => ({ '@type': `type.googleapis.com/${name}` }) as never;
  const table = compile({
    typedPerFilterConfig: { f: at('table'), g: at('table-g') },
    virtualHosts: [{ name: 'h', domains: ['*'], typedPerFilterConfig: { f: at('host') },
      routes: [route('r', { prefix: '/' }, { typedPerFilterConfig: { f: at('route') } }), ] }],
  });
  const { perFilterConfig } = find(table, 'a')!;
  const host = { name: 'f', type: 'type.googleapis.com/host',
    outer: { name: 'f', type: 'type.googleapis.com/table', outer: undefined } };
  assert.deepEqual(perFilterConfig.get('f'), { name: 'f', type: 'type.googleapis.com/route', outer: host });
  assert.deepEqual((perFilterConfig.get('g') as { type: string }).type, 'type.googleapis.com/table-g');
});

test('what the rest of the proxy reads of a route', () => {
  const table = hosts({ name: 'h', domains: ['*'], includeRequestAttemptCount: true,
    retryPolicy: { retryOn: '5xx', numRetries: 4 }, routes: [{
    match: { prefix: '/' }, route: { cluster: 'c' }, decorator: { operation: 'op', propagate: false },
    metadata: { filterMetadata: { istio: { config: '/apis/v1/vs/reviews' } } } as never,
  }] });
  const entry = find(table, 'a')!;
  assert.deepEqual([entry.name, entry.operation, entry.propagateOperation, entry.origin, entry.attemptCountRequest,
    entry.attemptCountResponse],
    ['', 'op', false, '/apis/v1/vs/reviews', true, false]);
  assert.equal(entry.action.kind === 'forward' ? entry.action.retry?.settings.maxRetries : undefined, 4);
  assert.deepEqual([...table.clusters], ['c']);
});

test('direct responses have bodies of bytes, within the limit', () => {
  const body = (inline: DataSource, max?: number): string => {
    const entry = find(compile({ ...(max !== undefined && { maxDirectResponseBodySizeBytes: max }),
      virtualHosts: [{ name: 'h', domains: ['*'],
      routes: [{ match: { prefix: '/' }, directResponse: { status: 418, body: inline } }] }] }), 'a')!;
    return entry.action.kind === 'direct' ? `${entry.action.status} ${entry.action.body}` : '';
  };
  assert.equal(body({ inlineString: 'caf\u00e9' }), '418 caf\u00c3\u00a9');
  assert.equal(body({ inlineBytes: 'AP8=' }), '418 \0\xff');
  assert.equal(body({ inlineString: 'a'.repeat(4096) }).length, 4100);
  const path = /^ConfigError: virtualHosts\[0\]\.routes\[0\]\.directResponse\.body/;
  assert.throws(() => body({ inlineString: 'a'.repeat(4097) }), path);
  assert.throws(() => body({ inlineString: 'abc' }, 2), path);
  assert.throws(() => body({ filename: '/no/such/file' }), path);
  assert.throws(() => body({ environmentVariable: 'WEFT_NO_SUCH_VARIABLE' }), path);
});

test('a fault anywhere is refused by its place', () => {
  const broken = (more: Partial<Route>): Route => ({ match: { prefix: '/' }, route: { cluster: 'c' }, ...more });
  const cases: readonly (readonly [Route, string])[] = [
    [broken({ match: {} }), 'match'], [broken({ match: { safeRegex: { regex: '[' } } }), 'match.safeRegex.regex'],
    [broken({ route: { cluster: 'c', retryPolicy: { retryOn: 'nope' } } }), 'route.retryPolicy.retryOn'],
    [broken({ requestHeadersToRemove: [':path'] }), 'requestHeadersToRemove[0]'], [{ match: { prefix: '/' } }, ''],
  ];
  for (const [bad, where] of cases) {
    const path = `virtualHosts[1].routes[1]${where === '' ? '' : `.${where}`}`;
    const virtualHosts = [{ name: 'a', domains: ['a'] }, { name: 'b', domains: ['b'], routes: [broken({}), bad] }];
    assert.throws(() => compile({ virtualHosts }), (e) => String(e).startsWith(`ConfigError: ${path}: `), path);
  }
});

test('a large table is compiled in slices', () => {
  const config: RouteConfiguration = { name: 'big',
    virtualHosts: Array.from({ length: 25 },
    (_, i) => ({ name: `v${i}`, domains: [`d${i}`], routes: [route(`r${i}`, { prefix: '/' })] })) };
  const build = new RouteTableBuild(config, () => undefined);
  let steps = 0;
  let table: RouteTable | undefined;
  do {
    table = build.step(10);
    steps++;
  } while (table === undefined);
  assert.equal(steps, 3);
  assert.equal(find(table, 'd24')?.name, 'r24');
});

test('virtual hosts that are kept answer as before, and their clusters are named', () => {
  const forward = (name: string): VirtualHost => (
    { name, domains: [name], routes: [{ name, match: { prefix: '/' }, route: { cluster: `c-${name}` } }] });
  const mirrored = { name: 't', requestMirrorPolicies: [{ cluster: 'mirror' }] };
  const before = compile({ ...mirrored, virtualHosts: ['a', 'b', 'c'].map(forward) });
  const kept = (...parts: readonly HostPart[]): RouteTable | undefined => (
    new RouteTableBuild(mirrored, () => undefined, '', parts, before).step(Infinity));
  const after = kept({ from: 1, count: 2 }, forward('d'), { from: 0, count: 1 });
  assert.deepEqual(['a', 'b', 'c', 'd'].map((name) => find(after!, name)?.name), ['a', 'b', 'c', 'd']);
  assert.equal(find(after!, 'b'), find(before, 'b'), 'it is not compiled again');
  assert.deepEqual([...after!.clusters].toSorted(), ['c-a', 'c-b', 'c-c', 'c-d', 'mirror']);
  assert.deepEqual([...kept({ from: 1, count: 1 })!.clusters].toSorted(), ['c-b', 'mirror']);
  assert.throws(() => kept({ from: 0, count: 1 }, forward('a')), /virtualHosts\[1\]\.domains\[0\]/);
  assert.throws(() => kept({ from: 2, count: 2 }), /virtualHosts: are to be kept, and are not there/);
});

test('a virtual host with filters\' configuration is kept at its own place only', () => {
  const typedPerFilterConfig = { f: { '@type': 'type.googleapis.com/test', disabled: true } };
  const own = { name: 'own', domains: ['own'], typedPerFilterConfig } as unknown as VirtualHost;
  const before = compile({ virtualHosts: [own] });
  const other: VirtualHost = { name: 'b', domains: ['b'] };
  const kept = (...parts: readonly HostPart[]): unknown => (
    new RouteTableBuild({}, () => undefined, '', parts, before).step(Infinity));
  kept({ from: 0, count: 1 }, other);
  assert.throws(() => kept(other, { from: 0, count: 1 }), /virtualHosts\[1\]: has filters' configuration/);
});

test('require_tls sends requests without TLS to https, and spares internal ones where it says so', () => {
  const host = (requireTls: 'ALL' | 'EXTERNAL_ONLY' | 'NONE'): VirtualHost =>
    ({ name: 'v', domains: [requireTls], requireTls, routes: [route('r', { prefix: '/' })] });
  const table = hosts(host('ALL'), host('EXTERNAL_ONLY'), host('NONE'));
  const kind = (authority: string, ...fields: string[]): string | undefined =>
    find(table, authority, '/', 0, ...fields)?.action.kind;
  for (const [fields, all, external] of [
    [[], 'redirect', 'redirect'],
    [['x-forwarded-proto', 'http'], 'redirect', 'redirect'],
    [['x-forwarded-proto', 'https'], 'direct', 'direct'],
    [['x-forwarded-proto', 'https', 'x-forwarded-proto', 'http'], 'redirect', 'redirect'],
    [['x-envoy-internal', 'true'], 'redirect', 'direct'],
    [['x-envoy-internal', 'false'], 'redirect', 'redirect'],
  ] as const) {
    assert.deepEqual([kind('all', ...fields), kind('external_only', ...fields), kind('none', ...fields)],
      [all, external, 'direct']);
  }
});
