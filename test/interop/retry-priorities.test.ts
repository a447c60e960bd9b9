// The priority of each retry, for every mixture of healthy, degraded and unhealthy ones: weft's is a real Envoy's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import { KEY_HEADER, SCRIPT_HEADER, ScriptedUpstreams } from '../harness/scripted-upstreams.ts';
import { bootstrapOf, httpListener } from '../harness/weft.ts';

const skip = reasonToSkip(findEnvoy(false));
const NAMES = ['a', 'b', 'c', 'd'] as const;
const STATUSES = ['HEALTHY', 'DEGRADED', 'UNHEALTHY'] as const;
const TYPE = 'type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig';

/** Statuses of the four priorities, one endpoint each; where all are unhealthy chance decides. */
const MIXTURES = Array.from({ length: 3 ** 4 }, (_, i) =>
  NAMES.map((_name, place) => STATUSES[Math.floor(i / 3 ** place) % 3]!))
  .filter((mixture) => mixture.some((status) => status !== 'UNHEALTHY'));

function cluster(name: string, mixture: readonly string[], ports: readonly number[]): unknown {
  const endpoints = mixture.map((health_status, priority) => ({ priority, lb_endpoints: [{ health_status,
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: ports[priority]! } } } }] }));
  return { name, type: 'STATIC', connect_timeout: '1s', load_assignment: { cluster_name: name, endpoints },
    common_lb_config: { healthy_panic_threshold: { value: 0 } },
    circuit_breakers: { thresholds: [{ max_retries: 100 }] } };
}

function route(to: string, update_frequency: number): unknown {
  const retry_priority = { name: 'p', typed_config: { '@type': TYPE, update_frequency } };
  const retry_policy = { retry_on: '5xx', num_retries: 6, retry_priority, retry_back_off: { base_interval: '0.001s' } };
  return { match: { prefix: `/${to}/${update_frequency}` }, route: { cluster: to, retry_policy } };
}

test('retries go from priority to priority as Envoy\'s do, whatever their health', { skip }, async () => {
  await using upstreams = await ScriptedUpstreams.start(NAMES);
  const ports = NAMES.map((name) => upstreams.portOf(name));
  const paths = MIXTURES.flatMap((_, i) => [1, 2, 3].map((frequency) => [`c${i}`, frequency] as const));
  const bootstrap = bootstrapOf([httpListener(paths.map(([to, frequency]) => route(to, frequency)))],
    MIXTURES.map((mixture, i) => cluster(`c${i}`, mixture, ports)));
  await using envoy = await ProxyProcess.start('envoy', bootstrap);
  await using weft = await ProxyProcess.start('weft', bootstrap);
  const tries = async (proxy: ProxyProcess, path: string): Promise<string> => {
    const key = `${proxy.kind} ${path}`;
    const headers = [[KEY_HEADER, key], [SCRIPT_HEADER, '503']] as const;
    await exchange(proxy.port('http'), requestText({ path, headers }));
    return upstreams.received(key).map(({ server }) => server).join('');
  };
  const problems: string[] = [];
  for (const [to, frequency] of paths) {
    const path = `/${to}/${frequency}`;
    const [theirs, ours] = [await tries(envoy, path), await tries(weft, path)];
    assert.equal(theirs.length, 7, path);
    const mixture = MIXTURES[Number(to.slice(1))]!.join();
    if (ours !== theirs) problems.push(`${mixture} every ${frequency}: ${theirs}, weft ${ours}`);
  }
  assert.deepEqual(problems, []);
});
