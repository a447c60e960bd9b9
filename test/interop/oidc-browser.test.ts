// A person's browser (Chromium) logs in through the ingress gateway to Bookinfo with a real provider (oidc-provider),
// and out again: a whole mesh, configured as a user would, over TLS.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import type { BrowserContext, Page } from 'playwright-core';
import { TaskMesh } from '../../examples/tasks/task-mesh.ts';
import { CLIENT_ID, CLIENT_SECRET, OidcServer } from '../harness/oidc-server.ts';
import { findProgram, reasonToSkip } from '../harness/peers.ts';
import { until } from '../harness/until.ts';

const CHROMIUM = findProgram('chromium') ?? findProgram('chromium-browser') ?? findProgram('google-chrome')
  ?? 'skip: no Chromium here';
const skip = reasonToSkip(CHROMIUM);

/** A folder for screenshots, to look at. */
const SCREENSHOTS = process.env['WEFT_SCREENSHOTS'];

function rules(issuer: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: shop }
spec:
  selector: { istio: ingressgateway }
  servers:
    - port: { number: 443, name: https, protocol: HTTPS }
      hosts: ['*']
      tls: { mode: SIMPLE, serverCertificate: tls/shop.crt, privateKey: tls/shop.key }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: ['*']
  gateways: [shop]
  http: [{ route: [{ destination: { host: productpage, port: { number: 9080 } } }] }]
---
apiVersion: v1
kind: Secret
metadata: { name: login, namespace: GATEWAY_NAMESPACE }
stringData: { client-secret: ${CLIENT_SECRET} }
---
apiVersion: security.weft.dev/v1
kind: OidcLogin
metadata: { name: shop, namespace: GATEWAY_NAMESPACE }
spec:
  selector: { matchLabels: { istio: ingressgateway } }
  issuer: ${issuer}
  clientId: ${CLIENT_ID}
  credentialName: login
  scopes: [profile, groups]
  outputClaimToHeaders: [{ claim: sub, header: end-user }, { claim: groups, header: x-groups }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: staff, namespace: GATEWAY_NAMESPACE }
spec:
  selector: { matchLabels: { istio: ingressgateway } }
  rules:
    - from: [{ source: { requestPrincipals: ['${issuer}/*'] } }]
      when: [{ key: 'request.auth.claims[groups]', values: [staff] }]
`;
}

async function picture(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS !== undefined) await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

async function logIn(page: Page, name: string): Promise<void> {
  await page.fill('input[name=login]', name);
  await page.fill('input[name=password]', 'any');
  await page.click('button[type=submit]');
}

async function sessionCookies(context: BrowserContext): Promise<string[]> {
  return (await context.cookies()).filter(({ name }) => name.includes('weft-session'))
    .map(({ name, secure, httpOnly, sameSite }) => `${name} ${secure} ${httpOnly} ${sameSite}`);
}

test('Chromium logs in through the ingress to Bookinfo with oidc-provider, and out again', { skip }, async (t) => {
  await using provider = await OidcServer.listen();
  const lines: string[] = [];
  const mesh = await TaskMesh.plan((line) => lines.push(line));
  t.after(() => mesh.stop());
  await mesh.arrange(['gateway', 'bookinfo']);
  const { namespace } = mesh.workload('ingressgateway');
  const origin = `https://127.0.0.1:${mesh.gatewayTlsPort}`;
  await provider.serve({ redirectUris: [`${origin}/oauth2/callback`], postLogoutRedirectUris: [`${origin}/`] });
  await writeFile(join(mesh.meshDir, 'login.yaml'), rules(provider.issuer).replaceAll('GATEWAY_NAMESPACE', namespace));

  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  t.after(() => browser.close());
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await until('the gateway asks for a login', async () => {
    const answer = await page.goto(`${origin}/productpage`).catch(() => null);
    return answer?.status() === 200 && page.url().startsWith(`${provider.issuer}/interaction/`);
  });
  await picture(page, '1-login');
  await logIn(page, 'alice');
  await page.waitForURL(`${origin}/productpage`);
  await page.waitForLoadState('load');
  await picture(page, '2-bookinfo');
  const text = await page.innerText('body');
  assert.match(text, /The Comedy of Errors/);
  assert.match(text, /alice/);
  assert.deepEqual(await sessionCookies(context), ['__Host-weft-session true true Lax']);
  assert.equal(await page.evaluate('document.cookie.includes("weft")'), false, 'scripts do not see the session');

  const asked = provider.requests.length;
  await page.reload();
  assert.equal(page.url(), `${origin}/productpage`);
  assert.equal(provider.requests.length, asked);

  await page.goto(`${origin}/oauth2/logout`);
  await picture(page, '3-logout');
  assert.ok(page.url().startsWith(`${provider.issuer}/session/end`));
  await page.click('button[name=logout]');
  await page.waitForURL(`${provider.issuer}/interaction/**`);
  await picture(page, '4-logged-out');
  assert.deepEqual((await sessionCookies(context)).filter((cookie) => !cookie.includes('.login')), []);
  await page.goto(`${origin}/productpage`);
  assert.ok(page.url().startsWith(`${provider.issuer}/interaction/`), 'whoever comes next has to log in');

  await logIn(page, 'bob');
  await page.waitForURL(`${origin}/productpage`);
  await picture(page, '5-bob');
  assert.match(await page.innerText('body'), /RBAC: access denied/, 'bob is no member of staff');
});
