// The same bootstraps judged by weft's loader and by a real Envoy (--mode validate): both accept, or both refuse.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadBootstrap } from '../../proxy/config/bootstrap-file.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { envoyRefusal } from './envoy-refusal.ts';

const skip = reasonToSkip(findEnvoy(false));
const MINIMAL = fileURLToPath(new URL('bootstraps/minimal.yaml', import.meta.url));

type Edit = (text: string) => string;

/** Replaces a text that must be there. */
function replaced(from: string, to: string): Edit {
  return (text) => {
    assert.ok(text.includes(from), `the sample has no '${from}'`);
    return text.replace(from, to);
  };
}

const match = (yaml: string): Edit => replaced('match: { prefix: / }', `match: ${yaml}`);
const action = (yaml: string): Edit => replaced('route: { cluster: service }', yaml);
const cluster = (yaml: string): Edit => replaced('connect_timeout: 1s', yaml);
const manager = (yaml: string): Edit =>
  replaced('stat_prefix: ingress', `stat_prefix: ingress\n                ${yaml}`);
const port = (value: string): Edit => replaced('port_value: 18001', `port_value: ${value}`);

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const TLS_SOCKET = 'transport_socket: { name: tls, typed_config: { "@type": '
  + 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, common_tls_context: {} } }';
const autoConfig = (socket: string): Edit => cluster(`typed_extension_protocol_options: { ${HTTP_OPTIONS}: `
  + `{ "@type": type.googleapis.com/${HTTP_OPTIONS}, auto_config: {} } }\n      ${socket}`);

const POLICIES = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const ROUND_ROBIN = `{ "@type": ${POLICIES}.round_robin.v3.RoundRobin }`;
const CUSTOM = '{ "@type": type.googleapis.com/xds.type.v3.TypedStruct, type_url: type.googleapis.com/example.Custom }';
const policies = (...configs: readonly string[]): string => `{ policies: [${configs.map((config) => (
  `{ typed_extension_config: { name: policy, typed_config: ${config} } }`)).join(', ')}] }`;
const balancing = (...configs: readonly string[]): string => `load_balancing_policy: ${policies(...configs)}`;
const subset = (within: string, ...fields: readonly string[]): string => `{ "@type": ${POLICIES}.subset.v3.Subset, `
  + `${fields.map((field) => `${field}, `).join('')}subset_lb_policy: ${within} }`;
const SELECTOR = 'subset_selectors: [{ keys: [a] }]';
const selectors = (yaml: string): Edit => cluster(`lb_subset_config: { subset_selectors: [${yaml}] }`);
const also = (yaml: string, ...configs: readonly string[]): Edit => (
  cluster(`${balancing(...configs)}\n      ${yaml}`));

const ACCEPTED: readonly (readonly [string, Edit])[] = [
  ['as it is', (text) => text],
  ['camelCase', replaced('connect_timeout: 1s', 'connectTimeout: 1s')],
  ['numbers as text', port('"18001"')],
  ['enums by number', cluster('lb_policy: 1')],
  ['old header matchers', match('{ prefix: /, headers: [{ name: a, exact_match: b }] }')],
  ['null is absent', cluster('connect_timeout: null')],
  ['truth values as text', manager('normalize_path: "true"')],
  ['nanoseconds', cluster('connect_timeout: 0.000000001s')],
  ['protocol options on the cluster', cluster('http2_protocol_options: {}')],
  ['a protocol chosen by ALPN over TLS', autoConfig(TLS_SOCKET)],
  ['a redirect', action('redirect: { https_redirect: true, response_code: FOUND }')],
  ['a direct response', action('direct_response: { status: 599 }')],
  ['a policy after one that nobody knows', cluster(balancing(CUSTOM, ROUND_ROBIN))],
  ['a policy over lb_policy and its settings', also('lb_policy: RANDOM\n      round_robin_lb_config: {}', ROUND_ROBIN)],
  ['a policy and a panic threshold', also('common_lb_config: { healthy_panic_threshold: {} }', ROUND_ROBIN)],
  ['a policy of subsets', cluster(balancing(subset(policies(ROUND_ROBIN), SELECTOR, 'allow_redundant_keys: true')))],
  ['a policy of subsets without selectors', cluster(balancing(subset(policies(ROUND_ROBIN))))],
  ['a policy that looks at all', cluster(balancing(
    `{ "@type": ${POLICIES}.least_request.v3.LeastRequest, selection_method: FULL_SCAN }`))],
  ['a policy of a ring', cluster(balancing(`{ "@type": ${POLICIES}.ring_hash.v3.RingHash, hash_function: DEFAULT_HASH, `
    + 'use_hostname_for_hashing: true, locality_weighted_lb_config: {} }'))],
  ['a policy of a table', cluster(balancing(`{ "@type": ${POLICIES}.maglev.v3.Maglev, table_size: 251 }`))],
  ['subsets that fall back to fewer keys',
    selectors('{ keys: [a, b], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [b] }')],
  ['zones, and a local cluster', (text) => cluster('common_lb_config: { zone_aware_lb_config: {} }')(
    `cluster_manager: { local_cluster_name: service }\n${text}`)],
  ['subsets of one by two keys', selectors('{ keys: [a, b], single_host_per_subset: true }')],
];

