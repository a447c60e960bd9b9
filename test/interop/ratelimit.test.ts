// Rate limits by undici through weft and through a real Envoy: the same bootstrap, the same requests one after the
// other, the same statuses, headers and stats.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Agent, request } from 'undici';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';
import { times } from './repeated-asks.ts';
import type { Ask } from './repeated-asks.ts';

const skip = reasonToSkip(findEnvoy(false));
const LOCAL = 'type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const ALWAYS = { default_value: { numerator: 100 } };
const NEVER = { default_value: { numerator: 0 } };

interface Scenario {
  readonly name: string;
  /** Fields of LocalRateLimit; buckets fill in an hour unless they say otherwise. */
  readonly filter: Record<string, unknown>;
  readonly routes?: readonly unknown[];
  /** Filters of the one name. Default 1. */
  readonly copies?: number;
  /** Fields of the virtual host. */
  readonly host?: Record<string, unknown>;
  readonly asks: readonly Ask[];
}

const bucket = (tokens: number, seconds = 3600): unknown =>
  ({ max_tokens: tokens, tokens_per_fill: tokens, fill_interval: `${seconds}s` });
const limits = (...actions: unknown[]): unknown => ({ actions });
const header = (name: string, key: string, more = {}): unknown =>
  ({ request_headers: { header_name: name, descriptor_key: key, ...more } });
const generic = (value: string, key?: string): unknown =>
  ({ generic_key: { descriptor_value: value, ...(key !== undefined && { descriptor_key: key }) } });
const descriptor = (tokens: number, ...entries: [string, string?][]): unknown => ({
  entries: entries.map(([key, value]) => ({ key, ...(value !== undefined && { value }) })),
  token_bucket: bucket(tokens),
});
const limited = (rateLimits: unknown[], route: Record<string, unknown> = {}): unknown =>
  routeTo('service', { rate_limits: rateLimits, ...route });
const at = (path: string, route: Record<string, unknown>, more = {}): unknown =>
  ({ match: { prefix: path }, route: { cluster: 'service', ...route }, ...more });

const SHOWN = { enable_x_ratelimit_headers: 'DRAFT_VERSION_03' };

