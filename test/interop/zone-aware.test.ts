// Zone-aware routing: generated zones of a cluster and of its clients share requests as under a real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { areAlike } from '../harness/chi-squared.ts';
import { Draw } from '../harness/draw.ts';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener } from '../harness/weft.ts';

const skip = reasonToSkip(findEnvoy(false));
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const POLICY = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const ZONES = ['here', 'there', 'yonder'];
const CLUSTERS = 14;
const SERVERS = 7;
const REQUESTS = 120;
/** What each pick counts; Envoy counts other things when it reckons, which it does more often than weft. */
const STATS = ['lb_zone_routing_all_directly', 'lb_zone_no_capacity_left', 'upstream_cx_none_healthy',
  'lb_healthy_panic'];

type Json = Record<string, unknown>;

interface Drawn {
  readonly name: string;
  readonly config: unknown;
}

function endpointOf(draw: Draw, port: number, sick: number): Json {
  return {
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
    ...draw.maybe(sick, () => ({ health_status: 'UNHEALTHY' })),
  };
}

function localities(draw: Draw, ports: readonly number[], zones: readonly string[], sick: number): Json[] {
  const byZone = new Map<string, Json[]>();
  for (const port of ports) {
    const zone = draw.pick(zones);
    byZone.set(zone, [...byZone.get(zone) ?? [], endpointOf(draw, port, sick)]);
  }
  return [...byZone].map(([zone, endpoints]) => ({ locality: { zone }, lb_endpoints: endpoints }));
}

function drawCluster(draw: Draw, name: string, ports: readonly number[]): Drawn {
  const zones = draw.chance(0.2) ? ZONES.slice(1) : ZONES;
  const endpoints = localities(draw, ports, zones, draw.chance(0.5) ? 0.3 : 0);
  const zoneAware = {
    ...draw.maybe(0.6, () => ({ min_cluster_size: draw.pick([1, 4, 7]) })),
    ...draw.maybe(0.4, () => ({ routing_enabled: { value: draw.pick([0, 50, 80]) } })),
    ...draw.maybe(0.4, () => ({ fail_traffic_on_panic: true })),
  };
  const common = { healthy_panic_threshold: { value: draw.pick([0, 50, 80]) } };
  const base = { name, type: 'STATIC', connect_timeout: '1s', load_assignment: { cluster_name: name, endpoints } };
  if (draw.chance(0.4)) {
    return { name, config: { ...base, common_lb_config: { ...common, ...draw.maybe(0.8, () => (
      { zone_aware_lb_config: zoneAware })) }, lb_policy: draw.pick(['ROUND_ROBIN', 'RANDOM', 'LEAST_REQUEST']) } };
  }
  const typed = { ...zoneAware, ...draw.maybe(0.4, () => ({ force_local_zone: { min_size: 1 + draw.below(3) } })),
    ...draw.maybe(0.3, () => ({ locality_basis: 'HEALTHY_HOSTS_WEIGHT' })) };
  const locality = { zone_aware_lb_config: typed };
  const policy = { '@type': `${POLICY}.round_robin.v3.RoundRobin`, locality_lb_config: locality };
  return { name, config: { ...base, common_lb_config: common,
    load_balancing_policy: { policies: [{ typed_extension_config: { name: 'policy', typed_config: policy } }] } } };
}

/** The first `sick` of them are not healthy; nobody asks them anything. */
function localProxies(zones: readonly string[], sick: number): Json[] {
  const proxies = zones.map((zone, i) => ({ zone, endpoint: {
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: 1 + i } } },
    ...(i < sick && { health_status: 'UNHEALTHY' }) } }));
  return [...Map.groupBy(proxies, ({ zone }) => zone)]
    .map(([zone, some]) => ({ locality: { zone }, lb_endpoints: some.map(({ endpoint }) => endpoint) }));
}

/** Requests by server, or by the status of those that none answered. */
async function counted(proxy: ProxyProcess, path: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (let i = 0; i < REQUESTS; i++) {
    const response = await fetch(`http://127.0.0.1:${proxy.port('http')}${path}`);
    const text = await response.text();
    const answered = response.ok ? (JSON.parse(text) as Echo).server : `${response.status}`;
    counts.set(answered, (counts.get(answered) ?? 0) + 1);
  }
  return counts;
}

function shown(counts: ReadonlyMap<string, number>): string {
  return JSON.stringify(Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1))));
}

for (const [title, near, sickProxies] of [
  ['few proxies near', ['here', 'there', 'there', 'yonder'], 0],
  ['most proxies near', ['here', 'here', 'here', 'there'], 0],
  ['proxies in panic', ['here', 'here', 'there', 'there', 'yonder'], 3],
  ['proxies of one zone', ['here', 'here'], 0], ['no proxy near', ['there', 'yonder'], 0],
] as const) {
  test(`zones with ${title} share requests as in Envoy (seed ${SEED})`, { skip }, async () => {
    await using stack = new AsyncDisposableStack();
    const servers = await Promise.all(Array.from({ length: SERVERS }, (_, i) => EchoServer.start(`s${i}`)));
    for (const server of servers) stack.use(server);
    const draw = new Draw(SEED);
    const ports = servers.map(({ port }) => port);
    const clusters = Array.from({ length: CLUSTERS }, (_, i) => drawCluster(draw, `c${i}`, ports));
    const local = { name: 'proxies', type: 'STATIC', connect_timeout: '1s',
      load_assignment: { cluster_name: 'proxies', endpoints: localProxies(near, sickProxies) } };
    const routes = clusters.map(({ name }) => ({ match: { prefix: `/${name}/` }, route: { cluster: name } }));
    const bootstrap = {
      ...bootstrapOf([httpListener(routes)], [...clusters.map(({ config }) => config), local]) as object,
      node: { id: 'proxy', cluster: 'proxies', locality: { zone: 'here' } },
      cluster_manager: { local_cluster_name: 'proxies' },
    };
    const envoy = stack.use(await ProxyProcess.start('envoy', bootstrap));
    const weft = stack.use(await ProxyProcess.start('weft', bootstrap));
    const problems: string[] = [];
    for (const { name, config } of clusters) {
      const [theirs, ours] = [await counted(envoy, `/${name}/`), await counted(weft, `/${name}/`)];
      if (!areAlike(theirs, ours)) {
        problems.push(`${JSON.stringify(config)}: envoy ${shown(theirs)}, weft ${shown(ours)}`);
      }
      for (const stat of STATS) {
        const full = `cluster.${name}.${stat}`;
        const [expected, found] = [await envoy.stat(full), await weft.stat(full)];
        // Half of the picks may look at zones: then it is a matter of chance how often each does.
        if (Math.abs(expected - found) > REQUESTS / 4) problems.push(`${full}: envoy ${expected}, weft ${found}`);
      }
    }
    assert.deepEqual(problems, []);
  });
}

