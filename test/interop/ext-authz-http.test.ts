// External authorization by plain HTTP: undici through weft and through a real Envoy, which ask one node:http service.
// The same answers, what upstream and service see, log lines and stats.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { runScenario } from './ext-authz-run.ts';
import type { AuthAsk, AuthScenario } from './ext-authz-run.ts';

const skip = reasonToSkip(findEnvoy(false));

const by = (script: string, more: AuthAsk = {}): AuthAsk =>
  ({ ...more, headers: { 'x-script': script, ...more.headers } });
const post = (body: string, more: AuthAsk = {}): AuthAsk => ({ method: 'POST', body, ...more });
const exact = (...names: string[]): object => ({ patterns: names.map((name) => ({ exact: name })) });

/** Every scenario's, so that the service hears what it is to say. */
const ALLOWED = { patterns: [{ exact: 'x-script' }, { prefix: 'x-a' }] };

const SCENARIOS: readonly AuthScenario[] = [
  { name: 'lets on', asks: [{ headers: { authorization: 'me', 'x-a': '1', 'x-b': '2', cookie: 'c=1' } },
    { path: '/a/../b?q=1', headers: { 'x-ab': ['1', '2'] } }, post('body'), { method: 'DELETE' }] },
  { name: 'denies', scripts: { no: { status: 401, headers: { 'www-authenticate': 'Basic', 'x-why': 'because',
    'content-type': 'text/html', 'set-cookie': ['a=1', 'b=2'], location: '/login' }, body: 'no' },
  bare: { status: 403 }, far: { status: 302, headers: { location: '/login' } }, made: { status: 201 } },
  asks: [by('no'), by('bare'), by('far'), by('made'), by('no', { method: 'HEAD' })] },
  { name: 'headers of denials that clients get', service: { authorization_response: { allowed_client_headers:
    exact('x-why') } }, scripts: { no: { status: 401, headers: { 'www-authenticate': 'Basic', 'x-why': 'because',
    'x-not': '1', 'content-type': 'text/html', 'set-cookie': ['a=1'], location: '/login' }, body: 'no' } },
  asks: [by('no')] },
  { name: 'headers of answers', service: { authorization_response: {
    allowed_upstream_headers: exact('x-user', 'x-two'), allowed_upstream_headers_to_append: exact('x-more'),
    allowed_client_headers_on_success: exact('x-for-client'),
    dynamic_metadata_from_headers: exact('k') } }, scripts: { h: { headers: { 'x-user': 'eve', 'x-two': ['1', '2'],
    'x-more': 'b', 'x-for-client': 'yes', 'x-other': '1', k: 'v',
    'x-envoy-auth-headers-to-remove': 'x-gone, x-ab' } } },
  asks: [by('h'),
    by('h', { headers: { 'x-user': 'mine', 'x-more': 'a', 'x-gone': '1', 'x-ab': '1', 'x-two': '0' } })] },
  { name: 'a prefix of the path', service: { path_prefix: '/check' }, asks: [{ path: '/p?q=1' }] },
  { name: 'another path', service: { path_override: '/verify' }, asks: [{ path: '/p?q=1' }] },
  { name: 'headers of the calls', service: { authorization_request: { headers_to_add: [
    { key: 'x-shop', value: 'toys' }, { key: 'x-a', value: '%REQ(x-b)%' }] } },
  asks: [{ headers: { 'x-b': '2', 'x-a': 'mine' } }] },
  { name: 'with the body', filter: { with_request_body: { max_request_bytes: 8 } }, scripts: { no: { status: 403 } },
    asks: [{}, post('1234567'), post('123456789'), by('no', post('123'))] },
  { name: 'with a part of the body', filter: { with_request_body: { max_request_bytes: 4,
    allow_partial_message: true } }, asks: [post('123'), post('123456789')] },
  { name: 'disallowed headers', filter: { disallowed_headers: exact('x-ab', 'authorization') },
    asks: [{ headers: { 'x-a': '1', 'x-ab': '2', authorization: 'me' } }] },
  { name: 'the route anew', filter: { clear_route_cache: true }, service: { authorization_response: {
    allowed_upstream_headers: exact('x-other') } }, scripts: { other: { headers: { 'x-other': 'yes' } } },
  asks: [by('other'), {}] },
  { name: 'routes that are not judged', route: { disabled: true }, scripts: { no: { status: 403 } },
    asks: [by('no', { path: '/own' }), by('no')] },
  { name: 'S72 nobody is there', gone: true, asks: [{}] },
  { name: 'S72 nobody is there, and requests pass', gone: true, filter: { failure_mode_allow: true,
    failure_mode_allow_header_add: true }, asks: [{}] },
  { name: 'S72 the service has failed', filter: { status_on_error: { code: 503 } },
    scripts: { bad: { status: 500, body: 'oh' }, busy: { status: 503 } }, asks: [by('bad'), by('busy')] },
  { name: 'S72 no answer in time', scripts: { never: { silent: true } }, asks: [by('never')],
    service: { server_uri: { uri: 'http://auth.test', cluster: 'auth', timeout: '0.1s' } } },
];

for (const scenario of SCENARIOS) {
  const title = `ext_authz by HTTP: ${scenario.name}: undici and node:http through weft as through Envoy`;
  test(title, { skip }, async () => {
    const given: AuthScenario = { ...scenario, filter: { allowed_headers: ALLOWED, ...scenario.filter } };
    const [ours, theirs] = await Promise.all([
      runScenario('weft', 'http', given), runScenario('envoy', 'http', given),
    ]);
    assert.deepEqual(ours, theirs);
  });
}
