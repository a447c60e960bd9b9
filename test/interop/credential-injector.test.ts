// Credentials on the way out: weft and a real Envoy by the same bootstrap attach the same ones, from a secret and from
// npm oidc-provider's token endpoint, which says what the upstream was given.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'undici';
import { EchoServer, type Echo } from '../harness/echo-server.ts';
import { CLIENT_ID, CLIENT_SECRET, OidcServer } from '../harness/oidc-server.ts';
import { candidates, ProxyProcess } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const INJECTOR = 'type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector';
const KIND = 'type.googleapis.com/envoy.extensions.http.injected_credentials';
const STATS = 'credential_injector';

type Config = Record<string, unknown>;

const injector = (kind: 'generic.v3.Generic' | 'oauth2.v3.OAuth2', config: Config, more: Config = {}): Config => ({
  name: 'envoy.filters.http.credential_injector',
  typed_config: {
    '@type': INJECTOR, ...more, credential: { name: 'c', typed_config: { '@type': `${KIND}.${kind}`, ...config } },
  },
});

const generic = (secret: string, more: Config = {}, config: Config = {}): Config =>
  injector('generic.v3.Generic', { credential: { name: secret }, ...config }, more);

/** A listener for each filter. */
function bootstrap(filters: Readonly<Record<string, Config>>, upstream: number, idp: number): unknown {
  const secret = (name: string, inline_string: string): Config =>
    ({ name, generic_secret: { secret: { inline_string } } });
  const listeners = Object.entries(filters).map(([name, filter]) =>
    httpListener([routeTo('echo')], { http_filters: [filter] }, name));
  const base = bootstrapOf(listeners, [staticCluster('echo', [upstream]), staticCluster('idp', [idp])]) as Config;
  const secrets = [secret('basic', 'Basic abc'), secret('line', 'key\n'), secret('hush', CLIENT_SECRET),
    secret('wrong', 'another-secret-that-nobody-knows'), secret('empty', '')];
  return { static_resources: { ...base['static_resources'] as Config, secrets } };
}

const FILTERS = {
  plain: generic('basic'),
  over: generic('basic', { overwrite: true }),
  named: generic('line', {}, { header: 'X-Key', header_value_prefix: 'k=' }),
  none: generic('empty'),
  optional: generic('empty', { allow_request_without_credential: true }),
};

async function ask(port: number, headers: Record<string, string> = {}): Promise<readonly unknown[]> {
  const { statusCode, body } = await request(`http://127.0.0.1:${port}/`, { headers });
  const text = await body.text();
  if (statusCode !== 200) return [statusCode, text];
  const { authorization, 'x-key': key } = (JSON.parse(text) as Echo).headers;
  return [statusCode, authorization, key];
}

for (const { kind, skip } of candidates()) {
  void test(`S99 ${kind} attaches secrets, and shows none (undici)`, { skip }, async () => {
    await using echo = await EchoServer.start('echo');
    await using proxy = await ProxyProcess.start(kind, bootstrap(FILTERS, echo.port, 1));
    const theirs = { authorization: 'theirs' };
    const seen = async (listener: string, headers?: Record<string, string>): Promise<readonly unknown[]> =>
      ask(proxy.port(listener), headers);
    assert.deepEqual(await seen('plain'), [200, 'Basic abc', undefined]);
    assert.deepEqual(await seen('plain', theirs), [200, 'theirs', undefined]);
    assert.deepEqual(await seen('over', theirs), [200, 'Basic abc', undefined]);
    assert.deepEqual(await seen('named', theirs), [200, 'theirs', 'k=key']);
    assert.deepEqual(await seen('none'), [401, 'Failed to inject credential.']);
    assert.deepEqual(await seen('optional'), [200, undefined, undefined]);
    const stat = (listener: string, name: string): Promise<number> => proxy.stat(`http.${listener}.${STATS}.${name}`);
    assert.deepEqual([await stat('plain', 'injected'), await stat('plain', 'already_exists')], [1, 1]);
    assert.deepEqual([await stat('none', 'failed'), await stat('optional', 'failed')], [1, 1]);
    const dump = await proxy.admin('/config_dump');
    assert.ok(!dump.includes(CLIENT_SECRET) && !dump.includes('Basic abc'), 'S99: a secret is in config_dump');
  });

  void test(`S99 ${kind} attaches tokens of the grant, and shows none (oidc-provider)`, { skip }, async () => {
    await using idp = await OidcServer.listen();
    await idp.serveMachines(4);
    await using echo = await EchoServer.start('echo');
    const oauth = (secret: string, authType = 'BASIC_AUTH'): Config => injector('oauth2.v3.OAuth2', {
      token_endpoint: { uri: `${idp.issuer}/token`, cluster: 'idp', timeout: '2s' }, scopes: ['read'],
      client_credentials: { client_id: CLIENT_ID, client_secret: { name: secret }, auth_type: authType },
      token_fetch_retry_interval: '1s',
    });
    const filters = { good: oauth('hush'), bad: oauth('wrong') };
    await using proxy = await ProxyProcess.start(kind, bootstrap(filters, echo.port, Number(new URL(idp.issuer).port)));
    const tokenOf = async (): Promise<string> => {
      const [status, authorization] = await ask(proxy.port('good'));
      return status === 200 ? String(authorization).replace('Bearer ', '') : '';
    };
    await until('a token', async () => (await tokenOf()) !== '');
    const token = await tokenOf();
    const told = await idp.introspect(token);
    assert.deepEqual([told['active'], told['client_id'], told['scope']], [true, CLIENT_ID, 'read']);
    const asked = idp.count('POST /token');
    for (let i = 0; i < 20; i++) assert.notEqual(await tokenOf(), '');
    assert.ok(idp.count('POST /token') <= asked + 2, 'a kept token is fetched again');
    await until('the next token', async () => ![token, ''].includes(await tokenOf()));
    assert.deepEqual(await ask(proxy.port('bad')), [401, 'Failed to inject credential.']);
    const stat = (name: string): Promise<number> => proxy.stat(`http.bad.${STATS}.oauth2.${name}`);
    assert.ok(await stat('token_fetch_failed_on_bad_response_code') >= 1);
    assert.ok(await proxy.stat(`http.good.${STATS}.oauth2.token_fetched`) >= 2);
    const shown = await proxy.admin('/config_dump') + proxy.process.output;
    assert.ok(!shown.includes(CLIENT_SECRET) && !shown.includes(token), 'S99: a secret or token is shown');
  });
}
