// One conformance table for all ways to balance, through a whole cluster: what holds whichever of them is configured.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFits } from '../../test/harness/chi-squared.ts';
import { TestClusters, loopback } from '../../test/harness/upstreams.ts';
import { MetadataMatch } from '../base/metadata-match.ts';
import { xxHash64 } from '../base/xx-hash.ts';
import { Cluster } from '../config/cluster.ts';
import { decode } from '../config/decode.ts';
import type { ClusterLoadAssignment, LbEndpoint } from '../config/endpoint.ts';
import { ANY_HOST, RetryHosts } from './retry.ts';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const POLICY = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const WANTED = new MetadataMatch({ version: 'v1' });

type Json = Record<string, unknown>;

function typed(name: string, fields: Json = {}): Json {
  const config = { '@type': `${POLICY}.${name}`, ...fields };
  return { load_balancing_policy: policies(config) };
}

function policies(config: Json): Json {
  return { policies: [{ typed_extension_config: { name: 'policy', typed_config: config } }] };
}

/** Sizes at which weights are nearly exact. */
const RING = { minimum_ring_size: 16_384 };
const ROUND_ROBIN = { '@type': `${POLICY}.round_robin.v3.RoundRobin` };
const SUBSETS = { subset_selectors: [{ keys: ['version'] }] };
const BY_LOCALITY = { common_lb_config: { locality_weighted_lb_config: {} } };

interface Row {
  readonly name: string;
  readonly config: Json;
  /** Endpoints get requests by their weights; else all the same. */
  readonly weighted: boolean;
}

const ROWS: readonly Row[] = [
  { name: 'ROUND_ROBIN', config: {}, weighted: true },
  { name: 'LEAST_REQUEST', config: { lb_policy: 'LEAST_REQUEST' }, weighted: true },
  { name: 'RANDOM', config: { lb_policy: 'RANDOM' }, weighted: false },
  { name: 'RING_HASH', config: { lb_policy: 'RING_HASH', ring_hash_lb_config: RING }, weighted: true },
  { name: 'MAGLEV', config: { lb_policy: 'MAGLEV' }, weighted: true },
  { name: 'ROUND_ROBIN by locality', config: BY_LOCALITY, weighted: true },
  { name: 'MAGLEV by locality', config: { lb_policy: 'MAGLEV', ...BY_LOCALITY }, weighted: true },
  { name: 'ROUND_ROBIN in subsets', config: { lb_subset_config: SUBSETS }, weighted: true },
  { name: 'RING_HASH in subsets', weighted: true,
    config: { lb_policy: 'RING_HASH', ring_hash_lb_config: RING, lb_subset_config: SUBSETS } },
  { name: 'round_robin', config: typed('round_robin.v3.RoundRobin'), weighted: true },
  { name: 'least_request of all', weighted: true,
    config: typed('least_request.v3.LeastRequest', { selection_method: 'FULL_SCAN' }) },
  { name: 'random', config: typed('random.v3.Random'), weighted: false },
  { name: 'ring_hash', config: typed('ring_hash.v3.RingHash', RING), weighted: true },
  { name: 'maglev', config: typed('maglev.v3.Maglev'), weighted: true },
  { name: 'peak_ewma', config: typed('peak_ewma.v3.PeakEwma'), weighted: false },
  { name: 'wrr_locality', weighted: true,
    config: typed('wrr_locality.v3.WrrLocality', { endpoint_picking_policy: policies(ROUND_ROBIN) }) },
  { name: 'subset', weighted: true,
    config: typed('subset.v3.Subset', { ...SUBSETS, subset_lb_policy: policies(ROUND_ROBIN) }) },
];

/** A cluster of one row, in a proxy that has nothing near. */
class Balanced {
  readonly #worker = new TestClusters(undefined, undefined, { cluster: 'proxies', locality: '/far/' });
  readonly #config: Json;
  #picks = 0;

  constructor(config: Json) {
    this.#config = config;
  }

  /** Endpoints by port, all in one locality. */
  apply(endpoints: readonly LbEndpoint[], changes: Json = {}): this {
    const metadata = { filterMetadata: { 'envoy.lb': { version: 'v1' } } };
    const lbEndpoints = endpoints.map((endpoint) => ({ ...endpoint, metadata }));
    return this.assign([{ locality: { zone: 'x' }, loadBalancingWeight: 1, lbEndpoints }], changes);
  }

  assign(endpoints: NonNullable<ClusterLoadAssignment['endpoints']>, changes: Json = {}): this {
    const { value, errors } = decode(Cluster, { name: 'a', ...this.#config, ...changes,
      load_assignment: { cluster_name: 'a', endpoints } });
    assert.deepEqual(errors.map(String), []);
    this.#worker.set.apply({ config: value! });
    return this;
  }

  /** Picks by port, of requests that are all different; `none` where there was no endpoint. */
  counts(picks: number): Map<string, number> {
    const counts = new Map<string, number>();
    for (let i = 0; i < picks; i++) {
      const picked = this.pick(`${SEED} ${this.#picks++}`);
      counts.set(picked, (counts.get(picked) ?? 0) + 1);
    }
    return counts;
  }

  pick(key: string): string {
    const picked = this.#worker.cluster.pick(new RetryHosts(ANY_HOST, { hash: xxHash64(key), metadataMatch: WANTED }));
    return typeof picked === 'string' ? 'none' : picked.address.slice('127.0.0.1:'.length);
  }

