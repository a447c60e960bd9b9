// Issuers that say themselves where their keys are: a real provider (oidc-provider), its tokens, and a gateway whose
// control plane fetches the keys.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { WITHOUT_MTLS, startControlled } from '../harness/controlled-proxy.ts';
import { OidcServer } from '../harness/oidc-server.ts';
import { until } from '../harness/until.ts';

const object = (group: string, kind: string, spec: unknown): string => `---\n${JSON.stringify({
  apiVersion: `${group}.istio.io/v1`, kind, metadata: { name: 'edge', namespace: 'default' }, spec,
})}\n`;

const mesh = (rule: object): string => WITHOUT_MTLS
  + object('networking', 'Gateway', { selector: { istio: 'edge' }, servers: [
    { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }] })
  + object('networking', 'VirtualService', { hosts: ['*'], gateways: ['edge'], http: [
    { match: [{ headers: { '@request.auth.claims.scope': { exact: 'read' } } }], directResponse: { status: 211 } },
    { directResponse: { status: 200 } }] })
  + object('security', 'RequestAuthentication', { selector: { matchLabels: { istio: 'edge' } }, jwtRules: [rule] });

const gateway = (http: number) => ({
  role: 'router', address: '127.0.0.8',
  metadata: { LABELS: { istio: 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 80: http } },
} as const);

async function ask(http: number, token?: string): Promise<string> {
  const answer = await request(`http://127.0.0.1:${http}/`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` } }).catch(() => undefined);
  return answer === undefined ? '' : `${answer.statusCode} ${await answer.body.text()}`;
}

void test('S71 tokens of oidc-provider are verified by the keys that its discovery names', async (t) => {
  await using provider = await OidcServer.listen();
  await provider.serveTokens('shop');
  const { issuer } = provider;
  const [http] = await freePorts(1) as [number];
  await startControlled(t, 'weft', mesh({ issuer, audiences: ['shop'] }), {
    ...gateway(http), jwksNetworks: ['127.0.0.0/8'] });
  const token = await provider.token();
  await until('the keys', async () => await ask(http, token) === '211 ');
  assert.equal(await ask(http), '200 ');
  const [head, payload] = token.split('.') as [string, string];
  const forged = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()) as object, sub: 'admin' };
  const mac = token.slice(head.length + payload.length + 2);
  assert.match(await ask(http, `${head}.${Buffer.from(JSON.stringify(forged)).toString('base64url')}.${mac}`),
    /^401 Jwt verification fails/);
  assert.deepEqual(provider.requests.filter((line) => /well-known|jwks/.test(line)),
    ['GET /.well-known/openid-configuration', 'GET /jwks']);
});

void test('S71 a provider on a private network is not asked, and its tokens are refused', async (t) => {
  await using provider = await OidcServer.listen();
  await provider.serveTokens('shop');
  const [http] = await freePorts(1) as [number];
  const { issuer } = provider;
  await startControlled(t, 'weft', mesh({ issuer, jwksUri: `${issuer}/jwks` }), gateway(http));
  await until('the routes', async () => await ask(http) === '200 ');
  assert.equal(await ask(http, await provider.token()), '401 Jwks remote fetch is failed');
  assert.deepEqual(provider.requests, ['POST /token']);
});