const REFUSED: readonly (readonly [string, Edit])[] = [
  ['an unknown field', cluster('conect_timeout: 1s')],
  ['a duration without unit', cluster('connect_timeout: 1')],
  ['a duration of zero', cluster('connect_timeout: 0s')],
  ['a duration beyond protobuf\'s bound', cluster('connect_timeout: 315576000001s')],
  ['a duration with ten decimals', cluster('connect_timeout: 1.0000000001s')],
  ['a port beyond 65535', port('65536')],
  ['a negative number', port('-1')],
  ['an unknown enum value', cluster('lb_policy: ROUND')],
  ['an empty required text', replaced('stat_prefix: ingress', 'stat_prefix: ""')],
  ['no action', replaced('\n                          route: { cluster: service }', '')],
  ['two actions', action('route: { cluster: service }\n                          direct_response: { status: 200 }')],
  ['no path', match('{}')],
  ['two paths', match('{ prefix: /, path: / }')],
  ['a path prefix that ends with a slash', match('{ path_separated_prefix: /a/ }')],
  ['an unknown cluster', action('route: { cluster: servise }')],
  ['a status below 200', action('direct_response: { status: 199 }')],
  ['weights that sum to nothing', action('route: { weighted_clusters: { clusters: [{ name: service, weight: 0 }] } }')],
  ['a bad regular expression', match('{ safe_regex: { regex: "(" } }')],
  ['a backtracking regular expression', match('{ safe_regex: { regex: "(?=a)" } }')],
  ['an unknown filter', replaced('filters.http.router.v3.Router', 'filters.http.router.v3.Ruter')],
  ['two clusters of one name',
    replaced('clusters:\n', 'clusters:\n    - { name: service, load_assignment: { cluster_name: a } }\n')],
  ['a name in a static cluster', replaced('127.0.0.1, port_value: 18001', 'localhost, port_value: 18001')],
  ['a protocol chosen by ALPN without TLS', autoConfig('')],
  ['a protocol chosen by ALPN, and plaintext for some', autoConfig(`${TLS_SOCKET}\n      transport_socket_matches: `
    + '[{ name: plain, match: { a: b }, transport_socket: { name: raw, typed_config: { "@type": '
    + 'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer } } }]')],
  ['EDS without a source', replaced('type: STATIC', 'type: EDS')],
  ['two domains that are the same', replaced('domains: ["*"]', 'domains: ["a", "A"]')],
  ['a back-off that shrinks', action('route: { cluster: service, retry_policy: { retry_on: 5xx, '
    + 'retry_back_off: { base_interval: 1s, max_interval: 0.5s } } }')],
  ['policies that nobody knows', cluster(balancing(CUSTOM))],
  ['no policy', cluster(balancing())],
  ['a policy that is only announced', cluster('lb_policy: LOAD_BALANCING_POLICY_CONFIG')],
  ['a policy and subsets beside it', also(`lb_subset_config: { ${SELECTOR} }`, ROUND_ROBIN)],
  ['a policy and localities beside it', also('common_lb_config: { locality_weighted_lb_config: {} }', ROUND_ROBIN)],
  ['a policy of subsets with none within', cluster(balancing(subset(policies(CUSTOM), SELECTOR)))],
  ['a table whose size is no prime', cluster(balancing(`{ "@type": ${POLICIES}.maglev.v3.Maglev, table_size: 250 }`))],
  ['one key only as a fallback of another', selectors('{ keys: [a, b], fallback_policy: KEYS_SUBSET, '
    + 'fallback_keys_subset: [c] }')],
  ['as many keys for a fallback', selectors('{ keys: [a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [a] }')],
  ['no keys for a fallback', selectors('{ keys: [a, b], fallback_policy: KEYS_SUBSET }')],
  ['a local cluster that is not there', (text) => `cluster_manager: { local_cluster_name: other }\n${text}`],
  ['zones and weights of localities',
    cluster('common_lb_config: { zone_aware_lb_config: {}, locality_weighted_lb_config: {} }')],
  ['fields outside of any message', (text) => `nonsense: 1\n${text}`],
];

