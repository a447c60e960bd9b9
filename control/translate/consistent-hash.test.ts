// Balancing by hash and mirrors: what clusters and routes say of them, where the data plane takes their fields.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from '../../proxy/config/cluster.ts';
import { RouteAction } from '../../proxy/config/route-action.ts';
import { serviceYaml, viewOf } from '../../test/harness/mesh-fixture.ts';
import { honours } from '../model/data-plane.ts';
import type { HttpRule } from '../model/http-route.ts';
import { atOnce } from '../model/steps.ts';
import { hashBalancing, hashPolicy } from './consistent-hash.ts';
import { httpRoute } from './http-route.ts';
import type { Scope } from './mesh-view.ts';
import { outboundRoutes } from './outbound-route.ts';
import { serviceClusters } from './outbound-cluster.ts';

const SCOPE: Scope = { namespace: 'default', labels: new Map(), isWeft: true };
const hashes = honours(Cluster, 'ring_hash_lb_config') && honours(RouteAction, 'hash_policy');
const mirrors = honours(RouteAction, 'request_mirror_policies');

test('what is hashed becomes Envoy\'s hash policy, and the algorithm the policy of the cluster', () => {
  assert.deepEqual(hashPolicy({ httpHeaderName: 'x-user' }), { header: { headerName: 'x-user' } });
  assert.deepEqual(hashPolicy({ httpCookie: { name: 'c', path: '/', ttl: '0s' } }),
    { cookie: { name: 'c', path: '/', ttl: '0s' } });
  const attributes = [{ name: 'SameSite', value: 'Lax' }, { name: 'Secure' }];
  assert.deepEqual(hashPolicy({ httpCookie: { name: 'c', attributes } }), { cookie: { name: 'c', attributes } });
  assert.deepEqual(hashPolicy({ useSourceIp: true }), { connectionProperties: { sourceIp: true } });
  assert.deepEqual(hashPolicy({ httpQueryParameterName: 'q' }), { queryParameter: { name: 'q' } });
  assert.deepEqual(hashBalancing({ useSourceIp: true }),
    { lbPolicy: 'RING_HASH', ringHashLbConfig: { minimumRingSize: 1024 } });
  assert.deepEqual(hashBalancing({ ringHash: { minimumRingSize: 9 } }),
    { lbPolicy: 'RING_HASH', ringHashLbConfig: { minimumRingSize: 9 } });
  assert.deepEqual(hashBalancing({ maglev: { tableSize: 13 } }),
    { lbPolicy: 'MAGLEV', maglevLbConfig: { tableSize: 13 } });
  assert.deepEqual(hashBalancing({ maglev: {} }), { lbPolicy: 'MAGLEV' });
});

const RULE = `${serviceYaml('reviews')}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews, namespace: default }
spec: { host: reviews, trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user } } } }
`;

test('a rule that balances by hash holds where the data plane hashes, and is refused with its place elsewhere', () => {
  if (!hashes) {
    assert.throws(() => viewOf(RULE), /^Error: test\.yaml:\d+: .*consistentHash: is not supported/);
    return;
  }
  const view = viewOf(RULE);
  const [service] = view.registry.services;
  assert.equal(serviceClusters(view, SCOPE, service!)[0]?.cluster.lbPolicy, 'RING_HASH');
  const action = atOnce(outboundRoutes(view, SCOPE)).virtualHosts?.[0]?.routes?.[0]?.route as Record<string, unknown>;
  assert.deepEqual(action['hashPolicy'], [{ header: { headerName: 'x-user' } }]);
  const { retryHostPredicate } = action['retryPolicy'] as Record<string, unknown>;
  assert.equal(retryHostPredicate, undefined, 'a retry may go to the same endpoint');
});

test('a table that is no prime and two keys are refused by name', () => {
  const refused = (consistentHash: string): (() => unknown) => () =>
    viewOf(RULE.replace('{ httpHeaderName: x-user }', consistentHash));
  assert.throws(refused('{ useSourceIp: true, maglev: { tableSize: 12 } }'), /tableSize: .*prime/);
  assert.throws(refused('{ useSourceIp: true, httpHeaderName: a }'), /httpHeaderName|http_header_name/);
  assert.throws(refused('{ ringHash: {} }'), /httpHeaderName|http_header_name/);
});

const object = (http: string): string => `${serviceYaml('reviews')}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: v, namespace: default }
spec: { hosts: [reviews], http: [{ route: [{ destination: { host: reviews } }], ${http} }] }
`;

test('a mirror gets its share of the requests under their own host; a share of 0 is none', () => {
  const view = viewOf(object('timeout: 1s'));
  const [virtualService] = view.inventory.list('VirtualService');
  const destination = { host: 'reviews', subset: 'v2' };
  const rule: HttpRule = {
    route: [{ destination: { host: 'reviews' } }],
    mirrors: [{ destination }, { destination, percentage: { value: 12.5 } }, { destination, percentage: { value: 0 } }],
  };
  const context = { view, scope: SCOPE, object: virtualService!, ruleIndex: 0, port: 9080 };
  const { route } = httpRoute(rule, undefined, context);
  const copy = (numerator: number): object => ({
    cluster: 'outbound|9080|v2|reviews.default.svc.cluster.local',
    runtimeFraction: { defaultValue: { numerator, denominator: 'MILLION' } },
    disableShadowHostSuffixAppend: true,
  });
  assert.deepEqual((route as Record<string, unknown>)['requestMirrorPolicies'], [copy(1_000_000), copy(125_000)]);
});

test('mirror with either percentage is a list of one, where the data plane mirrors; else it is refused', () => {
  for (const [percent, numerator] of [['', 1_000_000], [', mirrorPercent: 10', 100_000],
    [', mirrorPercentage: { value: 0.5 }', 5000]] as const) {
    const yaml = object(`mirror: { host: reviews }${percent}`);
    if (!mirrors) {
      assert.throws(() => viewOf(yaml), /spec\.http\[0\]\.mirror: is not supported/);
      continue;
    }
    const table = atOnce(outboundRoutes(viewOf(yaml), SCOPE));
    const action = table.virtualHosts?.[0]?.routes?.[0]?.route as Record<string, unknown>;
    const [copy] = action['requestMirrorPolicies'] as { runtimeFraction: { defaultValue: { numerator: number } } }[];
    assert.equal(copy?.runtimeFraction.defaultValue.numerator, numerator);
  }
});