const SCENARIOS: readonly Scenario[] = [
  { name: 'one bucket', filter: { token_bucket: bucket(2), ...SHOWN }, asks: times(4) },
  { name: 'two filters of one name, each with a bucket of its own', copies: 2, asks: [
    ...times(3), ...times(2, { path: '/off' }), ...times(5, { path: '/own' })], filter: {
    token_bucket: bucket(2), response_headers_to_add: [{ header: { key: 'x-limited', value: 'yes' } }],
  }, routes: [
    at('/off', {}, { typed_per_filter_config: { limit: { '@type': LOCAL, stat_prefix: 'off',
      filter_enabled: NEVER, token_bucket: bucket(1) } } }),
    at('/own', {}, { typed_per_filter_config: { limit: { '@type': LOCAL, stat_prefix: 'own', token_bucket: bucket(3),
      filter_enabled: ALWAYS, filter_enforced: ALWAYS } } }),
    routeTo('service'),
  ] },
  { name: 'no bucket', filter: { ...SHOWN }, asks: times(2) },
  { name: 'status and headers of refusals', asks: times(3), filter: {
    token_bucket: bucket(1), status: { code: 503 },
    response_headers_to_add: [{ header: { key: 'x-limited', value: '%REQ(:path)%' } },
      { header: { key: 'x-twice', value: 'a' } }, { header: { key: 'x-twice', value: 'b' } }],
  } },
  { name: 'a status below 400 is 429', filter: { token_bucket: bucket(1), status: { code: 200 } }, asks: times(2) },
  { name: 'counted and not enforced', asks: times(3), filter: {
    token_bucket: bucket(1), filter_enforced: NEVER, ...SHOWN,
    request_headers_to_add_when_not_enforced: [{ header: { key: 'x-over', value: 'yes' } }],
  } },
  { name: 'not enabled', filter: { token_bucket: bucket(1), filter_enabled: NEVER }, asks: times(3) },
  { name: 'gRPC requests', filter: { token_bucket: bucket(1) },
    asks: times(2, { method: 'POST', headers: { 'content-type': 'application/grpc' } }) },
  { name: 'gRPC requests as resource exhausted', filter: { token_bucket: bucket(1), rate_limited_as_resource_exhausted:
    true }, asks: times(2, { method: 'POST', headers: { 'content-type': 'application/grpc' } }) },
  { name: 'HEAD', filter: { token_bucket: bucket(1) }, asks: times(2, { method: 'HEAD' }) },
  { name: 'descriptors by header', filter: {
    token_bucket: bucket(20), ...SHOWN,
    descriptors: [descriptor(1, ['user', 'eve']), descriptor(2, ['user', 'amy'], ['tier', 'gold'])],
  }, routes: [limited([limits(header('x-user', 'user')),
    limits(header('x-user', 'user'), header('x-tier', 'tier'))])], asks: [
    ...times(3, { headers: { 'x-user': 'eve' } }), ...times(3, { headers: { 'x-user': 'amy', 'x-tier': 'gold' } }),
    ...times(2, { headers: { 'x-user': 'amy', 'x-tier': 'lead' } }), ...times(2),
  ] },
  { name: 'descriptors without the default bucket', filter: {
    token_bucket: bucket(2), always_consume_default_token_bucket: false, ...SHOWN,
    descriptors: [descriptor(4, ['user', 'amy'])],
  }, routes: [limited([limits(header('x-user', 'user'))])], asks: [
    ...times(3, { headers: { 'x-user': 'amy' } }), ...times(3), ...times(2, { headers: { 'x-user': 'amy' } }),
  ] },
  { name: 'wildcard values', filter: {
    token_bucket: bucket(50), ...SHOWN,
    descriptors: [descriptor(1, ['user']), descriptor(3, ['user', 'amy']), descriptor(2, ['a', 'x'], ['b'])],
  }, routes: [limited([limits(header('x-user', 'user')), limits(header('x-a', 'a'), header('x-b', 'b'))])], asks: [
    ...times(2, { headers: { 'x-user': 'eve' } }), ...times(2, { headers: { 'x-user': 'bob' } }),
    ...times(4, { headers: { 'x-user': 'amy' } }), ...times(3, { headers: { 'x-a': 'x', 'x-b': 'one' } }),
    ...times(1, { headers: { 'x-a': 'x', 'x-b': 'two' } }), ...times(3, { headers: { 'x-a': 'y', 'x-b': 'two' } }),
  ] },
  { name: 'the slowest descriptor is asked first', filter: {
    token_bucket: bucket(50), ...SHOWN,
    descriptors: [{ ...descriptor(3, ['k', 'fast']) as object, token_bucket: bucket(3, 600) },
      { ...descriptor(2, ['k', 'slow']) as object, token_bucket: bucket(2, 7200) }],
  }, routes: [limited([limits(generic('fast', 'k')), limits(generic('slow', 'k'))])], asks: times(4) },
  { name: 'the virtual host\'s rate limits where the route has none', filter: {
    token_bucket: bucket(50), descriptors: [descriptor(1, ['generic_key', 'host']),
      descriptor(2, ['generic_key', 'route'])],
  }, host: { rate_limits: [limits(generic('host'))] }, routes: [
    at('/own', { rate_limits: [limits(generic('route'))] }),
    at('/both', { rate_limits: [limits(generic('route'))], include_vh_rate_limits: true }), at('/', {}),
  ], asks: [...times(3, { path: '/own' }), ...times(2, { path: '/both' }), ...times(2)] },
  { name: 'virtual host\'s rate limits ignored', filter: { token_bucket: bucket(50), vh_rate_limits: 'IGNORE',
    descriptors: [descriptor(1, ['generic_key', 'host'])] },
  host: { rate_limits: [limits(generic('host'))] }, asks: times(3) },
  { name: 'virtual host\'s rate limits included', filter: { token_bucket: bucket(50), vh_rate_limits: 'INCLUDE',
    descriptors: [descriptor(1, ['generic_key', 'host'])] }, host: { rate_limits: [limits(generic('host'))] },
  routes: [at('/', { rate_limits: [limits(generic('route'))] })], asks: times(3) },
  { name: 'stages', filter: { token_bucket: bucket(50), stage: 2,
    descriptors: [descriptor(1, ['generic_key', 'zero']), descriptor(2, ['generic_key', 'two'])] },
  routes: [limited([limits(generic('zero')), { stage: 2, ...limits(generic('two')) as object }])], asks: times(4) },
  { name: 'addresses and clusters', filter: { token_bucket: bucket(50), descriptors: [
    descriptor(1, ['remote_address', '127.0.0.1']), descriptor(2, ['remote_address', '10.1.2.3']),
    descriptor(1, ['masked_remote_address', '10.9.0.0/16']), descriptor(1, ['masked_remote_address', '2001:db8::/32']),
    descriptor(1, ['destination_cluster', 'service'], ['source_cluster', 'shop']),
  ] }, routes: [
    at('/remote', { rate_limits: [limits({ remote_address: {} })] }),
    at('/masked', { rate_limits: [limits({ masked_remote_address: { v4_prefix_mask_len: 16,
      v6_prefix_mask_len: 32 } })] }),
    at('/clusters', { rate_limits: [limits({ destination_cluster: {} }, { source_cluster: {} })] }),
  ], asks: [
    ...times(2, { path: '/remote', headers: { 'x-forwarded-for': '127.0.0.1' } }),
    ...times(3, { path: '/remote', headers: { 'x-forwarded-for': '10.1.2.3' } }),
    ...times(2, { path: '/masked', headers: { 'x-forwarded-for': '10.9.8.7' } }),
    ...times(1, { path: '/masked', headers: { 'x-forwarded-for': '10.9.1.1' } }),
    ...times(1, { path: '/masked', headers: { 'x-forwarded-for': '10.8.1.1' } }),
    ...times(2, { path: '/masked', headers: { 'x-forwarded-for': '2001:db8:1::5' } }),
    ...times(3, { path: '/clusters' }),
  ] },
  { name: 'conditions and query parameters', filter: { token_bucket: bucket(90), descriptors: [
    descriptor(1, ['header_match', 'beta']), descriptor(1, ['not', 'beta']), descriptor(1, ['query_match', 'q']),
    descriptor(1, ['id', 'a b']), descriptor(3, ['id', 'a%20b']), descriptor(1, ['id', '7']),
  ] }, routes: [
    at('/header', { rate_limits: [limits({ header_value_match: { descriptor_value: 'beta', headers: [{ name: 'x-beta',
      string_match: { exact: '1' } }] } }), limits({ header_value_match: { descriptor_key: 'not', expect_match: false,
      descriptor_value: 'beta', headers: [{ name: 'x-beta', string_match: { exact: '1' } }] } })] }),
    at('/query', { rate_limits: [limits({ query_parameter_value_match: { descriptor_value: 'q', query_parameters: [
      { name: 'page', string_match: { exact: 'a b' } }] } }),
    limits({ query_parameters: { query_parameter_name: 'id', descriptor_key: 'id' } })] }),
  ], asks: [
    ...times(2, { path: '/header', headers: { 'x-beta': '1' } }), ...times(2, { path: '/header' }),
    ...times(2, { path: '/query?page=a%20b' }), ...times(2, { path: '/query?page=a+b' }),
    ...times(2, { path: '/query?id=a%20b' }), ...times(2, { path: '/query?x=1&id=7&id=8' }),
    ...times(2, { path: '/query?id=' }), ...times(2, { path: '/query' }),
  ] },
  { name: 'entries that are left out, and what is counted', filter: { token_bucket: bucket(90), ...SHOWN, descriptors: [
    descriptor(5, ['generic_key', 'x']), descriptor(1, ['generic_key', 'x'], ['who', 'amy']),
    descriptor(1, ['meta', 'gold']), descriptor(1, ['other', 'none']),
  ] }, routes: [
    at('/skip', { rate_limits: [limits(generic('x'), header('x-who', 'who', { skip_if_absent: true }))] }),
    at('/hits', { rate_limits: [{ ...limits(generic('x')) as object, hits_addend: { number: 2 } }] }),
    at('/meta', { rate_limits: [limits({ metadata: { descriptor_key: 'meta', source: 'ROUTE_ENTRY',
      metadata_key: { key: 'shop', path: [{ key: 'tier' }, { key: 'name' }] } } }),
    limits({ metadata: { descriptor_key: 'other', source: 'ROUTE_ENTRY', default_value: 'none',
      metadata_key: { key: 'shop', path: [{ key: 'absent' }] } } })] },
    { metadata: { filter_metadata: { shop: { tier: { name: 'gold' } } } } }),
  ], asks: [
    ...times(2, { path: '/skip' }), ...times(2, { path: '/skip', headers: { 'x-who': 'amy' } }),
    ...times(3, { path: '/hits' }), ...times(2, { path: '/meta' }),
  ] },
  { name: 'rate limits of the filter\'s own', filter: { token_bucket: bucket(50),
    rate_limits: [{ ...limits(generic('mine')) as object, hits_addend: { number: 2 } }],
    descriptors: [descriptor(5, ['generic_key', 'mine']),
      descriptor(1, ['generic_key', 'route'])] },
  routes: [limited([limits(generic('route'))])], asks: times(3) },
  { name: 'a route\'s own configuration', filter: { token_bucket: bucket(1) }, routes: [
    at('/own', {}, { typed_per_filter_config: { limit: { '@type': LOCAL, stat_prefix: 'own', token_bucket: bucket(3),
      filter_enabled: ALWAYS, filter_enforced: ALWAYS, ...SHOWN } } }),
    at('/off', {}, { typed_per_filter_config: { limit: { '@type': LOCAL, stat_prefix: 'off',
      token_bucket: bucket(1) } } }),
    { match: { prefix: '/direct' }, direct_response: { status: 200 } }, at('/', {}),
  ], asks: [...times(4, { path: '/own' }), ...times(3, { path: '/off' }), ...times(1),
    ...times(1, { path: '/direct' })] },
  { name: 'buckets of each connection', filter: { token_bucket: bucket(2), ...SHOWN,
    local_rate_limit_per_downstream_connection: true }, asks: times(3) },
];

