// Where retries go, through weft as through a real Envoy: other hosts, other priorities, not to canaries.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import { KEY_HEADER, SCRIPT_HEADER, ScriptedUpstreams } from '../harness/scripted-upstreams.ts';
import { bootstrapOf, httpListener } from '../harness/weft.ts';

const HOST = 'type.googleapis.com/envoy.extensions.retry.host';
const PREVIOUS = { name: 'previous', typed_config: { '@type': `${HOST}.previous_hosts.v3.PreviousHostsPredicate` } };
const CANARY = { name: 'canary', typed_config: { '@type': `${HOST}.omit_canary_hosts.v3.OmitCanaryHostsPredicate` } };
const BETA = { name: 'beta', typed_config: {
  '@type': `${HOST}.omit_host_metadata.v3.OmitHostMetadataConfig`,
  metadata_match: { filter_metadata: { 'envoy.lb': { stage: 'beta' } } },
} };

function priorities(update_frequency: number): unknown {
  const type = 'type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig';
  return { name: 'priorities', typed_config: { '@type': type, update_frequency } };
}

/** A cluster whose servers have a priority each, and metadata. */
function cluster(
  name: string, servers: readonly (readonly [port: number, priority: number, metadata?: unknown])[], fields = {},
): unknown {
  const endpoints = servers.map(([port_value, priority, lb]) => ({ priority, lb_endpoints: [{
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value } } },
    ...(lb !== undefined && { metadata: { filter_metadata: { 'envoy.lb': lb } } }),
  }] }));
  return { name, type: 'STATIC', connect_timeout: '1s', load_assignment: { cluster_name: name, endpoints }, ...fields };
}

function route(prefix: string, to: string, policy: object): unknown {
  const retry_policy = { retry_on: '5xx', num_retries: 6, host_selection_retry_max_attempts: 50,
    retry_back_off: { base_interval: '0.001s' }, ...policy };
  return { match: { prefix }, route: { cluster: to, retry_policy } };
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} retries elsewhere (node:http)`, { skip }, async (t) => {
    await using upstreams = await ScriptedUpstreams.start(['a', 'b', 'c']);
    const [a, b, c] = ['a', 'b', 'c'].map((name) => upstreams.portOf(name)) as [number, number, number];
    const flat = [[a, 0, { canary: true, stage: ['alpha', 'beta'] }], [b, 0, { canary: false }], [c, 0]] as const;
    const levels = [[a, 0], [b, 1], [c, 2]] as const;
    const routes = [
      route('/each', 'levels', { retry_priority: priorities(1) }),
      route('/second', 'levels', { retry_priority: priorities(2) }),
      route('/both', 'levels', { retry_priority: priorities(1), retry_host_predicate: [PREVIOUS] }),
      route('/canary', 'flat', { retry_host_predicate: [CANARY] }),
      route('/beta', 'flat', { retry_host_predicate: [BETA] }),
      route('/previous', 'flat', { retry_host_predicate: [PREVIOUS], num_retries: 2 }),
      route('/slow', 'flat', { retry_host_predicate: [PREVIOUS], num_retries: 2, per_try_timeout: '0.2s' }),
      route('/ring', 'ring', { retry_priority: priorities(1), retry_host_predicate: [PREVIOUS] }),
    ];
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([httpListener(routes)], [
      cluster('flat', flat), cluster('levels', levels), cluster('ring', levels, { lb_policy: 'RING_HASH' }),
    ]));
    let key = 0;
    const serversOf = async (path: string, script: string): Promise<string> => {
      const headers = [[KEY_HEADER, `key ${++key}`], [SCRIPT_HEADER, script]] as const;
      await exchange(proxy.port('http'), requestText({ path, headers }));
      return upstreams.received(`key ${key}`).map(({ server }) => server).join('');
    };

    await t.test('to the next priority after each try, and after every second', async () => {
      assert.equal(await serversOf('/each', '503'), 'abcabca');
      assert.equal(await serversOf('/second', '503'), 'aabbcca');
      assert.equal(await serversOf('/both', '503'), 'abcabca');
    });

    await t.test('policies by hash stay in their priority', async () => {
      assert.equal(await serversOf('/ring', '503'), 'aaaaaaa');
    });

    await t.test('not to canaries, nor to labels', async () => {
      for (let i = 0; i < 6; i++) {
        assert.match(await serversOf('/canary', '503'), /^[abc][bc]{6}$/);
        assert.match(await serversOf('/beta', '503'), /^[abc][bc]{6}$/);
      }
    });

    await t.test('not to hosts that were tried, also when they said nothing', async () => {
      for (let i = 0; i < 6; i++) {
        assert.equal(new Set(await serversOf('/previous', '503')).size, 3);
        assert.equal(new Set(await serversOf('/slow', '200+5000 503 200')).size, 3);
      }
    });
  });
}
