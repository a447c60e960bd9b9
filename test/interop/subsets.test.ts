// Subsets of clusters: each generated route reaches the servers that it reaches through a real Envoy, counted alike.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import { bootstrapOf, staticCluster } from '../harness/weft.ts';
import { generateSubsets } from './generated-subsets.ts';

const skip = reasonToSkip(findEnvoy(false));
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const SERVERS = 5;
const CLUSTERS = 12;
/** A rotation over five servers meets them all. */
const REQUESTS = 6;
const STATS = ['lb_subsets_selected', 'lb_subsets_fallback', 'lb_subsets_fallback_panic', 'upstream_cx_none_healthy',
  'lb_healthy_panic'];

/** Who answers on a path, or with what status nobody does. */
async function reached(proxy: ProxyProcess, path: string): Promise<string> {
  const found = new Set<string>();
  for (let i = 0; i < REQUESTS; i++) {
    const response = await fetch(`http://127.0.0.1:${proxy.port('http')}${path}`);
    const text = await response.text();
    found.add(response.ok ? (JSON.parse(text) as Echo).server : `${response.status}`);
  }
  return [...found].toSorted().join(' ');
}

test(`generated subsets are those of Envoy (seed ${SEED})`, { skip }, async () => {
  const servers = await Promise.all(Array.from({ length: SERVERS }, (_, i) => EchoServer.start(`s${i}`)));
  await using stack = new AsyncDisposableStack();
  for (const server of servers) stack.use(server);
  const { bootstrap, routes } = generateSubsets(SEED, CLUSTERS, servers.map(({ port }) => port));
  const envoy = stack.use(await ProxyProcess.start('envoy', bootstrap));
  const weft = stack.use(await ProxyProcess.start('weft', bootstrap));
  const problems: string[] = [];
  const outcomes = new Set<string>();
  for (const [path, route] of routes) {
    const [theirs, ours] = [await reached(envoy, path), await reached(weft, path)];
    outcomes.add(theirs);
    if (theirs !== ours) problems.push(`${path} ${JSON.stringify(route)}: envoy [${theirs}], weft [${ours}]`);
  }
  for (let i = 0; i < CLUSTERS; i++) {
    for (const stat of STATS) {
      const name = `cluster.c${i}.${stat}`;
      const [theirs, ours] = [await envoy.stat(name), await weft.stat(name)];
      if (theirs !== ours) problems.push(`${name}: envoy ${theirs}, weft ${ours}`);
    }
    // Envoy counts subsets in its main thread as well.
    const active = `cluster.c${i}.lb_subsets_active`;
    const [theirs, ours] = [await envoy.stat(active), await weft.stat(active)];
    if (theirs !== 2 * ours) problems.push(`${active}: envoy ${theirs}, weft ${ours}`);
  }
  assert.deepEqual(problems, []);
  assert.ok(outcomes.size > 5, [...outcomes].join('; '));
});

const TCP_PROXY = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

function lb(values: Record<string, string>): object {
  return { filter_metadata: { 'envoy.lb': values } };
}

function tcpListener(name: string, config: object): object {
  return {
    name, address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [{ name: 'tcp', typed_config: { '@type': TCP_PROXY, stat_prefix: name, ...config } }] }],
  };
}

for (const { kind, skip } of candidates()) {
  void test(`${kind}: TCP connections reach the subset that the proxy and its cluster ask for`, { skip }, async () => {
    await using one = await EchoServer.start('one');
    await using two = await EchoServer.start('two');
    const endpoints = [one, two].map(({ name, port }) => ({
      endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } }, metadata: lb({ name }),
    }));
    const cluster = staticCluster('both', [], {
      lb_subset_config: { subset_selectors: [{ keys: ['name'] }] },
      load_assignment: { cluster_name: 'both', endpoints: [{ lb_endpoints: endpoints }] },
    });
    const weighted = { clusters: [{ name: 'both', weight: 1, metadata_match: lb({ name: 'one' }) }] };
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([
      tcpListener('plain', { cluster: 'both', metadata_match: lb({ name: 'two' }) }),
      tcpListener('weighted', { weighted_clusters: weighted, metadata_match: lb({ name: 'two' }) }),
    ], [cluster]));
    for (const [listener, server] of [['plain', 'two'], ['weighted', 'one']] as const) {
      for (let i = 0; i < 4; i++) {
        const answer = await exchange(proxy.port(listener), requestText({ path: '/' }));
        assert.equal((JSON.parse(answer.body) as Echo).server, server, listener);
      }
    }
  });
}
