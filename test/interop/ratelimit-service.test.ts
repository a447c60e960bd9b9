// Global rate limits by undici through weft and through a real Envoy, which ask a grpc-js rate limit service: the same
// statuses, headers, response flags and stats, also where the service is slow, gone, or answers something else.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Agent, request } from 'undici';
import { RateLimitService } from '../../examples/ratelimit/service.ts';
import type { Limit } from '../../examples/ratelimit/service.ts';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { http2Cluster } from '../harness/http2-bootstrap.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener, staticCluster } from '../harness/weft.ts';
import { times } from './repeated-asks.ts';
import type { Ask } from './repeated-asks.ts';

const skip = reasonToSkip(findEnvoy(false));
const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3';
const FILE_LOG = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';

interface Scenario {
  readonly name: string;
  readonly filter?: Record<string, unknown>;
  /** Of the service's answers. */
  readonly extra?: object;
  /** In place of the service: nobody listens, or somebody who speaks no gRPC, or who says nothing. */
  readonly service?: 'gone' | 'other' | 'silent';
  readonly asks: readonly Ask[];
}

const LIMITS: readonly Limit[] = [
  { domain: 'shop', entries: [{ key: 'user', value: 'eve' }], requests: 1, unit: 'DAY', name: 'eve\'s' },
  { domain: 'shop', entries: [{ key: 'user' }], requests: 3, unit: 'DAY' },
  { domain: 'shop', entries: [{ key: 'generic_key', value: 'all' }], requests: 5, unit: 'DAY' },
  { domain: 'other', entries: [{ key: 'generic_key', value: 'own' }], requests: 2, unit: 'DAY' },
];

const eve = { headers: { 'x-user': 'eve' } };
const amy = { headers: { 'x-user': 'amy' } };
const SHOWN = { enable_x_ratelimit_headers: 'DRAFT_VERSION_03' };
const header = (key: string, value: string): object => ({ key, value });
const EXTRA = {
  responseHeadersToAdd: [header('x-service', 'one'), header('Content-Type', 'text/html')],
  requestHeadersToAdd: [header('x-told', 'yes')], rawBody: Buffer.from('slow down'),
};
const share = (numerator: number): object => ({ default_value: { numerator } });

const SCENARIOS: readonly Scenario[] = [
  { name: 'limits by user', asks: [...times(3, eve), ...times(2, amy), ...times(1)] },
  { name: 'with headers', filter: SHOWN, asks: [...times(2, eve), ...times(4, amy), ...times(1)] },
  { name: 'without x-envoy-ratelimited', filter: { disable_x_envoy_ratelimited_header: true,
    rate_limited_status: { code: 503 }, response_headers_to_add: [{ header: { key: 'x-limited', value: 'yes' } }] },
  asks: times(2, eve) },
  { name: 'with what the service adds', filter: SHOWN, extra: EXTRA, asks: times(2, eve) },
  { name: 'gRPC requests', asks: times(2, { method: 'POST', headers: { 'x-user': 'eve',
    'content-type': 'application/grpc' } }) },
  { name: 'gRPC requests as resource exhausted', filter: { rate_limited_as_resource_exhausted: true },
    asks: times(2, { method: 'POST', headers: { 'x-user': 'eve', 'content-type': 'application/grpc' } }) },
  { name: 'several limits at once', filter: SHOWN, asks: times(6, { path: '/both', headers: { 'x-user': 'bob' } }) },
  { name: 'routes of their own', asks: [...times(3, { path: '/own' }), ...times(2, { path: '/none' }),
    ...times(1, { path: '/direct' })] },
  { name: 'a stage that nobody has', filter: { stage: 3 }, asks: times(2, eve) },
  { name: 'external requests only', filter: { request_type: 'external' }, asks: times(2, eve) },
  { name: 'internal requests only', filter: { request_type: 'internal' }, asks: times(2, eve) },
  { name: 'not enforced', filter: { filter_enforced: share(0), ...SHOWN }, asks: times(2, eve) },
  { name: 'not enabled', filter: { filter_enabled: share(0) }, asks: times(2, eve) },
  { name: 'the filter\'s own rate limits', filter: { rate_limits: [{ actions: [{ generic_key: {
    descriptor_value: 'all' } }], hits_addend: { number: 3 } }], ...SHOWN }, asks: times(2, eve) },
  { name: 'stats with a prefix', filter: { stat_prefix: 'mine' }, asks: times(2, eve) },
  { name: 'S73 the service is gone, and requests pass', service: 'gone', asks: times(2, eve) },
  { name: 'S73 the service is gone, and requests are refused', service: 'gone', filter: { failure_mode_deny: true },
    asks: times(2, eve) },
  { name: 'S73 the status of that', service: 'gone', asks: times(1, eve),
    filter: { failure_mode_deny: true, status_on_error: { code: 503 } } },
  { name: 'S73 the service does not answer in time', service: 'silent', filter: { failure_mode_deny: true,
    timeout: '0.050s' }, asks: times(1, eve) },
  { name: 'S73 somebody else answers', service: 'other', filter: { failure_mode_deny: true }, asks: times(1, eve) },
];

const by = (name: string, key: string): object =>
  ({ actions: [{ request_headers: { header_name: name, descriptor_key: key } }] });
