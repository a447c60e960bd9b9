// What an attacker would try at a login with a real provider (oidc-provider), by browsers that undici makes.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CookieSeal } from '../../proxy/filter/cookie-seal.ts';
import { Browser, next } from '../harness/browser.ts';
import { logIn, loginMesh, toCallback } from '../harness/login-mesh.ts';
import type { LoginMesh } from '../harness/login-mesh.ts';

describe('attacks on a login (oidc-provider, undici)', () => {
  let shared: LoginMesh;
  before(async () => {
    shared = await loginMesh();
  });
  after(() => shared[Symbol.asyncDispose]());

  test('S49 a path never leads to another host after login', async () => {
    const { origin } = shared;
    await using browser = new Browser();
    for (const path of ['//evil.test/x', '/\\evil.test', '/%0d%0aset-cookie:a=b', '/@evil.test', '/http://evil.test']) {
      const callback = await toCallback(browser, `${origin}${path}`.replace('\\', '%5C'));
      const arrived = await browser.ask(callback);
      assert.equal(arrived.status, 302);
      assert.equal(new URL(next(arrived)).origin, origin, path);
      assert.equal([arrived.headers['set-cookie']].flat().some((field) => field?.startsWith('a=')), false);
      await browser.open(`${origin}/oauth2/logout`);
      browser.cookies.clear();
    }
  });

  test('attack: a callback of another browser, without its cookie or with another one, is refused', async () => {
    const { origin } = shared;
    await using victim = new Browser();
    await using attacker = new Browser();
    const callback = await toCallback(attacker, `${origin}/`);
    assert.equal((await victim.ask(callback)).status, 401);
    await victim.ask(`${origin}/`);
    assert.ok(victim.cookies.get(origin)!.has('weft-session.login'));
    const refused = await victim.ask(callback);
    assert.equal(refused.status, 401);
    assert.equal(victim.cookies.get(origin)!.has('weft-session'), false);
  });

  test('attack: a state that was changed, doubled, left out or made up does not reach the provider', async () => {
    const { origin, provider } = shared;
    await using browser = new Browser();
    const callback = new URL(await toCallback(browser, `${origin}/`));
    const state = callback.searchParams.get('state')!;
    const asked = provider.count('POST /token');
    const flipped = `${state.slice(0, 20)}${state[20] === 'A' ? 'B' : 'A'}${state.slice(21)}`;
    for (const bad of ['', flipped, `${state}A`, 'x', '%00', 'a'.repeat(4000), '__proto__', `${state}=`]) {
      callback.searchParams.set('state', bad);
      assert.equal((await browser.ask(callback.href)).status, 401, bad.slice(0, 50));
    }
    callback.searchParams.delete('state');
    assert.equal((await browser.ask(callback.href)).status, 401);
    assert.equal((await browser.ask(`${callback.href}&state=${state}&state=${state}`)).status, 401);
    assert.equal(provider.count('POST /token'), asked);
    assert.equal((await browser.ask(`${callback.href}&state=${state}`)).status, 302, 'the real one is still good');
  });

  test('attack: a code is good once, and a made-up one never', async () => {
    const { origin } = shared;
    await using browser = new Browser();
    const callback = await toCallback(browser, `${origin}/`);
    const login = browser.cookies.get(origin)!.get('weft-session.login')!;
    const forged = new URL(callback);
    forged.searchParams.set('code', 'made-up');
    assert.equal((await browser.ask(forged.href)).status, 401);
    assert.equal((await browser.ask(callback)).status, 302);
    browser.cookies.set(origin, new Map([['weft-session.login', login]]));
    assert.equal((await browser.ask(callback)).status, 401, 'replayed');
    assert.equal(browser.cookies.get(origin)!.has('weft-session'), false);
  });

  test('the provider\'s refusal and another issuer\'s answer are refused, and not shown to the user', async () => {
    const { origin } = shared;
    await using browser = new Browser();
    const callback = new URL(await toCallback(browser, `${origin}/`));
    const answers = [
      { error: 'access_denied', error_description: '<script>alert(1)</script>' }, { iss: 'https://evil.test' },
      { code: '' },
    ];
    for (const answer of answers) {
      const url = new URL(callback);
      if ('error' in answer) url.searchParams.delete('code');
      for (const [name, value] of Object.entries(answer)) url.searchParams.set(name, value);
      const page = await browser.ask(url.href);
      assert.equal(page.status, 401);
      assert.equal(page.body, 'Login failed. Open the page again to try once more.\n');
    }
  });

  test('attack: cookies that are forged, foreign, cut, doubled or too long are no session', async () => {
    const { origin, upstream } = shared;
    await using browser = new Browser();
    await logIn(browser, `${origin}/`);
    const good = browser.cookies.get(origin)!.get('weft-session')!;
    const foreign = new CookieSeal('y'.repeat(32), 'elsewhere', '');
    const sealed = foreign.seal(JSON.stringify({ c: { sub: 'root' }, e: 1e10, x: 1e10 }), 'session');
    const served = upstream.requests;
    const flip = `${good.slice(0, 40)}${good[40] === 'A' ? 'B' : 'A'}${good.slice(41)}`;
    const bad = [
      `1${sealed}`, flip, good.slice(0, -2), `2${good.slice(1)}`, `4${good.slice(1)}`, `9${good}`, good.slice(1),
      '1', '0', 'x', `${good}=`, good.replace('1', '1='), `1${'A'.repeat(50_000)}`,
      `2${'A'.repeat(3000)}; weft-session.1=${good}`,
    ];
    for (const value of bad) {
      await using fresh = new Browser();
      const page = await fresh.ask(`${origin}/api`, { method: 'POST', headers: { cookie: `weft-session=${value}` } });
      assert.ok(page.status === 401 || page.status === 431, `${value.slice(0, 60)}: ${page.status}`);
    }
    assert.equal(upstream.requests, served);
    await using fresh = new Browser();
    const state = new URL(next(await fresh.ask(`${origin}/`))).searchParams.get('state')!;
    const answer = await fresh.ask(`${origin}/`, { headers: { cookie: `weft-session=1${state}` } });
    assert.equal(answer.status, 302, 'what was sealed as a state is no session');
  });
});

test('oidc-provider: an ID token with another nonce than this login\'s is refused', async () => {
  await using held = await loginMesh();
  const { origin } = held;
  await using browser = new Browser();
  const authorize = new URL(next(await browser.ask(`${origin}/`)));
  authorize.searchParams.set('nonce', 'another');
  let page = await browser.logInStep(await browser.open(authorize.href), 'alice');
  while (!next(page).includes('/oauth2/callback')) page = await browser.ask(next(page));
  assert.equal((await browser.ask(next(page))).status, 401);
  assert.equal(browser.cookies.get(origin)!.has('weft-session'), false);
  assert.match(held.proxy.logLines.join(''), /login by http.*\(code\): .*nonce/);
});
