// Tokens that nobody may accept, by undici: none passes weft, and what a real Envoy lets pass of them is listed here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Agent, request } from 'undici';
import { isFieldValue } from '../../proxy/http/char-class.ts';
import { hostileTokens } from '../harness/hostile-tokens.ts';
import { candidates, ProxyProcess } from '../harness/proxy-process.ts';
import { ISSUER, KEY_ALGORITHMS, keySet, makeKey, tokenOf } from '../harness/token-keys.ts';
import { bootstrapOf, httpListener } from '../harness/weft.ts';

const JWT = 'type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication';
const keys = KEY_ALGORITHMS.map((algorithm) => makeKey(algorithm));

/** Envoy 1.40's, for one type of key or more. */
const ENVOY_ACCEPTS: readonly string[] = [
  '17 KiB of claims', '17 KiB of header', 'a character more in section 2', 'a dot before', 'a dot behind',
  'a space in section 2', 'a tab in section 2', 'bits to spare in section 2', 'claims with a comma too many',
  'claims with a control character', 'claims with single quotes', 'exp 0', 'header {"b64":false}',
  'header {"crit":"exp"}', 'header {"crit":["b64"],"b64":false}', 'header {"crit":["b64"],"b64":true}',
  'header {"crit":["exp"],"exp":1}', 'header {"crit":["http://evil.test/x"],"http://evil.test/x":true}',
  'header {"crit":["unknown"],"unknown":1}', 'header {"crit":[]}', 'header {"crit":null}',
  'more padding in section 2', 'padding in section 2', 'signature: a byte more', 'two dots',
];

const bootstrap = bootstrapOf(keys.map((key) => httpListener(
  [{ match: { prefix: '/' }, direct_response: { status: 200 } }],
  { http_filters: [{ name: 'jwt', typed_config: { '@type': JWT,
    providers: { one: { issuer: ISSUER, local_jwks: { inline_string: keySet(key) } } },
    rules: [{ match: { prefix: '/' }, requires: { provider_name: 'one' } }] } }] }, key.algorithm)), []);

for (const { kind, skip } of candidates()) {
  test(`S70 ${kind} is shown hostile tokens for ${keys.length} types of keys (undici)`, { skip }, async () => {
    await using proxy = await ProxyProcess.start(kind, bootstrap);
    const agent = new Agent({ connections: 4 });
    const accepted = new Set<string>();
    for (const key of keys) {
      const status = async (token: string): Promise<number> => {
        const answer = await request(`http://127.0.0.1:${proxy.port(key.algorithm)}/`, {
          dispatcher: agent, headers: { authorization: `Bearer ${token}` } });
        await answer.body.dump();
        return answer.statusCode;
      };
      assert.equal(await status(tokenOf(key)), 200, key.algorithm);
      const tokens = hostileTokens(key).filter(({ token }) => isFieldValue(token));
      assert.ok(tokens.length >= 150);
      for (let i = 0; i < tokens.length; i += 4) {
        await Promise.all(tokens.slice(i, i + 4).map(async ({ name, token }) => {
          if (await status(token) === 200) accepted.add(name);
        }));
      }
    }
    await agent.close();
    assert.deepEqual([...accepted].toSorted(), kind === 'weft' ? [] : ENVOY_ACCEPTS.toSorted());
  });
}