const fixed = (value: string): object => ({ actions: [{ generic_key: { descriptor_value: value } }] });
const perRoute = (config: object): object =>
  ({ typed_per_filter_config: { limit: { '@type': `${FILTERS}.RateLimitPerRoute`, ...config } } });
const to = (prefix: string, route: object, more: object = {}): object =>
  ({ match: { prefix }, route: { cluster: 'service', ...route }, ...more });

const ROUTES = [
  to('/both', { rate_limits: [fixed('all'), by('x-user', 'user')] }),
  to('/own', {}, perRoute({ domain: 'other', rate_limits: [fixed('own')] })),
  to('/none', {}, perRoute({ vh_rate_limits: 'IGNORE' })),
  { match: { prefix: '/direct' }, direct_response: { status: 200 } },
  to('/', {}),
];

function bootstrapFor({ filter }: Scenario, upstream: number, service: number, log: string): unknown {
  const grpc = { envoy_grpc: { cluster_name: 'ratelimit' } };
  const typed = {
    '@type': `${FILTERS}.RateLimit`, domain: 'shop', timeout: '5s',
    rate_limit_service: { transport_api_version: 'V3', grpc_service: grpc }, ...filter,
  };
  const line = '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n';
  const format = { text_format_source: { inline_string: line } };
  const listener = httpListener(ROUTES, {
    http_filters: [{ name: 'limit', typed_config: typed }],
    access_log: [{ name: 'file', typed_config: { '@type': FILE_LOG, path: log, log_format: format } }],
    route_config: { name: 'routes', virtual_hosts: [{ name: 'all', domains: ['*'], routes: ROUTES,
      rate_limits: [by('x-user', 'user')] }] },
  });
  return bootstrapOf([listener], [staticCluster('service', [upstream]), http2Cluster('ratelimit', service)]);
}

const SEEN = /^(x-rate|x-limited|x-service|x-envoy-rate|grpc|content-type|content-length)/;

/** What a client sees. */
async function ask(agent: Agent, port: number, { path = '/', method = 'GET', headers = {} }: Ask): Promise<string> {
  const answer = await request(`http://127.0.0.1:${port}${path}`, {
    dispatcher: agent, method: method as 'GET', headers,
  });
  const body = await answer.body.text();
  const echo = body.startsWith('{') ? JSON.parse(body) as Echo : undefined;
  const fields = Object.entries(answer.headers).flatMap(([name, value]) => {
    if (!SEEN.test(name) || (echo !== undefined && name === 'content-length')) return [];
    return [`${name}: ${name === 'x-ratelimit-reset' ? String(Number(value) > 0) : String(value)}`];
  });
  const shown = echo === undefined ? body : `x-told ${String(echo.headers['x-told'])}`;
  return [path, answer.statusCode, ...fields.toSorted(), shown].join(' | ');
}

async function servicePort(
  { service: kind }: Scenario, service: RateLimitService, other: EchoServer, silent: Server,
): Promise<number> {
  if (kind === 'gone') return 1;
  if (kind === 'other') return other.port;
  if (kind === undefined) return service.listen('127.0.0.1', 0);
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  return (silent.address() as AddressInfo).port;
}

async function run(kind: 'weft' | 'envoy', scenario: Scenario): Promise<unknown> {
  await using upstream = await EchoServer.start('service');
  const service = new RateLimitService(LIMITS);
  service.extra = scenario.extra ?? {};
  const folder = await mkdtemp(join(tmpdir(), 'weft-ratelimit-'));
  const log = join(folder, 'access.log');
  const silent = createServer((socket) => socket.on('error', () => undefined));
  try {
    const port = await servicePort(scenario, service, upstream, silent);
    const seen = await talk(kind, scenario, bootstrapFor(scenario, upstream.port, port, log));
    return { ...seen, log: (await readFile(log, 'latin1')).split('\n') };
  } finally {
    silent.close();
    service.close();
    await rm(folder, { recursive: true });
  }
}

/** The log is whole when it returns, since the proxy has ended. */
async function talk(kind: 'weft' | 'envoy', { asks }: Scenario, bootstrap: unknown): Promise<object> {
  await using proxy = await ProxyProcess.start(kind, bootstrap);
  const agent = new Agent({ connections: 1 });
  const answers: string[] = [];
  for (const each of asks) answers.push(await ask(agent, proxy.port('http'), each));
  await agent.close();
  return { answers, stats: await statsOf(proxy) };
}

/** Those that are not 0, since Envoy makes some of them late. */
async function statsOf(proxy: ProxyProcess): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const prefix of ['ratelimit', 'ratelimit.mine']) {
    for (const name of ['ok', 'error', 'over_limit', 'failure_mode_allowed']) {
      const value = await proxy.stat(`cluster.service.${prefix}.${name}`).catch(() => 0);
      if (value !== 0) found[`${prefix}.${name}`] = value;
    }
  }
  return found;
}

for (const scenario of SCENARIOS) {
  test(`global rate limit, ${scenario.name}: undici and grpc-js through weft as through Envoy`, { skip }, async () => {
    assert.deepEqual(await run('weft', scenario), await run('envoy', scenario));
  });
}
