// Login with a real OpenID provider (oidc-provider) through a running proxy, by a browser that undici makes.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Browser, next } from '../harness/browser.ts';
import { serverLeaf, testRoot } from '../harness/certificates.ts';
import { LOGIN_QUESTIONS_MAX } from '../../proxy/filter/login-link.ts';
import { cookiesOf, echoOf, logIn, loginMesh, toCallback } from '../harness/login-mesh.ts';
import type { LoginMesh } from '../harness/login-mesh.ts';
import { until } from '../harness/until.ts';

describe('login with a real provider (oidc-provider, undici)', () => {
  let shared: LoginMesh;
  before(async () => {
    shared = await loginMesh();
  });
  after(() => shared[Symbol.asyncDispose]());

  test('a browser logs in, comes back to its page as its user, and out again', async () => {
    const { origin, provider } = shared;
    await using browser = new Browser();
    const echo = echoOf(await logIn(browser, `${origin}/cart?item=1&x=%2F`));
    assert.equal(echo.url, '/cart?item=1&x=%2F');
    assert.equal(echo.headers['x-user'], 'alice');
    assert.equal(echo.headers['x-groups'], 'staff,a%2Cadmin');
    assert.equal(echo.headers['cookie'], undefined, 'the session is not for upstreams');
    assert.equal(echo.headers['authorization'], undefined);
    const session = browser.fields.find((field) => field.startsWith('weft-session='))!;
    assert.match(session, /^weft-session=1[\w-]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/);
    const asked = provider.requests.length;
    echoOf(await browser.ask(`${origin}/again`, { headers: { 'x-user': 'root' } }));
    assert.equal(provider.requests.length, asked, 'a session costs the provider nothing');

    const leaving = await browser.ask(`${origin}/oauth2/logout`);
    assert.match(next(leaving), /\/session\/end\?id_token_hint=.+&client_id=shop&post_logout_redirect_uri=http/);
    assert.equal(browser.cookies.get(origin)!.has('weft-session'), false);
    const confirm = await browser.open(next(leaving));
    const back = await browser.ask(`${provider.issuer}/session/end/confirm`, {
      form: { xsrf: /name="xsrf" value="([^"]+)"/.exec(confirm.body)![1]!, logout: 'yes' },
    });
    assert.equal(next(back), `${origin}/`);
    const again = await browser.open(`${origin}/`);
    assert.match(again.url, /\/interaction\//, 'the provider asks for the name again');
  });

  test('claims as headers are the session\'s and never the client\'s, and other cookies go on', async () => {
    const { origin } = shared;
    await using browser = new Browser();
    await logIn(browser, `${origin}/`, 'bob');
    const { headers } = echoOf(await browser.ask(`${origin}/`, {
      headers: { 'x-user': 'root', 'x-groups': 'admin', cookie: cookiesOf(browser, origin, 'cart=7; weft=1') },
    }));
    assert.equal(headers['x-user'], 'bob');
    assert.equal(headers['x-groups'], 'guests');
    assert.equal(headers['cookie'], 'cart=7; weft=1');
  });

  test('scripts and forms are answered 401 and not sent away', async () => {
    const { origin, upstream } = shared;
    const before = upstream.requests;
    await using browser = new Browser();
    for (const ask of [
      { method: 'POST' }, { headers: { 'sec-fetch-mode': 'cors' } }, { headers: { accept: 'application/json' } },
      { headers: { 'x-requested-with': 'XMLHttpRequest' } }, { headers: { 'x-user': 'alice' }, method: 'DELETE' },
    ]) {
      const page = await browser.ask(`${origin}/api`, ask);
      assert.equal(page.status, 401, JSON.stringify(ask));
      assert.equal(page.headers['cache-control'], 'no-store');
    }
    assert.equal(upstream.requests, before);
  });

});

test('oidc-provider: a session is refreshed without the user, once for all requests of a page', async () => {
  await using held = await loginMesh({ accessTokenSec: 1 });
  const { origin, provider, proxy } = held;
  await using browser = new Browser();
  echoOf(await logIn(browser, `${origin}/`));
  // The token of one second is refreshed from its first use on.
  const old = new Map(browser.cookies.get(origin)!);
  const tokens = provider.count('POST /token');
  const pages = await Promise.all(['/a', '/b', '/c', '/d'].map((path) => browser.ask(`${origin}${path}`)));
  for (const page of pages) assert.equal(echoOf(page).headers['x-user'], 'alice');
  assert.equal(provider.count('POST /token'), tokens + 1);
  assert.notEqual(browser.cookies.get(origin)!.get('weft-session'), old.get('weft-session'));
  browser.cookies.set(origin, old);
  assert.equal((await browser.ask(`${origin}/late`)).status, 200, 'with the cookie of before');
  assert.equal(proxy.stat('http.http.oauth_refreshtoken_success'), 6);
});

