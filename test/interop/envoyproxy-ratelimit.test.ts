// Global rate limits by the reference service, envoyproxy/ratelimit with a Redis (miniredis), both in Go: undici meets
// the same limits, headers and stats through weft as through a real Envoy, and as by our own service.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Agent, request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { RateLimitService } from '../../examples/ratelimit/service.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { findGoTool } from '../harness/go-tools.ts';
import { http2Cluster } from '../harness/http2-bootstrap.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { answers, ServerProcess } from '../harness/process.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import type { ProxyKind } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener, staticCluster } from '../harness/weft.ts';

const service = findGoTool('ratelimit', false);
const redis = findGoTool('miniredis', false);
const skip = reasonToSkip(service) || reasonToSkip(redis) || reasonToSkip(findEnvoy(false));
const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3';

const RULES = `
domain: shop
descriptors:
  - { key: user, value: eve, rate_limit: { name: eve, unit: day, requests_per_unit: 1 } }
  - { key: user, rate_limit: { unit: day, requests_per_unit: 3 } }
  - key: tier
    value: gold
    descriptors: [{ key: user, rate_limit: { unit: hour, requests_per_unit: 2 } }]
`;

/** The same for the service of examples/. */
const LIMITS = [
  { domain: 'shop', entries: [{ key: 'user', value: 'eve' }], requests: 1, unit: 'DAY', name: 'eve' },
  { domain: 'shop', entries: [{ key: 'user' }], requests: 3, unit: 'DAY' },
  { domain: 'shop', entries: [{ key: 'tier', value: 'gold' }, { key: 'user' }], requests: 2, unit: 'HOUR' },
] as const;

/** The port of its gRPC side; each start is with an empty Redis. */
async function startReference(t: TestContext): Promise<number> {
  const root = temporaryFolder(t);
  mkdirSync(join(root, 'config'));
  writeFileSync(join(root, 'config', 'shop.yaml'), RULES);
  const [store, http, grpc, debug] = await freePorts(4) as [number, number, number, number];
  const database = new ServerProcess(redis, [`127.0.0.1:${store}`], { name: 'miniredis' });
  t.after(() => database.stop());
  await database.until(() => accepts(store));
  const started = new ServerProcess(service, [], {
    name: 'envoyproxy/ratelimit',
    env: {
      USE_STATSD: 'false', REDIS_SOCKET_TYPE: 'tcp', REDIS_URL: `127.0.0.1:${store}`, RUNTIME_ROOT: root,
      RUNTIME_SUBDIRECTORY: '', RUNTIME_WATCH_ROOT: 'false', LIMIT_RESPONSE_HEADERS_ENABLED: 'false',
      HOST: '127.0.0.1', PORT: String(http), GRPC_HOST: '127.0.0.1', GRPC_PORT: String(grpc),
      DEBUG_HOST: '127.0.0.1', DEBUG_PORT: String(debug), LOG_LEVEL: 'error',
    },
  });
  t.after(() => started.stop());
  await started.until(() => answers(`http://127.0.0.1:${http}/healthcheck`));
  return grpc;
}

async function startOurs(t: TestContext): Promise<number> {
  const ours = new RateLimitService(LIMITS);
  t.after(() => ours.close());
  return ours.listen('127.0.0.1', 0);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function bootstrapFor(upstream: number, limits: number): unknown {
  const header = (name: string): object => ({ request_headers: { header_name: `x-${name}`, descriptor_key: name } });
  const routes = [{ match: { prefix: '/' }, route: { cluster: 'web', rate_limits: [
    { actions: [header('user')] }, { actions: [header('tier'), header('user')] },
  ] } }];
  const filter = {
    '@type': `${FILTERS}.RateLimit`, domain: 'shop', timeout: '5s', failure_mode_deny: true,
    enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
    rate_limit_service: { transport_api_version: 'V3', grpc_service: { envoy_grpc: { cluster_name: 'limits' } } },
  };
  const listener = httpListener(routes, { http_filters: [{ name: 'limit', typed_config: filter }] });
  return bootstrapOf([listener], [staticCluster('web', [upstream]), http2Cluster('limits', limits)]);
}

const ASKS: readonly Record<string, string>[] = [
  { 'x-user': 'eve' }, { 'x-user': 'eve' }, {},
  { 'x-user': 'amy' }, { 'x-user': 'amy' }, { 'x-user': 'amy' }, { 'x-user': 'amy' },
  { 'x-user': 'bob', 'x-tier': 'gold' }, { 'x-user': 'bob', 'x-tier': 'gold' }, { 'x-user': 'bob', 'x-tier': 'gold' },
];

async function run(kind: ProxyKind, limits: number): Promise<unknown> {
  await using upstream = await EchoServer.start('web');
  await using proxy = await ProxyProcess.start(kind, bootstrapFor(upstream.port, limits));
  const agent = new Agent({ connections: 1 });
  const seen: unknown[] = [];
  for (const headers of ASKS) {
    const answer = await request(`http://127.0.0.1:${proxy.port('http')}/`, { dispatcher: agent, headers });
    await answer.body.dump();
    const told = ['limit', 'remaining'].map((name) => answer.headers[`x-ratelimit-${name}`]);
    seen.push([answer.statusCode, ...told, Number(answer.headers['x-ratelimit-reset']) > 0]);
  }
  await agent.close();
  const stats = ['ok', 'over_limit'].map((name) => proxy.stat(`cluster.web.ratelimit.${name}`));
  return { seen, stats: await Promise.all(stats) };
}

void test('envoyproxy/ratelimit limits undici through weft as through a real Envoy', { skip }, async (t) => {
  const weft = await run('weft', await startReference(t)) as { seen: [number][]; stats: number[] };
  assert.deepEqual(weft, await run('envoy', await startReference(t)));
  assert.deepEqual(weft.seen.map(([status]) => status), [200, 429, 200, 200, 200, 200, 429, 200, 200, 429]);
});

void test('the service of examples/ratelimit says the same as envoyproxy/ratelimit', { skip }, async (t) => {
  assert.deepEqual(await run('weft', await startOurs(t)), await run('weft', await startReference(t)));
});
