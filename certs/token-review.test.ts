// Kubernetes' answers about tokens, from a node:https server that speaks as its API reference says; and tokens of an
// issuer with published keys, made by jose.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { ManualClock } from '../proxy/base/clock.ts';
import { serverLeaf, testRoot } from '../test/harness/certificates.ts';
import { temporaryFolder } from '../test/harness/openssl.ts';
import { JwksTokens, TokensByIssuer } from './jwks-token.ts';
import { formatSpiffeId } from './spiffe.ts';
import type { Authenticator } from './token.ts';
import { TokenReviewer } from './token-review.ts';
import type { TokenReviewOptions } from './token-review.ts';

const TOKEN = 'the-token-of-a-pod';

interface ApiServer {
  readonly reviewer: TokenReviewer;
  readonly seen: { path: string | undefined; headers: IncomingHttpHeaders; body: unknown }[];
  readonly refresh: (own: string) => void;
}

/** Answers each TokenReview with `status`; a string is sent as it is, nothing is never answered. */
async function startApi(
  t: TestContext, answer: (token: string) => object | string | undefined, more: Partial<TokenReviewOptions> = {},
): Promise<ApiServer> {
  const [root, folder] = [testRoot(), temporaryFolder(t)];
  const leaf = serverLeaf(root, [{ ip: '127.0.0.1' }]);
  const seen: ApiServer['seen'] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const review = JSON.parse((await request.toArray()).join('')) as { spec: { token: string } };
    seen.push({ path: request.url, headers: request.headers, body: review });
    const status = answer(review.spec.token);
    if (status === undefined) return;
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(typeof status === 'string' ? status : JSON.stringify({ ...review, metadata: {}, status }));
  };
  const server = createServer({ cert: leaf.chain, key: leaf.key }, (asked, answered) => void serve(asked, answered));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const [caFile, tokenFile] = [join(folder, 'ca.crt'), join(folder, 'token')];
  writeFileSync(caFile, root.cert);
  writeFileSync(tokenFile, 'own-1\n');
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = { url, caFile, tokenFile, trustDomain: 'cluster.local', audiences: ['weft-ca', 'istio-ca'] };
  const reviewer = new TokenReviewer({ ...options, ...more });
  t.after(async () => {
    await reviewer.close();
    server.closeAllConnections();
    server.close();
  });
  return { reviewer, seen, refresh: (own) => writeFileSync(tokenFile, own) };
}

/** As Kubernetes answers for a good token. */
function good(username = 'system:serviceaccount:shop:web', audiences: unknown = ['istio-ca']): object {
  const groups = ['system:serviceaccounts', 'system:serviceaccounts:shop', 'system:authenticated'];
  return { authenticated: true, user: { username, uid: 'u-1', groups, extra: {} }, audiences };
}

async function outcome(authenticator: Authenticator, token = TOKEN): Promise<string> {
  const result = await authenticator.authenticate(token);
  return 'fault' in result ? result.fault : formatSpiffeId(result.identity);
}

test('a service account\'s token names its workload; the review is asked as Kubernetes documents it', async (t) => {
  const { reviewer, seen, refresh } = await startApi(t, () => good());
  assert.equal(await outcome(reviewer), 'spiffe://cluster.local/ns/shop/sa/web');
  refresh('own-2');
  await outcome(reviewer);
  assert.equal(seen[0]!.path, '/apis/authentication.k8s.io/v1/tokenreviews');
  assert.deepEqual(seen.map(({ headers }) => headers.authorization), ['Bearer own-1', 'Bearer own-2']);
  assert.deepEqual(seen[0]!.body, {
    apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview',
    spec: { token: TOKEN, audiences: ['weft-ca', 'istio-ca'] },
  });
});

test('S59 what is not a clear yes for this audience and a service account is refused, unquoted', async (t) => {
  let status: object | string | undefined = '';
  const { reviewer } = await startApi(t, () => status);
  const refusals: [object | string, RegExp][] = [
    [{ authenticated: false, error: `invalid ${TOKEN}` }, /does not know the token/],
    [{}, /does not know the token/],
    [{ authenticated: 'true', user: { username: 'system:serviceaccount:a:b' }, audiences: ['istio-ca'] }, /not know/],
    [good(undefined, null), /another audience/],
    [good(undefined, ['https://kubernetes.default.svc']), /another audience/],
    [good(undefined, 'istio-ca'), /another audience/],
    [good('system:node:n1'), /no service account/],
    [good('alice'), /no service account/],
    [good('system:serviceaccount:shop:web:more'), /no service account/],
    [good('system:serviceaccount:a/b:web'), /no service account/],
    [{ authenticated: true, user: null, audiences: ['istio-ca'] }, /no service account/],
    ['nonsense', /could not be asked/],
    ['{"status": 7}', /without a status/],
    ['null', /without a status/],
    ['x'.repeat(100_000), /could not be asked/],
  ];
  for (const [answer, expected] of refusals) {
    status = answer;
    const fault = await outcome(reviewer);
    assert.match(fault, expected, JSON.stringify(answer).slice(0, 200));
    assert.ok(!fault.includes(TOKEN), fault);
  }
});