/** What Envoy lets pass and weft does not, with the reason. */
const STRICTER: readonly (readonly [string, string, Edit])[] = [
  ['a field in both spellings', 'one of the two would be lost',
    cluster('connect_timeout: 1s\n      connectTimeout: 2s')],
  ['a key that is given twice', 'one of the two would be lost (S91)',
    cluster('connect_timeout: 1s\n      connect_timeout: 2s')],
  ['a header name with a space', 'it can never be there', match('{ prefix: /, headers: [{ name: "a b" }] }')],
  ['an unknown retry condition', 'it is mistyped',
    action('route: { cluster: service, retry_policy: { retry_on: 5x } }')],
  ['an empty range', 'nothing lies in it',
    match('{ prefix: /, headers: [{ name: a, range_match: { start: 2, end: 1 } }] }')],
  ['subsets of subsets', 'they would be looked up twice', cluster(balancing(
    subset(policies(subset(policies(ROUND_ROBIN), SELECTOR)), SELECTOR)))],
  ['a chain without the router', 'no request would be answered', (text) =>
    text.replace(/http_filters:[^]*?clusters:/, 'http_filters: []\n  clusters:')],
];

describe('validation beside Envoy', { skip }, () => {
  let folder: string;
  let sample: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-validation-'));
    sample = await readFile(MINIMAL, 'utf8');
  });
  after(() => rm(folder, { recursive: true }));

  /** What each says; undefined where it accepts. */
  async function judge(edit: Edit): Promise<{ envoy: string | undefined; weft: string | undefined }> {
    const file = join(folder, 'bootstrap.yaml');
    await writeFile(file, edit(sample));
    return { envoy: await envoyRefusal(file), weft: await loadBootstrap(file).then(() => undefined, String) };
  }

  for (const [name, edit] of ACCEPTED) {
    test(`both accept ${name}`, async () => {
      assert.deepEqual(await judge(edit), { envoy: undefined, weft: undefined });
    });
  }

  for (const [name, edit] of REFUSED) {
    test(`both refuse ${name}`, async () => {
      const refusals = await judge(edit);
      assert.notEqual(refusals.envoy, undefined, 'Envoy accepts it');
      assert.notEqual(refusals.weft, undefined, `weft accepts it; Envoy says ${refusals.envoy}`);
    });
  }

  for (const [name, reason, edit] of STRICTER) {
    test(`weft alone refuses ${name}: ${reason}`, async () => {
      const refusals = await judge(edit);
      assert.equal(refusals.envoy, undefined, 'Envoy refuses it too: move it to the other list');
      assert.notEqual(refusals.weft, undefined);
    });
  }
});