test('oidc-provider: what ends the session there sends the user to log in; being away ends nothing', async () => {
  await using held = await loginMesh({ accessTokenSec: 1 });
  const { origin, provider, upstream } = held;
  await using browser = new Browser();
  echoOf(await logIn(browser, `${origin}/`));
  const served = upstream.requests;
  provider.instead = (request, _request, response) => {
    if (request.url !== '/token') return false;
    response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>away</h1>');
    return true;
  };
  assert.equal((await browser.ask(`${origin}/`)).status, 503, 'fails closed');
  assert.ok(browser.cookies.get(origin)!.has('weft-session'));
  provider.instead = (request, _request, response) => {
    if (request.url !== '/token') return false;
    response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}');
    return true;
  };
  assert.equal((await browser.ask(`${origin}/api`, { method: 'POST' })).status, 401);
  assert.equal(browser.cookies.get(origin)!.has('weft-session'), false);
  assert.equal((await browser.ask(`${origin}/`)).status, 302);
  assert.equal(upstream.requests, served);
});

test('oidc-provider: cookies of an older key are good and are sealed anew; of a forgotten key no more', async () => {
  const [older, newer] = ['o'.repeat(40), 'n'.repeat(40)];
  await using held = await loginMesh({}, {}, older);
  const { origin, proxy } = held;
  const rotate = async (text: string): Promise<void> => {
    const resource = { name: 'cookie', genericSecret: { secret: { inlineString: text } } };
    await proxy.running.supervisor.intake.apply({
      kind: 'secret', updated: [{ name: 'cookie', resource, version: text }], removed: [], origin: 'static',
    });
  };
  await using browser = new Browser();
  const callback = await toCallback(browser, `${origin}/`);
  await rotate(`${newer}\n${older}\n`);
  echoOf(await browser.open(callback));
  await using second = new Browser();
  await rotate(older);
  await logIn(second, `${origin}/`);
  const before = second.cookies.get(origin)!.get('weft-session');
  await rotate(`${newer}\n${older}\n`);
  assert.equal(echoOf(await second.ask(`${origin}/`)).headers['x-user'], 'alice');
  const after = second.cookies.get(origin)!.get('weft-session');
  assert.notEqual(after, before);
  await rotate(newer);
  echoOf(await second.ask(`${origin}/`));
  second.cookies.get(origin)!.set('weft-session', before!);
  assert.equal((await second.ask(`${origin}/`)).status, 302);
  await rotate('short');
  assert.equal((await second.ask(`${origin}/`)).status, 503, 'a key that is none lets nobody in');
});

test('oidc-provider: over TLS cookies are __Host- and Secure, and those of plaintext count for nothing', async () => {
  await using held = await loginMesh();
  const { origin } = held;
  await using browser = new Browser();
  await logIn(browser, `${origin}/`);
  const secure = { 'x-forwarded-proto': 'https' };
  const page = await browser.ask(`${origin}/`, { headers: secure });
  assert.equal(page.status, 302);
  assert.match(next(page), /redirect_uri=https%3A%2F%2F127/);
  const [field] = [page.headers['set-cookie']].flat().filter((each) => each?.includes('login='));
  assert.match(field!, /^__Host-weft-session\.login=[\w-]{43}; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax; Secure$/);
});

test('a provider that cannot be reached, or says nonsense of itself, lets nobody in', async () => {
  await using held = await loginMesh();
  const { origin, provider, upstream } = held;
  await using browser = new Browser();
  const answers: ((write: (status: number, body: string) => void) => void)[] = [
    (write) => write(500, ''), (write) => write(200, 'x'.repeat(2 << 20)), (write) => write(200, '{}'),
    (write) => write(200, JSON.stringify({ issuer: 'https://evil.test' })), (write) => write(302, ''),
    (write) => write(200, JSON.stringify({ issuer: provider.issuer })),
  ];
  for (const [i, answer] of answers.entries()) {
    provider.instead = (_request, _same, response) => {
      const headers = { 'content-type': 'application/json', location: '/' };
      answer((status, body) => response.writeHead(status, headers).end(body));
      return true;
    };
    const page = await browser.ask(`${origin}/`);
    assert.ok(page.status === 503 || page.status === 401, `${i}: ${page.status}`);
  }
  assert.equal(upstream.requests, 0);
  provider.instead = undefined;
  echoOf(await logIn(browser, `${origin}/`));
});