test('S59 an API server that is slow, away or shows another certificate is no yes', async (t) => {
  const slow = await startApi(t, () => undefined, { timeoutMs: 50, reviewsMax: 2 });
  const all = await Promise.all([1, 2, 3].map(() => outcome(slow.reviewer)));
  assert.equal(all.filter((fault) => /could not be asked/.test(fault)).length, 2);
  assert.equal(all.filter((fault) => /too many tokens are under review/.test(fault)).length, 1);
  const other = join(temporaryFolder(t), 'other.crt');
  writeFileSync(other, testRoot().cert);
  const wrong = await startApi(t, () => good(), { caFile: other });
  assert.match(await outcome(wrong.reviewer), /could not be asked/);
  assert.deepEqual(wrong.seen, [], 'neither token was sent');
  const away = await startApi(t, () => good(), { url: 'https://127.0.0.1:1' });
  assert.match(await outcome(away.reviewer), /could not be asked/);
  assert.match(await outcome(slow.reviewer, 'x'.repeat(20_000)), /longer than/);
});

test('S59 a JWT of a known issuer is verified by its key set, read again when keys change', async (t) => {
  const clock = new ManualClock();
  const jwksFile = join(temporaryFolder(t), 'jwks.json');
  const issuer = 'https://kubernetes.default.svc';
  const pairs = [await generateKeyPair('RS256'), await generateKeyPair('ES256')];
  const publish = async (index: number): Promise<void> => {
    const jwk = await exportJWK(pairs[index]!.publicKey);
    writeFileSync(jwksFile, JSON.stringify({ keys: [{ ...jwk, kid: `k${index}` }] }));
  };
  const tokenOf = (index: number, over: object = {}): Promise<string> => {
    const now = clock.wallMs() / 1000;
    const claims = { iss: issuer, sub: 'system:serviceaccount:shop:web', aud: ['istio-ca'], exp: now + 600, ...over };
    return new SignJWT(claims).setProtectedHeader({ alg: index === 0 ? 'RS256' : 'ES256', kid: `k${index}` })
      .sign(pairs[index]!.privateKey);
  };
  const jwks = new JwksTokens({ issuer, audiences: ['istio-ca'], jwksFile, trustDomain: 'cluster.local', clock });
  assert.match(await outcome(jwks, await tokenOf(0)), /the keys of https:.* cannot be read from/);
  await publish(0);
  clock.advance(10_000);
  assert.equal(await outcome(jwks, await tokenOf(0)), 'spiffe://cluster.local/ns/shop/sa/web');
  const spiffe = { sub: 'spiffe://cluster.local/ns/a/sa/b' };
  assert.equal(await outcome(jwks, await tokenOf(0, spiffe)), spiffe.sub);
  const refusals: [object, RegExp][] = [
    [{ aud: ['other'] }, /another audience/], [{ iss: 'https://other' }, /"iss"/], [{ exp: 1 }, /expired/],
    [{ exp: undefined }, /"exp"/], [{ sub: 'alice' }, /no workload/], [{ sub: 'spiffe://other/a' }, /no workload/],
    [{ nbf: clock.wallMs() / 1000 + 600 }, /"nbf"/],
  ];
  for (const [over, expected] of refusals) assert.match(await outcome(jwks, await tokenOf(0, over)), expected);
  assert.match(await outcome(jwks, await tokenOf(1)), /not signed by a key that is believed/);
  await publish(1);
  clock.advance(10_000);
  assert.equal(await outcome(jwks, await tokenOf(1)), 'spiffe://cluster.local/ns/shop/sa/web');
  writeFileSync(jwksFile, 'nonsense');
  clock.advance(10_000);
  assert.equal(await outcome(jwks, await tokenOf(1)), 'spiffe://cluster.local/ns/shop/sa/web');
  const chosen = new TokensByIssuer(new Map([[issuer, jwks]]), undefined);
  assert.equal(await outcome(chosen, await tokenOf(1)), 'spiffe://cluster.local/ns/shop/sa/web');
  for (const bad of [await tokenOf(1, { iss: 'https://other' }), TOKEN, '', 'x'.repeat(20_000)]) {
    assert.match(await outcome(chosen, bad), /of no issuer that is known/);
  }
});
