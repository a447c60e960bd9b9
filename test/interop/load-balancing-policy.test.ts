// Policies by load_balancing_policy: by hash the endpoint that a real Envoy chooses, else its shares.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../proxy/base/random.ts';
import { assertFits } from '../harness/chi-squared.ts';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener } from '../harness/weft.ts';

const skip = reasonToSkip(findEnvoy(false));
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const POLICY = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const WEIGHTS = [1, 2, 3, 4];
/** Two endpoints in each, which have half and the other half of the requests where localities count. */
const ZONE_WEIGHTS = [5, 5];

type Json = Record<string, unknown>;

const BY_LOCALITY = { locality_weighted_lb_config: {} };
const HASHED: Json = {
  ring: policy('ring_hash.v3.RingHash', { minimum_ring_size: 64, maximum_ring_size: 2000 }),
  'ring-by-locality': policy('ring_hash.v3.RingHash', BY_LOCALITY),
  'ring-by-name': policy('ring_hash.v3.RingHash',
    { hash_function: 'XX_HASH', consistent_hashing_lb_config: { use_hostname_for_hashing: true } }),
  table: policy('maglev.v3.Maglev', { table_size: 251 }),
  'table-by-locality': policy('maglev.v3.Maglev', BY_LOCALITY),
  'table-by-name': policy('maglev.v3.Maglev', { consistent_hashing_lb_config: { use_hostname_for_hashing: true } }),
};
const SHARED: Readonly<Record<string, readonly [shares: readonly number[], config: Json]>> = {
  rotation: [WEIGHTS, policy('round_robin.v3.RoundRobin')],
  'rotation-by-locality': [[1 / 3, 2 / 3, 3 / 7, 4 / 7],
    policy('round_robin.v3.RoundRobin', { locality_lb_config: BY_LOCALITY })],
  idlest: [WEIGHTS, policy('least_request.v3.LeastRequest', { selection_method: 'FULL_SCAN', choice_count: 3 })],
  chance: [[1, 1, 1, 1], policy('random.v3.Random')],
};

function policy(name: string, fields: Json = {}): Json {
  const custom = { '@type': 'type.googleapis.com/xds.type.v3.TypedStruct', type_url: 'type.googleapis.com/x.Custom' };
  const configs = [custom, { '@type': `${POLICY}.${name}`, ...fields }];
  return { policies: configs.map((config) => ({ typed_extension_config: { name: 'policy', typed_config: config } })) };
}

function cluster(name: string, ports: readonly number[], balancing: unknown): unknown {
  const endpoints = ZONE_WEIGHTS.map((weight, zone) => ({
    locality: { zone: `zone-${zone}` }, load_balancing_weight: weight,
    lb_endpoints: ports.slice(2 * zone, 2 * zone + 2).map((port, i) => ({
      endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } }, hostname: `host-${port}` },
      load_balancing_weight: WEIGHTS[2 * zone + i],
    })),
  }));
  return { name, type: 'STATIC', connect_timeout: '1s', load_balancing_policy: balancing,
    load_assignment: { cluster_name: name, endpoints } };
}

async function serverOf(proxy: ProxyProcess, path: string, user: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${proxy.port('http')}${path}`, { headers: { 'x-user': user } });
  return (JSON.parse(await response.text()) as Echo).server;
}

test(`policies by extension balance as in Envoy (seed ${SEED})`, { skip }, async (t) => {
  await using stack = new AsyncDisposableStack();
  const servers = await Promise.all(WEIGHTS.map((weight) => EchoServer.start(`${weight}`)));
  for (const server of servers) stack.use(server);
  const shared = Object.entries(SHARED).map(([name, [, config]]) => [name, config] as const);
  const configs = { ...HASHED, ...Object.fromEntries(shared) };
  const routes = Object.keys(configs).map((name) => ({ match: { prefix: `/${name}/` },
    route: { cluster: name, hash_policy: [{ header: { header_name: 'x-user' } }] } }));
  const ports = servers.map(({ port }) => port);
  const bootstrap = bootstrapOf([httpListener(routes)],
    Object.entries(configs).map(([name, config]) => cluster(name, ports, config)));
  const envoy = stack.use(await ProxyProcess.start('envoy', bootstrap));
  const weft = stack.use(await ProxyProcess.start('weft', bootstrap));
  const random = new SeededRandom(SEED);

  for (const name of Object.keys(HASHED)) {
    await t.test(`${name}: a hash leads to the same server`, async () => {
      const used = new Set<string>();
      for (let i = 0; i < 60; i++) {
        const user = random.hex(12);
        const [theirs, ours] = [await serverOf(envoy, `/${name}/`, user), await serverOf(weft, `/${name}/`, user)];
        assert.equal(ours, theirs, user);
        used.add(ours);
      }
      assert.ok(used.size > 1);
    });
  }

  for (const [name, [shares]] of Object.entries(SHARED)) {
    for (const proxy of [envoy, weft]) {
      await t.test(`${proxy.kind} ${name}: shares are as configured`, async () => {
        const counts = WEIGHTS.map(() => 0);
        for (let i = 0; i < 300; i++) counts[Number(await serverOf(proxy, `/${name}/`, '')) - 1]!++;
        assertFits(counts, shares, name);
      });
    }
  }
});