test('the access token goes to upstreams where they want it; paths that need no login have no user', async () => {
  await using held = await loginMesh({}, {
    forward_access_token: true, cookie_name: 'sid',
    pass_through_matcher: [{ name: ':path', string_match: { prefix: '/public/' } }],
    deny_redirect_matcher: [{ name: ':path', string_match: { prefix: '/api/' } }],
  });
  const { origin, proxy } = held;
  await using browser = new Browser();
  const sent = { 'x-user': 'root', authorization: 'Basic x' };
  const open = echoOf(await browser.ask(`${origin}/public/logo`, { headers: sent }));
  assert.equal(open.headers['x-user'], undefined);
  assert.equal(open.headers['authorization'], 'Basic x');
  assert.equal((await browser.ask(`${origin}/api/items`)).status, 401);
  const { headers } = echoOf(await logIn(browser, `${origin}/`));
  assert.match(headers['authorization']!, /^Bearer [\w-]{20,}$/);
  assert.ok(browser.cookies.get(origin)!.has('sid'));
  assert.equal(proxy.stat('http.http.oauth_passthrough'), 1);
  assert.equal(proxy.stat('http.http.oauth_success'), 2);
});

test('oidc-provider: a session too long for a cookie is in two, and one too long for them is none', async () => {
  await using held = await loginMesh();
  const { origin, proxy } = held;
  await using browser = new Browser();
  const { headers } = echoOf(await logIn(browser, `${origin}/`, 'member-of-150'));
  assert.equal(headers['x-groups']!.split(',').length, 150);
  const names = [...browser.cookies.get(origin)!.keys()].filter((name) => name.startsWith('weft-session'));
  assert.deepEqual(names.toSorted(), ['weft-session', 'weft-session.1']);
  assert.ok(browser.fields.every((field) => field.length < 4096), 'as much as browsers keep');
  browser.cookies.get(origin)!.delete('weft-session.1');
  assert.equal((await browser.ask(`${origin}/`)).status, 302, 'a piece is missing');
  await using other = new Browser();
  assert.equal((await logIn(other, `${origin}/`, 'member-of-400')).status, 401);
  assert.equal(other.cookies.get(origin)!.has('weft-session'), false);
  assert.equal(proxy.stat('http.http.oauth_failure'), 1);
});

test('so many logins wait for a provider and no more (oidc-provider, undici)', async () => {
  await using held = await loginMesh();
  const { origin, provider, proxy } = held;
  const waiting: (() => void)[] = [];
  provider.instead = (_request, _same, response) => {
    waiting.push(() => response.writeHead(500).end());
    return true;
  };
  await using browser = new Browser();
  // Each of two workers has so many places.
  const asks = Array.from({ length: 2 * LOGIN_QUESTIONS_MAX + 20 }, () => browser.ask(`${origin}/`));
  await until('some are turned away', () => proxy.stat('http.http.oauth_overflow') >= 20);
  for (const answer of waiting) answer();
  const statuses = new Set((await Promise.all(asks)).map(({ status }) => status));
  assert.deepEqual([...statuses], [503]);
  provider.instead = undefined;
  echoOf(await logIn(browser, `${origin}/`));
});

test('oidc-provider: over TLS a provider is believed by its own roots, and no other', async () => {
  const [root, other] = [testRoot(), testRoot()];
  const { chain: cert, key } = serverLeaf(root, [{ ip: '127.0.0.1' }]);
  for (const [trusted, isBelieved] of [[root, true], [other, false], [undefined, false]] as const) {
    const fields = trusted === undefined ? {} : { trusted_ca: { inline_string: trusted.cert } };
    await using held = await loginMesh({}, fields, undefined, { cert, key });
    await using browser = new Browser();
    if (isBelieved) echoOf(await logIn(browser, `${held.origin}/`));
    else assert.equal((await browser.ask(`${held.origin}/`)).status, 503);
  }
});

test('who comes in clear to what is only over TLS is sent there before the login (oidc-provider, undici)', async () => {
  await using held = await loginMesh();
  await using browser = new Browser();
  const page = await browser.ask(`${held.origin}/to-https?a=1`);
  assert.deepEqual([page.status, next(page)], [301, `${held.origin.replace('http:', 'https:')}/to-https?a=1`]);
  assert.deepEqual(browser.fields, []);
});