function bootstrapFor(scenario: Scenario, upstream: number): unknown {
  const { filter, copies = 1, routes = [routeTo('service')], host = {} } = scenario;
  const typed = { '@type': LOCAL, stat_prefix: 'limit', filter_enabled: ALWAYS, filter_enforced: ALWAYS, ...filter };
  const listener = httpListener(routes, {
    http_filters: Array.from({ length: copies }, () => ({ name: 'limit', typed_config: typed })),
    route_config: { name: 'routes', virtual_hosts: [{ name: 'all', domains: ['*'], routes, ...host }] },
  });
  return {
    node: { id: 'n', cluster: 'shop' },
    ...bootstrapOf([listener], [staticCluster('service', [upstream])]) as object,
  };
}

/** What a client sees: what may differ by a second is rounded. */
async function ask(agent: Agent, port: number, { path = '/', method = 'GET', headers = {} }: Ask): Promise<string> {
  const answer = await request(`http://127.0.0.1:${port}${path}`, {
    dispatcher: agent, method: method as 'GET', headers,
  });
  const body = await answer.body.text();
  const fields = Object.entries(answer.headers).flatMap(([name, value]) => {
    if (!/^(x-rate|x-limited|x-twice|x-envoy-rate|grpc|content-type|content-length|retry)/.test(name)) return [];
    if (body.startsWith('{') && name.startsWith('content')) return [];
    return [`${name}: ${name === 'x-ratelimit-reset' ? Math.round(Number(value) / 30) * 30 : String(value)}`];
  });
  const shown = body.startsWith('{') ? upstreamSaw(body) : body;
  return [path, answer.statusCode, ...fields.toSorted(), shown].join(' | ');
}

