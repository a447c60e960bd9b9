// Settings of logins: what is refused when the configuration comes, and how claims become headers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimText, loginSettings } from './login-settings.ts';

const GOOD = { issuer: 'https://login.test/realms/shop', clientId: 'shop', clientSecret: { name: 'client' } };

test('issuers in clear, paths that lead elsewhere, and names that mean something else are refused', () => {
  assert.equal(loginSettings(GOOD, 'here').scope, 'openid');
  assert.equal(loginSettings({ ...GOOD, issuer: 'http://127.0.0.1:8080' }, 'here').userInfo, true);
  const header = (name: string): object => ({ claimToHeaders: [{ claim: 'sub', header: name }] });
  for (const [fields, at] of [
    [{ issuer: 'http://login.test' }, 'issuer'], [{ issuer: 'http://10.0.0.1/' }, 'issuer'],
    [{ issuer: 'ftp://127.0.0.1' }, 'issuer'], [{ issuer: 'https://login.test/?a=1' }, 'issuer'],
    [{ issuer: 'http://127.0.0.1.evil.test' }, 'issuer'], [{ issuer: 'login' }, 'issuer'],
    [{ redirectPath: '//evil.test' }, 'redirectPath'], [{ postLogoutPath: '/\\evil.test' }, 'postLogoutPath'],
    [{ logoutPath: 'bye' }, 'logoutPath'], [{ redirectPath: '/a?b' }, 'redirectPath'],
    [{ cookieName: '__Host-x' }, 'cookieName'], [{ cookieName: 'a b' }, 'cookieName'],
    [header(':path'), 'claimToHeaders[0].header'], [header('Host'), 'claimToHeaders[0].header'],
    [header('transfer-encoding'), 'claimToHeaders[0].header'], [header('cookie'), 'claimToHeaders[0].header'],
  ] as const) {
    assert.throws(() => loginSettings({ ...GOOD, ...fields }, 'here'), (error: unknown) => (
      String((error as Error).message).includes(`here.${at}`)), JSON.stringify(fields));
  }
});

test('S49 claims become one header line each, and an element of a list never two', () => {
  const claims = JSON.parse(`{ "sub": "a\\r\\nx-admin: 1", "groups": ["b,admin", "c"], "nested": { "role": true },
    "n": 7, "name": "J\u00f6rg", "__proto__": { "x": "y" }, "none": null }`) as Record<string, unknown>;
  const text = (path: string): string | undefined => claimText(claims, path.split('.'));
  assert.equal(text('sub'), 'ax-admin: 1');
  assert.equal(text('groups'), 'b%2Cadmin,c');
  assert.equal(text('nested.role'), 'true');
  assert.equal(text('n'), '7');
  assert.equal(text('name'), Buffer.from('J\u00f6rg').toString('latin1'));
  for (const path of ['missing', 'sub.length', 'groups.length', 'constructor', 'nested.toString', 'nested.role.x']) {
    assert.equal(text(path), undefined, path);
  }
});