  met(picks = 150): string {
    return [...this.counts(picks).keys()].toSorted().join(' ');
  }
}

function plain(ports: readonly number[]): LbEndpoint[] {
  return ports.map((port) => loopback(port));
}

for (const { name, config, weighted } of ROWS) {
  const make = (): Balanced => new Balanced(config);

  test(`${name}: weights are ${weighted ? 'honoured' : 'nothing'} (seed ${SEED})`, () => {
    const weights = [1, 2, 5];
    const endpoints = weights.map((weight, i) => loopback(i + 1, { loadBalancingWeight: weight }));
    const counts = make().apply(endpoints).counts(4000);
    assertFits(weights.map((_, i) => counts.get(`${i + 1}`) ?? 0), weighted ? weights : [1, 1, 1], name);
  });

  test(`${name}: the lightest starves no more than its weight says (seed ${SEED})`, () => {
    const endpoints = [100, 100, 1].map((weight, i) => loopback(i + 1, { loadBalancingWeight: weight }));
    const light = make().apply(endpoints).counts(10_000).get('3') ?? 0;
    assert.ok(light > 0, 'nothing');
    if (weighted) assert.ok(light < 200, `${light} of 10000`);
  });

  test(`${name}: endpoints that come are used, those that leave are not (seed ${SEED})`, () => {
    const cluster = make().apply(plain([1, 2]));
    assert.equal(cluster.met(), '1 2');
    assert.equal(cluster.apply(plain([1, 2, 3, 4])).met(), '1 2 3 4');
    assert.equal(cluster.apply(plain([3, 4])).met(), '3 4');
  });

  test(`${name}: one endpoint gets all, and without any there is none`, () => {
    const cluster = make().apply(plain([7]));
    assert.equal(cluster.met(20), '7');
    assert.equal(cluster.apply([]).met(20), 'none');
  });

  test(`${name}: unhealthy endpoints are skipped, degraded ones are the last resort (seed ${SEED})`, () => {
    const sick = loopback(1, { healthStatus: 'UNHEALTHY' });
    const weak = loopback(2, { healthStatus: 'DEGRADED' });
    assert.equal(make().apply([sick, ...plain([3, 4, 5])]).met(), '3 4 5');
    assert.equal(make().apply([weak, ...plain([3, 4, 5])]).met(), '3 4 5');
    assert.equal(make().apply([sick, weak]).met(), '2');
  });

  test(`${name}: in panic all are used, with a threshold of 0 none (seed ${SEED})`, () => {
    const endpoints = [...[1, 2, 3].map((port) => loopback(port, { healthStatus: 'UNHEALTHY' })), loopback(4)];
    assert.equal(make().apply(endpoints).met(), '1 2 3 4');
    const { common_lb_config: common } = config as { readonly common_lb_config?: Json };
    const never = { common_lb_config: { ...common, healthy_panic_threshold: { value: 0 } } };
    assert.equal(make().apply(endpoints, never).met(), '4');
    assert.equal(make().apply(endpoints.slice(0, 3), never).met(20), 'none');
  });

  test(`${name}: a second priority takes over from a first that is gone (seed ${SEED})`, () => {
    const metadata = { filterMetadata: { 'envoy.lb': { version: 'v1' } } };
    const level = (priority: number, ports: readonly number[], changes: Partial<LbEndpoint>) => ({
      priority, locality: { zone: 'x' }, loadBalancingWeight: 1,
      lbEndpoints: ports.map((port) => loopback(port, { metadata, ...changes })),
    });
    const levels = [level(0, [1, 2], { healthStatus: 'UNHEALTHY' }), level(1, [3, 4], {})];
    assert.equal(make().assign(levels).met(), '3 4');
  });
}

const SMALL_RING = { minimum_ring_size: 20, maximum_ring_size: 40 };

/** Ports that a real Envoy sent the requests of user-0, user-1 … to, by its access log. */
for (const [name, config, expected] of [
  ['RING_HASH', { lb_policy: 'RING_HASH' }, '554335342544544354324341352455355154344454252533511244234425'],
  ['RING_HASH, a small ring', { lb_policy: 'RING_HASH', ring_hash_lb_config: SMALL_RING },
    '513443525515425431415343452335115245414532454252325333225524'],
  ['RING_HASH by locality', { lb_policy: 'RING_HASH', ...BY_LOCALITY },
    '324335322121533354224333333531333133342354222533311234235525'],
  ['MAGLEV', { lb_policy: 'MAGLEV' }, '133223545255423432225443355233253423531535434553241432132444'],
  ['MAGLEV, a small table', { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 53 } },
    '252334334335235155355541353415255335345452145241345533452235'],
  ['MAGLEV by locality', { lb_policy: 'MAGLEV', ...BY_LOCALITY },
    '133223533212323332223233325233233423531533234523231432132433'],
] as const) {
  test(`${name} chooses the endpoints that Envoy chose`, () => {
    const weightedTo = (ports: readonly number[]): LbEndpoint[] => (
      ports.map((port) => loopback(port, { loadBalancingWeight: port })));
    const cluster = new Balanced(config).assign([
      { locality: { zone: 'z0' }, loadBalancingWeight: 3, lbEndpoints: weightedTo([1, 2, 3]) },
      { locality: { zone: 'z1' }, loadBalancingWeight: 1, lbEndpoints: weightedTo([4, 5]) },
    ]);
    assert.equal(Array.from({ length: expected.length }, (_, i) => cluster.pick(`user-${i}`)).join(''), expected);
  });
}