function upstreamSaw(body: string): string {
  const { headers } = JSON.parse(body) as Echo;
  return `x-over ${String(headers['x-over'])}`;
}

const STATS = ['enabled', 'ok', 'rate_limited', 'enforced'].map((name) => `limit.http_local_rate_limit.${name}`);

async function run(kind: 'weft' | 'envoy', scenario: Scenario, upstream: number): Promise<unknown> {
  await using proxy = await ProxyProcess.start(kind, bootstrapFor(scenario, upstream));
  const agent = new Agent({ connections: 1, pipelining: 1 });
  const answers: string[] = [];
  for (const each of scenario.asks) answers.push(await ask(agent, proxy.port('http'), each));
  await agent.close();
  const again = new Agent({ connections: 1 });
  answers.push(await ask(again, proxy.port('http'), scenario.asks.at(-1)!));
  await again.close();
  return { answers, stats: await Promise.all(STATS.map((name) => proxy.stat(name))) };
}

for (const scenario of SCENARIOS) {
  test(`local rate limit, ${scenario.name}: undici through weft as through Envoy`, { skip }, async () => {
    await using upstream = await EchoServer.start('service');
    const theirs = await run('envoy', scenario, upstream.port);
    assert.deepEqual(await run('weft', scenario, upstream.port), theirs);
  });
}
