// Figures of RBAC filters and of each of their policies, through weft as through a real Envoy: the same names, the
// same counts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'undici';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener } from '../harness/weft.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC';

function policy(prefix: string): object {
  return { permissions: [{ url_path: { path: { prefix } } }], principals: [{ any: true }] };
}

function filter(name: string, config: object): object {
  return { name, typed_config: { '@type': TYPE, track_per_rule_stats: true, ...config } };
}

const FILTERS = [
  filter('first', {
    rules_stat_prefix: 'own.', shadow_rules_stat_prefix: 'dry_',
    rules: { action: 'DENY', policies: { 'ns[foo]-policy[bar]-rule[0]': policy('/no'), 'un.met': policy('/nobody') } },
    shadow_rules: { action: 'ALLOW', policies: { 'ns[foo]-policy[b.c]-rule[1]': policy('/s') } },
  }),
  filter('second', {
    rules: { action: 'ALLOW', policies: { 'ns[foo]-policy[ok]-rule[0]': policy('/s'), other: policy('/x') } },
  }),
];

const FLAT = [
  'http.web.rbac.allowed: 3', 'http.web.rbac.denied: 1',
  'http.web.rbac.dry_.policy.ns[foo]-policy[b.c]-rule[1].shadow_allowed: 2',
  'http.web.rbac.dry_.shadow_allowed: 2', 'http.web.rbac.dry_.shadow_denied: 3',
  'http.web.rbac.own.allowed: 4', 'http.web.rbac.own.denied: 1',
  'http.web.rbac.own.policy.ns[foo]-policy[bar]-rule[0].denied: 1',
  'http.web.rbac.policy.ns[foo]-policy[ok]-rule[0].allowed: 2', 'http.web.rbac.policy.other.allowed: 1',
  'http.web.rbac.shadow_allowed: 0', 'http.web.rbac.shadow_denied: 0',
];
const LABELLED = [
  'envoy_http_rbac_policy_allowed{envoy_rbac_policy_name="ns[foo]-policy[ok]-rule[0]",'
    + 'envoy_http_conn_manager_prefix="web"} 2',
  'envoy_http_rbac_policy_allowed{envoy_rbac_policy_name="other",envoy_http_conn_manager_prefix="web"} 1',
  'envoy_http_rbac_policy_denied{envoy_rbac_policy_name="ns[foo]-policy[bar]-rule[0]",envoy_rbac_http_prefix="own",'
    + 'envoy_http_conn_manager_prefix="web"} 1',
];

for (const { kind, skip } of candidates()) {
  void test(`${kind} counts what each policy denies and allows (undici)`, { skip }, async () => {
    const route = { match: { prefix: '/' }, direct_response: { status: 200 } };
    const listener = httpListener([route], { stat_prefix: 'web', http_filters: FILTERS }, 'web');
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([listener], []));
    for (const path of ['/no', '/s', '/s', '/x', '/y']) {
      await (await request(`http://127.0.0.1:${proxy.port('web')}${path}`)).body.dump();
    }
    const lines = async (path: string, wanted: RegExp): Promise<string[]> =>
      (await proxy.admin(path)).split('\n').filter((line) => wanted.test(line)).toSorted();
    assert.deepEqual(await lines('/stats', /rbac/), FLAT);
    assert.deepEqual((await lines('/stats/prometheus', /^envoy_http_rbac_policy_(allowed|denied)\{/)).map(sorted),
      LABELLED.map(sorted));
  });
}

/** Labels in one order. */
function sorted(line: string): string {
  const [, name = '', labels = '', value = ''] = /^(\w+)\{(.*)\} (\d+)$/.exec(line) ?? [];
  return `${name} ${labels.split(/,(?=envoy_)/).toSorted().join(' ')} ${value}`;
}
