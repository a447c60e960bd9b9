// Envoy's oauth2 filter: the same bootstrap under weft and a real Envoy, a real provider (oidc-provider), and a browser
// (undici) that is led the same way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browser, next } from '../harness/browser.ts';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { CLIENT_ID, CLIENT_SECRET, OidcServer } from '../harness/oidc-server.ts';
import { candidates, ProxyProcess } from '../harness/proxy-process.ts';
import { httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.oauth2.v3.OAuth2';
const path = (exact: string): unknown => ({ path: { exact } });
const header = (name: string, match: object): unknown => ({ name, string_match: match });
const secret = (name: string, text: string): unknown => ({ name, generic_secret: { secret: { inline_string: text } } });

function bootstrap(issuer: string, upstream: number): unknown {
  const { port, host } = new URL(issuer);
  const config = {
    token_endpoint: { cluster: 'provider', uri: `${host}/token`, timeout: '3s' },
    authorization_endpoint: `${issuer}/auth`,
    end_session_endpoint: `${issuer}/session/end`,
    credentials: { client_id: CLIENT_ID, token_secret: { name: 'token' }, hmac_secret: { name: 'hmac' } },
    redirect_uri: 'http://%REQ(:authority)%/back', redirect_path_matcher: path('/back'), signout_path: path('/out'),
    auth_scopes: ['openid', 'email'], auth_type: 'BASIC_AUTH', forward_bearer_token: true,
    pass_through_matcher: [header(':path', { prefix: '/public' })],
    deny_redirect_matcher: [header('x-script', { exact: '1' })], stat_prefix: 'shop',
  };
  const filter = { name: 'envoy.filters.http.oauth2', typed_config: { '@type': TYPE, config } };
  return {
    static_resources: {
      listeners: [httpListener([routeTo('shop')], { http_filters: [filter] })],
      clusters: [staticCluster('shop', [upstream]), staticCluster('provider', [Number(port)])],
      secrets: [secret('token', CLIENT_SECRET), secret('hmac', 'h'.repeat(32))],
    },
  };
}

/** What upstreams see of a browser, and where it is led; ports and tokens are left out. */
async function walk(origin: string, issuer: string): Promise<unknown[]> {
  await using browser = new Browser();
  const seen: unknown[] = [];
  const shown = async (url: string, headers: Record<string, string> = {}): Promise<unknown> => {
    const page = await browser.ask(url, { headers });
    if (page.status !== 200) return [page.status, page.status === 302 ? placeOf(next(page), origin, issuer) : ''];
    const { url: target, headers: sent } = JSON.parse(page.body) as Echo;
    return [200, target, sent['authorization']?.replace(/^(Bearer) .{20,}$/, '$1 …')];
  };
  seen.push(await shown(`${origin}/public/a`, { authorization: 'Basic x' }));
  seen.push(await shown(`${origin}/`, { 'x-script': '1' }));
  seen.push(await shown(`${origin}/shop?a=1`));
  const form = await browser.open(`${origin}/shop?a=1`);
  let page = await browser.logInStep(form, 'alice');
  while (!next(page).startsWith(`${origin}/back`)) page = await browser.ask(next(page));
  const forged = new URL(next(page));
  forged.searchParams.set('state', 'forged');
  seen.push((await shown(forged.href)));
  seen.push(await shown(next(page)), await shown(`${origin}/shop?a=1`, { authorization: 'Basic x' }));
  seen.push(await shown(`${origin}/out`), await shown(`${origin}/shop`));
  return seen;
}

function placeOf(url: string, origin: string, issuer: string): string {
  const { pathname, searchParams, origin: own } = new URL(url);
  const names = [...searchParams.keys()].filter((name) => name !== 'nonce' && name !== 'id_token_hint').toSorted();
  return `${own === origin ? 'here' : own === issuer ? 'provider' : own} ${pathname} ${names.join(',')}`;
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} logs users in by OAuth 2 (oidc-provider, undici)`, { skip }, async () => {
    await using provider = await OidcServer.listen();
    await using upstream = await EchoServer.start('shop');
    await using proxy = await ProxyProcess.start(kind, bootstrap(provider.issuer, upstream.port));
    const origin = `http://127.0.0.1:${proxy.port('http')}`;
    await provider.serve({ redirectUris: [`${origin}/back`], postLogoutRedirectUris: [`${origin}/`] });
    const seen = await walk(origin, provider.issuer);
    const asks = 'client_id,code_challenge,code_challenge_method,redirect_uri,response_type,scope,state';
    const login = [302, `provider /auth ${asks}`];
    assert.deepEqual(seen, [
      [200, '/public/a', 'Basic x'], [401, ''], login, [401, ''], [302, 'here /shop a'], [200, '/shop?a=1', 'Bearer …'],
      [302, 'provider /session/end client_id,post_logout_redirect_uri'], login,
    ]);
    const stat = (name: string): Promise<number> => proxy.stat(`http.http.shop.${name}`);
    assert.deepEqual([await stat('oauth_success'), await stat('oauth_passthrough')], [2, 1]);
  });
}
