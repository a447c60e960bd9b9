// Generated clusters with subsets and routes that ask for them, for weft and Envoy side by side.
import { Draw } from '../harness/draw.ts';
import { bootstrapOf, httpListener } from '../harness/weft.ts';

type Json = Record<string, unknown>;

const KEYS = ['stage', 'type', 'version'];
/** Values of all kinds that JSON has; few, so that they meet. */
const VALUES: readonly unknown[] = ['v1', 'v1', 'v2', 'v2', 1, true, { a: 1, b: [2] }];
const ROUTES = 10;

/** A bootstrap of `clusters` clusters over the same servers, and the paths of its routes. */
export function generateSubsets(seed: number, clusters: number, ports: readonly number[]): {
  readonly bootstrap: unknown; readonly routes: ReadonlyMap<string, unknown>;
} {
  const draw = new Draw(seed);
  const routes = new Map<string, unknown>();
  const made = Array.from({ length: clusters }, (_, i) => {
    for (let r = 0; r < ROUTES; r++) routes.set(`/c${i}/r${r}/`, { route: drawAction(draw, `c${i}`) });
    return drawCluster(draw, `c${i}`, ports);
  });
  const listener = httpListener([...routes].map(([prefix, action]) => ({ match: { prefix }, ...action as Json })));
  return { bootstrap: bootstrapOf([listener], made), routes };
}

function metadata(lb: Json): Json {
  return { filter_metadata: { 'envoy.lb': lb } };
}

function drawValue(draw: Draw, lists: boolean): unknown {
  return lists && draw.chance(0.3) ? Array.from({ length: 1 + draw.below(2) }, () => draw.pick(VALUES))
    : draw.pick(VALUES);
}

function drawMetadata(draw: Draw, probability: number, lists: boolean): Json {
  return Object.fromEntries(KEYS.filter(() => draw.chance(probability)).map((key) => [key, drawValue(draw, lists)]));
}

function drawAction(draw: Draw, cluster: string): Json {
  const wanted = drawMetadata(draw, 0.5, false);
  if (draw.chance(0.25)) wanted['fallback_list'] = draw.some(3, () => drawMetadata(draw, 0.4, false));
  const own = draw.maybe(0.9, () => ({ metadata_match: metadata(wanted) }));
  if (draw.chance(0.7)) return { cluster, ...own };
  const entry = { name: cluster, weight: 1, ...draw.maybe(0.7, () => (
    { metadata_match: metadata(drawMetadata(draw, 0.5, false)) })) };
  return { weighted_clusters: { clusters: [entry] }, ...own };
}

function drawCluster(draw: Draw, name: string, ports: readonly number[]): unknown {
  // Loads that are shared between priorities would be drawn: there is one where not all are healthy.
  const priorities = draw.chance(0.3) ? 2 : 1;
  const endpoints = Array.from({ length: priorities }, (_, priority) => ({
    priority,
    lb_endpoints: ports.filter((_port, i) => i % priorities === priority).map((port) => (
      drawEndpoint(draw, port, priorities === 1 ? 0.25 : 0))),
  }));
  return {
    name, type: 'STATIC', connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints },
    ...drawBalancing(draw),
    ...draw.maybe(0.3, () => ({ common_lb_config: { healthy_panic_threshold: { value: 0 } } })),
  };
}

function drawEndpoint(draw: Draw, port: number, sick: number): Json {
  return {
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
    ...draw.maybe(0.9, () => ({ metadata: metadata(drawMetadata(draw, 0.8, true)) })),
    ...draw.maybe(sick, () => ({ health_status: 'UNHEALTHY' })),
  };
}

const POLICY = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const CUSTOM = { '@type': 'type.googleapis.com/xds.type.v3.TypedStruct',
  type_url: 'type.googleapis.com/example.Custom', value: { any: 1 } };

function drawBalancing(draw: Draw): Json {
  const subsets = drawSubsets(draw);
  if (draw.chance(0.5)) return { lb_subset_config: subsets };
  const within = policies(draw.maybe(0.5, () => CUSTOM), { '@type': `${POLICY}.round_robin.v3.RoundRobin` });
  const redundant = draw.maybe(0.6, () => (
    { allow_redundant_keys: true, subset_selectors: longestFirst(subsets['subset_selectors'] as Selector[]) }));
  return { load_balancing_policy: policies(CUSTOM,
    { '@type': `${POLICY}.subset.v3.Subset`, ...subsets, ...redundant, subset_lb_policy: within }) };
}

/** Policies in their order; of the empty ones nothing is written. */
function policies(...configs: readonly object[]): Json {
  const written = configs.filter((config) => '@type' in config);
  return { policies: written.map((config) => ({ typed_extension_config: { name: 'policy', typed_config: config } })) };
}

function drawSubsets(draw: Draw): Json {
  return {
    subset_selectors: drawSelectors(draw),
    fallback_policy: draw.pick(['NO_FALLBACK', 'ANY_ENDPOINT', 'DEFAULT_SUBSET']),
    default_subset: drawMetadata(draw, 0.3, false),
    ...draw.maybe(0.5, () => ({ list_as_any: true })),
    ...draw.maybe(0.5, () => ({ panic_mode_any: true })),
    ...draw.maybe(0.5, () => ({ metadata_fallback_policy: 'FALLBACK_LIST' })),
  };
}

interface Selector {
  readonly keys: readonly string[];
}

/** Envoy looks at them so; of one whose keys begin a longer one it then forgets the fallback, so that it has none. */
function longestFirst(selectors: readonly Selector[]): readonly Selector[] {
  const begins = ({ keys }: Selector): boolean => selectors.some((other) => (
    other.keys.length > keys.length && other.keys.join().startsWith(keys.join())));
  return selectors.toSorted((a, b) => b.keys.length - a.keys.length)
    .map((selector) => (begins(selector) ? { keys: selector.keys } : selector));
}

/** Fewer keys first: Envoy forgets the fallback of a selector whose keys begin a longer one before it. */
function drawSelectors(draw: Draw): Json[] {
  const sets = new Map<string, string[]>();
  for (let i = 0; i <= draw.below(4); i++) {
    const keys = KEYS.filter(() => draw.chance(0.5));
    if (keys.length > 0) sets.set(keys.join(), keys);
  }
  if (sets.size === 0) sets.set('version', ['version']);
  return [...sets.values()].toSorted((a, b) => a.length - b.length).map((keys) => drawSelector(draw, keys));
}

function drawSelector(draw: Draw, keys: readonly string[]): Json {
  const policies = ['NOT_DEFINED', 'NO_FALLBACK', 'ANY_ENDPOINT', 'DEFAULT_SUBSET'];
  const policy = draw.pick(keys.length > 1 ? [...policies, 'KEYS_SUBSET'] : policies);
  return {
    keys, fallback_policy: policy,
    ...(policy === 'KEYS_SUBSET' && { fallback_keys_subset: [draw.pick(keys)] }),
    ...draw.maybe(0.2, () => ({ single_host_per_subset: true })),
  };
}
