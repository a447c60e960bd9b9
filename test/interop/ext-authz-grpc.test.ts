// External authorization by gRPC: undici through weft and through a real Envoy, which ask one grpc-js service. The same
// answers, what upstream and service see, log lines and stats.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { runScenario } from './ext-authz-run.ts';
import type { AuthAsk, AuthScenario } from './ext-authz-run.ts';

const skip = reasonToSkip(findEnvoy(false));

const by = (script: string, more: AuthAsk = {}): AuthAsk =>
  ({ ...more, headers: { 'x-script': script, ...more.headers } });
const header = (key: string, value: string, more: object = {}): object => ({ header: { key, value }, ...more });
const OK = { status: { code: 0 } };
const DENIED = { status: { code: 7 } };
const post = (body: string, more: AuthAsk = {}): AuthAsk => ({ method: 'POST', body, ...more });

const ACTIONS = ['APPEND_IF_EXISTS_OR_ADD', 'ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS'];
const every = (name: string): object[] => [
  header(`${name}-a`, 'plain'), header(`${name}-b`, 'true', { append: { value: true } }),
  header(`${name}-c`, 'false', { append: { value: false } }),
  ...ACTIONS.map((appendAction, i) => header(`${name}-${i}`, appendAction, { appendAction })),
];
const there = (name: string): Record<string, string> =>
  Object.fromEntries(['a', 'b', 'c', '0', '1', '2', '3'].map((end) => [`${name}-${end}`, 'mine']));

