// A proxy that lets nobody through to its upstream who has not logged in at a real provider.
import assert from 'node:assert/strict';
import { next } from './browser.ts';
import type { Browser, Page } from './browser.ts';
import { EchoServer } from './echo-server.ts';
import type { Echo } from './echo-server.ts';
import { CLIENT_ID, CLIENT_SECRET, OidcServer } from './oidc-server.ts';
import type { OidcClient, ServerKeys } from './oidc-server.ts';
import { TestProxy, httpListener, routeTo, staticCluster } from './weft.ts';

const TYPE = 'type.googleapis.com/weft.filters.http.oidc_login.v1.OidcLogin';

export interface LoginMesh extends AsyncDisposable {
  readonly provider: OidcServer;
  readonly upstream: EchoServer;
  readonly proxy: TestProxy;
  readonly origin: string;
}

/** As a Gateway's httpsRedirect. */
const TO_HTTPS = { match: { prefix: '/to-https' }, redirect: { https_redirect: true } };

export async function loginMesh(
  client: Partial<OidcClient> = {}, fields: object = {}, cookieSecret?: string, tls?: ServerKeys,
): Promise<LoginMesh> {
  const [provider, upstream] = await Promise.all([OidcServer.listen(tls), EchoServer.start('shop')]);
  const login = {
    name: 'login',
    typed_config: {
      '@type': TYPE, issuer: provider.issuer, client_id: CLIENT_ID, client_secret: { name: 'client' },
      scopes: ['profile', 'email', 'groups'],
      claim_to_headers: [{ claim: 'sub', header: 'x-user' }, { claim: 'groups', header: 'x-groups' }],
      ...cookieSecret !== undefined && { cookie_secret: { name: 'cookie' } }, ...fields,
    },
  };
  const secret = (name: string, text: string): unknown => (
    { name, generic_secret: { secret: { inline_string: text } } }
  );
  const proxy = await TestProxy.start({
    static_resources: {
      listeners: [httpListener([TO_HTTPS, routeTo('shop')], { http_filters: [login] })],
      clusters: [staticCluster('shop', [upstream.port])],
      secrets: [secret('client', CLIENT_SECRET), secret('cookie', cookieSecret ?? 'x'.repeat(32))],
    },
  }, { concurrency: 2 });
  const origin = `http://127.0.0.1:${proxy.port()}`;
  await provider.serve({
    redirectUris: [`${origin}/oauth2/callback`], postLogoutRedirectUris: [`${origin}/`], ...client,
  });
  return {
    provider, upstream, proxy, origin,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await Promise.all([provider[Symbol.asyncDispose](), upstream[Symbol.asyncDispose]()]);
    },
  };
}

export function echoOf(page: Page): Echo {
  assert.equal(page.status, 200, `${page.url}: ${page.body}`);
  return JSON.parse(page.body) as Echo;
}

/** From the first page to the one that was asked for. */
export async function logIn(browser: Browser, url: string, name = 'alice'): Promise<Page> {
  return browser.logIn(await browser.open(url), name);
}

/** To the last step before the session: the callback, not yet opened. */
export async function toCallback(browser: Browser, url: string): Promise<string> {
  const form = await browser.open(url);
  let page = await browser.logInStep(form, 'alice');
  while (!next(page).includes('/oauth2/callback')) page = await browser.ask(next(page));
  return next(page);
}

export function cookiesOf(browser: Browser, origin: string, more: string): string {
  return [...browser.cookies.get(origin)!].map(([name, value]) => `${name}=${value}`).concat(more).join('; ');
}
