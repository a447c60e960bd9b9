// The table of HTTP filters: what is made of which type, what `disabled` means, what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heldBuckets, heldCounts } from '../../test/harness/buckets.ts';
import { CountedStats } from '../../test/harness/counted.ts';
import { HeldFilterStream } from '../../test/harness/filter-stream.ts';
import { ManualClock } from '../base/clock.ts';
import { SeededRandom } from '../base/random.ts';
import { TimerWheel } from '../base/timers.ts';
import type { HttpFilter as HttpFilterConfig } from '../config/http-connection-manager.ts';
import type { RBAC } from '../config/rbac.ts';
import {
  CORS_POLICY_TYPE, CORS_TYPE, FAULT_TYPE, GLOBAL_RATE_LIMIT_TYPE, GRPC_STATS_TYPE, GRPC_WEB_TYPE, ISTIO_STATS_TYPE,
  LOCAL_RATE_LIMIT_TYPE, RBAC_PER_ROUTE_TYPE, RBAC_TYPE, ROUTER_TYPE,
} from '../config/type-url.ts';
import { AccessDecisions } from '../telemetry/decision-sink.ts';
import type { ClusterSet } from '../upstream/upstream.ts';
import { FilterChain } from './chain.ts';
import { CorsRules } from './cors-policy.ts';
import type { HttpFilter } from './filter.ts';
import { SecretStore } from '../tls/secret-store.ts';
import { HttpFilters } from './registry.ts';

const ROUTER: HttpFilterConfig = { name: 'router', typedConfig: { '@type': ROUTER_TYPE } };
const DENY_ALL = { '@type': RBAC_TYPE, rules: {} } as const;
const ABORT_ALL = { '@type': FAULT_TYPE, abort: { httpStatus: 500, percentage: { numerator: 100 } } } as const;

const ASKING = { '@type': GLOBAL_RATE_LIMIT_TYPE, domain: 'd',
  rateLimitService: { grpcService: { envoyGrpc: { clusterName: 'limits' } } } } as const;

function registry(counted = new CountedStats()): HttpFilters {
  const clusters = { get: () => undefined } as unknown as ClusterSet;
  const node = { id: 'n', cluster: 'c', metadata: {} };
  const clock = new ManualClock();
  return new HttpFilters({
    clusters, random: new SeededRandom(1), stats: counted.stats, node, buckets: heldBuckets(), counts: heldCounts(),
    decisions: new AccessDecisions(), clock, timers: new TimerWheel(clock),
    secrets: new SecretStore(), logins: { ask: () => false },
    hosts: { ask: () => false, uses: { begin: () => undefined, end: () => undefined } },
  });
}

async function compile(config: HttpFilterConfig[], counted?: CountedStats): Promise<readonly HttpFilter[]> {
  const filters = await registry(counted).compile(config, 'p', 'INBOUND');
  return new FilterChain(filters).requestHead;
}

test('filters come in the order of the configuration, under their configured names', async () => {
  const filters = await registry().compile([
    { name: 'r1', typedConfig: DENY_ALL }, { name: 'f', typedConfig: { '@type': FAULT_TYPE } },
    { name: 'c', typedConfig: { '@type': CORS_TYPE } },
    { name: 'l', typedConfig: { '@type': LOCAL_RATE_LIMIT_TYPE, statPrefix: 'l' } }, { name: 's', typedConfig: ASKING },
    { name: 'w', typedConfig: { '@type': GRPC_WEB_TYPE } }, { name: 'g', typedConfig: { '@type': GRPC_STATS_TYPE } },
    { name: 'istio.stats', typedConfig: { '@type': ISTIO_STATS_TYPE } },
    ROUTER,
  ], 'p', 'OUTBOUND');
  assert.deepEqual(filters.map(({ name }) => name), ['r1', 'f', 'c', 'l', 's', 'w', 'g', 'istio.stats', 'router']);
});

test('stats are named after the connection manager', async () => {
  const counted = new CountedStats();
  const [rbac] = await compile([{ name: 'rbac', typedConfig: DENY_ALL }, ROUTER], counted);
  assert.equal(rbac!.onRequestHead!(new HeldFilterStream(), true), 'replied');
  assert.deepEqual(counted.counts, { 'http.p.rbac.denied': 1 });
});

test('a disabled filter does nothing of its own, and what a route asks of it', async () => {
  const [rbac, fault] = await compile([
    { name: 'rbac', typedConfig: DENY_ALL, disabled: true },
    { name: 'fault', typedConfig: ABORT_ALL, disabled: true },
    ROUTER,
  ]);
  const plain = new HeldFilterStream();
  assert.equal(rbac!.onRequestHead!(plain, true), 'continue');
  assert.equal(fault!.onRequestHead!(plain, true), 'continue');
  const perFilterConfig = new Map([
    ['rbac', perRoute('rbac', { '@type': RBAC_PER_ROUTE_TYPE, rbac: { rules: {} } })],
    ['fault', perRoute('fault', ABORT_ALL)],
  ]);
  assert.equal(rbac!.onRequestHead!(new HeldFilterStream({ perFilterConfig }), true), 'replied');
  assert.equal(fault!.onRequestHead!(new HeldFilterStream({ perFilterConfig }), true), 'replied');
});

function perRoute(name: string, config: { readonly '@type': string; readonly rbac?: RBAC }): unknown {
  return registry().compileFilterConfig(name, config, 'typedPerFilterConfig', undefined);
}

test('disabled filters that routes say nothing to are left out; a disabled router is refused', async () => {
  const off = ([ISTIO_STATS_TYPE, GRPC_STATS_TYPE, GRPC_WEB_TYPE] as const).map((type): HttpFilterConfig =>
    ({ name: type, typedConfig: { '@type': type }, disabled: true }));
  assert.equal((await registry().compile([...off, ROUTER], 'p', undefined)).length, 1);
  const place = /^ConfigError: httpFilters\[0\]\.disabled: the router/;
  await assert.rejects(compile([{ ...ROUTER, disabled: true }]), place);
});

test('faults are told by their place, and unknown types by name', async () => {
  const policies = { p: { permissions: [{}], principals: [{ any: true }] } };
  const bad = { '@type': RBAC_TYPE, rules: { policies } } as const;
  const cors: HttpFilterConfig = { name: 'a', typedConfig: { '@type': CORS_TYPE } };
  const config = [cors, { name: 'b', typedConfig: bad }, ROUTER];
  const place = /^ConfigError: httpFilters\[1\]\.typedConfig\.rules\.policies/;
  await assert.rejects(compile(config), place);
  for (const type of ['type.googleapis.com/x.Lua', 'constructor']) {
    const unknown = { name: 'a', typedConfig: { '@type': type } } as unknown as HttpFilterConfig;
    await assert.rejects(compile([unknown]), new RegExp(`^ConfigError: httpFilters\\[0\\]\\.typedConfig: '${type}'`));
  }
  assert.throws(() => perRoute('x', { '@type': RBAC_TYPE }), /^ConfigError: typedPerFilterConfig: no filter takes/);
});

test('a route\'s CORS policy is filled up from the enclosing level\'s', () => {
  const { compileFilterConfig } = registry();
  const outer = compileFilterConfig('cors', { '@type': CORS_POLICY_TYPE, maxAge: '9' } as never, 'p', undefined);
  const inner = compileFilterConfig('cors', { '@type': CORS_POLICY_TYPE } as never, 'p', outer);
  assert.ok(inner instanceof CorsRules);
  assert.equal(inner.maxAge, '9');
});