const SCENARIOS: readonly AuthScenario[] = [
  { name: 'lets on', asks: [{}, post('body'), { path: '/a/../b?q=1', headers: { 'x-many': ['1', '2'] } }] },
  { name: 'denies', scripts: { no: DENIED, teapot: { ...DENIED, deniedResponse: { status: { code: 418 }, body: 'short',
    headers: [header('x-why', 'because'), header('set-cookie', 'a=1'), header('set-cookie', 'b=2'),
      header('content-type', 'text/html')] } } },
  asks: [by('no'), by('teapot'), by('no', { method: 'HEAD' }),
    by('teapot', { method: 'POST', headers: { 'content-type': 'application/grpc' } })] },
  { name: 'changes headers of requests', scripts: { h: { ...OK, okResponse: { headers: every('x-h'),
    headersToRemove: ['x-gone', 'Host', ':path'] } } },
  asks: [by('h'), by('h', { headers: { ...there('x-h'), 'x-gone': '1' } })] },
  { name: 'changes headers of responses', scripts: { r: { ...OK, okResponse: { responseHeadersToAdd: [...every('x-r'),
    header('x-route', 'auth', { appendAction: 'ADD_IF_ABSENT' })] } } }, asks: [by('r')] },
  { name: 'appends to headers of denials', scripts: { d: { ...DENIED, deniedResponse: { headers: every('x-d') } } },
    asks: [by('d')] },
  { name: 'changes the query', scripts: { q: { ...OK, okResponse: { queryParametersToSet: [{ key: 'b', value: '9' },
    { key: 'new', value: 'x+y' }], queryParametersToRemove: ['gone'] } } },
  asks: [by('q'), by('q', { path: '/p?z=1&b=2&gone=1&a&b=3' }), by('q', { path: '/p?' })] },
  { name: 'metadata', scripts: { m: { ...OK, dynamicMetadata: { fields: { k: { stringValue: 'v' } } } },
    old: { ...OK, okResponse: { dynamicMetadata: { fields: { k: { numberValue: 3 } } } } },
    deny: { ...DENIED, dynamicMetadata: { fields: { k: { listValue: { values: [{ boolValue: true }] } } } } } },
  asks: [by('m'), by('old'), by('deny')] },
  { name: 'metadata that is not taken', filter: { enable_dynamic_metadata_ingestion: false },
    scripts: { m: { ...OK, dynamicMetadata: { fields: { k: { stringValue: 'v' } } } } }, asks: [by('m')] },
  { name: 'with the body', filter: { with_request_body: { max_request_bytes: 8 } }, scripts: { no: DENIED },
    asks: [{}, post('1234567'), post('12345678'), post('123456789'), by('no', post('123'))] },
  { name: 'with a part of the body', filter: { with_request_body: { max_request_bytes: 4,
    allow_partial_message: true } }, asks: [post('123'), post('1234'), post('123456789')] },
  { name: 'with the body as bytes', asks: [post('1234')],
    filter: { with_request_body: { max_request_bytes: 8, pack_as_bytes: true } } },
  { name: 'allowed headers', filter: { allowed_headers: { patterns: [{ exact: 'x-script' }, { prefix: 'x-a' }] },
    disallowed_headers: { patterns: [{ exact: 'x-ab' }] } },
  asks: [{ headers: { 'x-a': '1', 'x-ab': '2', 'x-c': '3', authorization: 'me' } }] },
  { name: 'disallowed headers', filter: { disallowed_headers: { patterns: [{ prefix: 'x-', ignore_case: true }] } },
    asks: [{ headers: { 'x-a': '1', accept: '*/*' } }] },
  { name: 'the client\'s own x-envoy-auth-partial-body', filter: { with_request_body: { max_request_bytes: 8 } },
    asks: [{ headers: { 'x-envoy-auth-partial-body': 'true' } },
      post('1', { headers: { 'x-envoy-auth-partial-body': 'true' } })] },
  { name: 'routes of their own', route: { check_settings: { context_extensions: { shop: 'toys' } } },
    asks: [{ path: '/own' }, {}] },
  { name: 'routes that are not judged', route: { disabled: true }, scripts: { no: DENIED },
    asks: [by('no', { path: '/own' }), by('no')] },
  { name: 'routes without body', filter: { with_request_body: { max_request_bytes: 8 } },
    route: { check_settings: { disable_request_body_buffering: true } },
    asks: [post('12', { path: '/own' }), post('1')] },
  { name: 'routes with a body', route: { check_settings: { with_request_body: { max_request_bytes: 3,
    allow_partial_message: true } } }, asks: [post('12345', { path: '/own' }), post('12345')] },
  { name: 'the route anew', filter: { clear_route_cache: true }, scripts: { other: { ...OK,
    okResponse: { headers: [header('x-other', 'yes')] } } }, asks: [by('other'), {}] },
  { name: 'the route as it was', scripts: { other: { ...OK, okResponse: { headers: [header('x-other', 'yes')] } } },
    asks: [by('other')] },
  { name: 'not enabled', filter: { filter_enabled: { default_value: { numerator: 0 } } }, scripts: { no: DENIED },
    asks: [by('no')] },
  { name: 'not enabled, and denied', filter: { filter_enabled: { default_value: { numerator: 0 } }, stat_prefix: 'my',
    deny_at_disable: { default_value: true, runtime_key: 'x' } }, asks: [{}] },
  { name: 'not enabled by metadata', filter: { filter_enabled_metadata: { filter: 'some', path: [{ key: 'k' }],
    value: { present_match: true } } }, scripts: { no: DENIED }, asks: [by('no')] },
  { name: 'S72 nobody is there', gone: true, asks: [{}, { method: 'POST', headers: { 'content-type':
    'application/grpc' } }] },
  { name: 'S72 nobody is there, with a status', gone: true, filter: { status_on_error: { code: 503 } }, asks: [{}] },
  { name: 'S72 nobody is there, and requests pass', gone: true, filter: { failure_mode_allow: true,
    failure_mode_allow_header_add: true, stat_prefix: 'open' }, asks: [{}] },
  { name: 'S72 no answer in time', service: { timeout: '0.1s' }, scripts: { never: { silent: true } },
    asks: [by('never')] },
  { name: 'S72 an answer that is an error', scripts: { bad: { error: 16 } }, asks: [by('bad')] },
  { name: 'denials that do not count', filter: { charge_cluster_response_stats: false }, scripts: { no: DENIED },
    asks: [by('no'), {}] },
  { name: 'long bodies of denials', filter: { max_denied_response_body_bytes: 4 }, scripts: { long: { ...DENIED,
    deniedResponse: { body: '123456789' } } }, asks: [by('long')] },
  { name: 'answers that cannot be sent, and are errors', filter: { validate_mutations: true }, scripts: {
    bad: { ...OK, okResponse: { headers: [header('x y', '1')] } },
    query: { ...OK, okResponse: { queryParametersToSet: [{ key: 'a', value: 'x\ny' }] } },
    no: { ...DENIED, deniedResponse: { headers: [header('x-a', 'a\nb')] } },
  }, asks: [by('bad'), by('query'), by('no'), {}] },
  { name: 'headers as bytes', filter: { encode_raw_headers: true }, scripts: { no: DENIED },
    asks: [by('no', { headers: { 'x-many': ['1', '2'] } })] },
  { name: 'headers of the calls', service: { initial_metadata: [{ key: 'x-shop', value: 'toys' }] }, asks: [{}] },
];

for (const scenario of SCENARIOS) {
  test(`ext_authz by gRPC: ${scenario.name}: undici and grpc-js through weft as through Envoy`, { skip }, async () => {
    const [ours, theirs] = await Promise.all([
      runScenario('weft', 'grpc', scenario), runScenario('envoy', 'grpc', scenario),
    ]);
    assert.deepEqual(ours, theirs);
  });
}
