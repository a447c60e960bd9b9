// The token filter: what it remembers, what it bounds, and what it does while keys are on their way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeldCluster } from '../../test/harness/held-cluster.ts';
import { ISSUER, keySet, makeKey, nowSeconds, tokenOf } from '../../test/harness/token-keys.ts';
import { oneProvider, tokenFilter } from '../../test/harness/token-filter.ts';
import type { TokenFilter } from '../../test/harness/token-filter.ts';
import type { JwtAuthentication, RemoteJwks } from '../config/jwt-authn.ts';
import { metadataAt } from '../telemetry/dynamic-metadata.ts';
import type { ClusterSet } from '../upstream/upstream.ts';

const KEY = makeKey('ES256');
const NEXT = makeKey('ES256', 'next');

const fieldsOf = (...tokens: string[]): string[] => tokens.flatMap((token) => ['authorization', `Bearer ${token}`]);

/** The verdict, and what the client is told. */
function ask({ filter, stream }: TokenFilter, ...tokens: string[]): string {
  const request = stream({ fields: fieldsOf(...tokens) });
  const verdict = filter.onRequestHead(request);
  const [reply] = request.replies;
  return reply === undefined ? verdict : `${reply.status} ${reply.body}`;
}

test('a token that was verified costs a look, until it expires', () => {
  const run = tokenFilter(oneProvider([KEY]));
  const token = tokenOf(KEY, { exp: nowSeconds() - 50 });
  assert.deepEqual([ask(run, token), ask(run, token)], ['continue', 'continue']);
  assert.equal(run.counted.counts['http.in.jwt_authn.jwt_cache_hit'], 1);
  assert.equal(run.counted.counts['http.in.jwt_authn.jwt_cache_miss'], 1);
  const late = run.stream({ fields: fieldsOf(token) });
  late.info.startWallMs += 20_000;
  assert.equal(run.filter.onRequestHead(late), 'replied');
  assert.equal(late.replies[0]?.body, 'Jwt is expired');
});

test('S74 tokens beyond 16 KiB and more than eight of them are not read', () => {
  const run = tokenFilter(oneProvider([KEY]));
  assert.equal(ask(run, 'x'.repeat(16 * 1024 + 1)), '401 Jwt is too long');
  const good = tokenOf(KEY);
  assert.equal(ask(run, ...Array<string>(8).fill(good)), 'continue');
  assert.equal(ask(run, ...Array<string>(9).fill(good)), '401 Found multiple Jwt tokens');
});

test('S70 of several tokens each must be good, also where a parameter comes twice', () => {
  const run = tokenFilter(oneProvider([KEY]));
  const [good, bad] = [tokenOf(KEY), tokenOf(makeKey('ES256'))];
  assert.equal(ask(run, good, bad), '401 Jwt verification fails');
  assert.equal(ask(run, bad, good), '401 Jwt verification fails');
  for (const query of [`access_token=${good}&access_token=${bad}`, `access_token=${bad}&access%5Ftoken=${good}`]) {
    const request = run.stream({ path: `/?${query}` });
    assert.equal(run.filter.onRequestHead(request), 'replied');
  }
  const request = run.stream({ path: `/?a=1&access_token=${good}&b=2&access_token=${good}` });
  assert.equal(run.filter.onRequestHead(request), 'continue');
  assert.equal(request.request.path, '/?a=1&b=2');
});

test('S74 bad tokens have a budget, which comes back; good and known ones need none', () => {
  const run = tokenFilter(oneProvider([KEY]));
  const known = tokenOf(KEY);
  assert.equal(ask(run, known), 'continue');
  const bad: string[] = [];
  let answer = '';
  while (!answer.startsWith('503') && bad.length < 5000) {
    const [head, payload] = tokenOf(KEY, { n: bad.length }).split('.');
    bad.push(`${head}.${payload}.${Buffer.alloc(64, 1).toString('base64url')}`);
    answer = ask(run, bad.at(-1)!);
  }
  assert.ok(bad.length > 100 && bad.length < 5000, `${bad.length}`);
  assert.deepEqual([ask(run, known), ask(run, tokenOf(KEY)), ask(run, bad.at(-2)!)],
    ['continue', '503 Jwt verification is overloaded', '401 Jwt verification fails']);
  assert.equal(run.counted.counts['http.in.jwt_authn.verify_overload'], 2);
  run.clock.advance(1000);
  assert.equal(ask(run, tokenOf(KEY, { n: 'new' })), 'continue');
});

test('S74 what is remembered is bounded', () => {
  const run = tokenFilter(oneProvider([KEY], { jwtCacheConfig: { jwtCacheSize: 2 } }));
  const tokens = [1, 2, 3].map((n) => tokenOf(KEY, { n }));
  for (const token of tokens) assert.equal(ask(run, token), 'continue');
  assert.equal(ask(run, tokens[2]!), 'continue');
  assert.equal(run.counted.counts['http.in.jwt_authn.jwt_cache_hit'], 1);
  assert.equal(ask(run, tokens[0]!), 'continue');
  assert.equal(run.counted.counts['http.in.jwt_authn.jwt_cache_hit'], 1);
});

test('claims and headers of tokens stand in metadata, words apart', () => {
  const run = tokenFilter(oneProvider([KEY], { payloadInMetadata: 'payload', headerInMetadata: 'header',
    normalizePayloadInMetadata: { spaceDelimitedClaims: ['scope', 'absent'] } }));
  const request = run.stream({ fields: fieldsOf(tokenOf(KEY, { scope: 'read  write' })) });
  assert.equal(run.filter.onRequestHead(request), 'continue');
  const at = (...path: string[]): unknown => metadataAt(request.info, 'envoy.filters.http.jwt_authn', path);
  assert.deepEqual(at('payload', 'scope'), ['read', 'write']);
  assert.equal(at('payload', 'sub'), 'amy');
  assert.equal(at('header', 'kid'), 'ES256');
  const bad = run.stream({ fields: fieldsOf('x') });
  run.filter.onRequestHead(bad);
  assert.equal(bad.info.dynamicMetadata, undefined);
});

const remote = (more: Partial<RemoteJwks> = {}): JwtAuthentication => {
  const { providers, ...rest } = oneProvider([]);
  const { localJwks: _local, ...one } = providers!['one']!;
  return { ...rest, providers: { one: { ...one, remoteJwks: {
    httpUri: { uri: 'https://keys.test:8443/jwks?x=1', cluster: 'keys', timeout: '5s' }, ...more } } } };
};

const MINUTE = 60_000;

interface RemoteRun extends TokenFilter {
  readonly cluster: HeldCluster;
}

function remoteRun(more: Partial<RemoteJwks> = {}, kept = new Map<string, unknown>(), cluster = new HeldCluster(),
): RemoteRun {
  const clusters: ClusterSet = { get: (name) => (name === 'keys' ? cluster.cluster : undefined) };
  return { ...tokenFilter(remote(more), clusters, kept), cluster };
}

test('S71 requests wait for one fetch together, and go on with its keys', () => {
  const run = remoteRun();
  const streams = [1, 2, 3].map((n) => run.stream({ fields: fieldsOf(tokenOf(KEY, { n })) }));
  assert.deepEqual(streams.map((stream) => run.filter.onRequestHead(stream)), ['pause', 'pause', 'pause']);
  assert.equal(run.cluster.calls.length, 1);
  const { head } = run.cluster.calls[0]!;
  assert.deepEqual([head.method, head.authority, head.path], ['GET', 'keys.test:8443', '/jwks?x=1']);
  run.filter.onComplete(streams[1]!);
  run.cluster.answer(200, keySet(KEY));
  assert.deepEqual(streams.map(({ resumed }) => resumed), [1, 0, 1]);
  assert.equal(ask(run, tokenOf(KEY)), 'continue');
  assert.deepEqual([run.cluster.calls.length, run.counted.counts['http.in.jwt_authn.jwks_fetch_success']], [1, 1]);
});

test('S71 never fetched: every token of the issuer is refused, and others\' are not kept waiting', () => {
  const run = remoteRun();
  const stream = run.stream({ fields: fieldsOf(tokenOf(KEY)) });
  assert.equal(run.filter.onRequestHead(stream), 'pause');
  assert.equal(ask(run, tokenOf(KEY, { iss: 'https://other.test' })), '401 Jwt issuer is not configured');
  run.cluster.answer(500, '');
  assert.deepEqual([stream.resumed, stream.replies[0]?.body], [0, 'Jwks remote fetch is failed']);
  assert.equal(ask(run, tokenOf(KEY)), '401 Jwks remote fetch is failed');
  assert.equal(run.cluster.calls.length, 1, 'not again so soon');
  run.clock.advance(1000);
  assert.equal(ask(run, tokenOf(KEY)), 'pause');
  assert.equal(run.counted.counts['http.in.jwt_authn.jwks_fetch_failed'], 1);
});

test('S71 redirects, other statuses, long answers and what is no key set are failures', () => {
  const answers: [number, string][] = [[302, keySet(KEY)], [404, keySet(KEY)], [200, 'x'], [200, '{}'],
    [200, `${keySet(KEY)}${' '.repeat(1024 * 1024)}`]];
  for (const [status, body] of answers) {
    const run = remoteRun();
    const stream = run.stream({ fields: fieldsOf(tokenOf(KEY)) });
    run.filter.onRequestHead(stream);
    run.cluster.answer(status, body);
    assert.equal(stream.replies[0]?.body, 'Jwks remote fetch is failed', `${status} ${body.slice(0, 20)}`);
  }
});

test('S71 old keys hold while new ones cannot be fetched, for a day; requests do not wait', () => {
  const run = remoteRun({ cacheDuration: '300s' });
  run.filter.onRequestHead(run.stream({ fields: fieldsOf(tokenOf(KEY)) }));
  run.cluster.answer(200, keySet(KEY));
  run.clock.advance(6 * MINUTE);
  assert.equal(ask(run, tokenOf(KEY)), 'continue');
  assert.equal(run.cluster.calls.length, 2);
  run.cluster.answer(503, '');
  run.clock.advance(23 * 60 * MINUTE);
  assert.equal(ask(run, tokenOf(KEY)), 'continue');
  run.cluster.answer(503, '');
  run.clock.advance(2 * 60 * MINUTE);
  assert.equal(ask(run, tokenOf(KEY)), 'pause');
});

test('a token of a key that is not known has the keys fetched, but not again and again', () => {
  const run = remoteRun();
  run.filter.onRequestHead(run.stream({ fields: fieldsOf(tokenOf(KEY)) }));
  run.cluster.answer(200, keySet(KEY));
  const unknown = `401 Jwks doesn't have key to match kid or alg from Jwt`;
  assert.equal(ask(run, tokenOf(NEXT)), unknown);
  run.clock.advance(11_000);
  const stream = run.stream({ fields: fieldsOf(tokenOf(NEXT)) });
  assert.equal(run.filter.onRequestHead(stream), 'pause');
  run.cluster.answer(200, keySet(KEY, NEXT));
  assert.equal(stream.resumed, 1);
  assert.equal(ask(run, tokenOf(makeKey('ES256', 'third'))), unknown);
});

test('F21 keys that are gone judge tokens anew that were good before', () => {
  const run = remoteRun({ cacheDuration: '60s' });
  const token = tokenOf(KEY);
  run.filter.onRequestHead(run.stream({ fields: fieldsOf(token) }));
  run.cluster.answer(200, keySet(KEY));
  assert.equal(ask(run, token), 'continue');
  run.clock.advance(2 * MINUTE);
  assert.equal(ask(run, token), 'continue');
  run.cluster.answer(200, keySet(NEXT));
  assert.equal(ask(run, token), `401 Jwks doesn't have key to match kid or alg from Jwt`);
});

test('keys outlive the configuration that named them; asked for at once where it says so', () => {
  const kept = new Map<string, unknown>();
  const run = remoteRun({ asyncFetch: {} }, kept);
  assert.equal(run.cluster.calls.length, 1);
  run.cluster.answer(200, keySet(KEY));
  const next = remoteRun({ asyncFetch: {} }, kept, run.cluster);
  assert.equal(ask(next, tokenOf(KEY)), 'continue');
  assert.equal(run.cluster.calls.length, 1);
});

test('a fetch is tried again at once as often as the policy says', () => {
  const run = remoteRun({ retryPolicy: { numRetries: 2 } });
  const stream = run.stream({ fields: fieldsOf(tokenOf(KEY)) });
  run.filter.onRequestHead(stream);
  run.cluster.answer(503, '');
  run.cluster.answer(503, '');
  run.cluster.answer(200, keySet(KEY));
  assert.deepEqual([run.cluster.calls.length, stream.resumed], [3, 1]);
});

test('faults are refused by their place', () => {
  const bad = (provider: object): string => {
    try {
      tokenFilter({ providers: { one: { issuer: ISSUER, ...provider } } });
    } catch (cause) {
      return String(cause);
    }
    return '';
  };
  assert.match(bad({ localJwks: { inlineString: '{}' } }),
    /typedConfig\.providers\["one"\]\.localJwks: is no JSON Web/);
  assert.match(bad({ remoteJwks: remote({ httpUri: { uri: 'ftp://x', cluster: 'keys', timeout: '1s' } })
    .providers!['one']!.remoteJwks! }), /remoteJwks\.httpUri\.uri: must be http/);
});

test('S75 secrets are compared whole: a guess that begins well is told from none by nothing', () => {
  const secret = makeKey('HS256');
  const run = tokenFilter(oneProvider([secret]));
  const [head, payload, mac] = tokenOf(secret).split('.') as [string, string, string];
  const bytes = Buffer.from(mac, 'base64url');
  for (const wrong of [bytes.subarray(0, 31), Buffer.concat([bytes, Buffer.alloc(1)]), Buffer.alloc(32)]) {
    assert.equal(ask(run, `${head}.${payload}.${wrong.toString('base64url')}`), '401 Jwt verification fails');
  }
});

test('S74 keys that are too small or too large to be good are left out, and counted', () => {
  const weak = { id: 'w', algorithm: 'RS256' as const, key: Buffer.alloc(0),
    jwk: { kty: 'RSA', n: Buffer.alloc(128, 255).toString('base64url'), e: 'AQAB' } };
  const huge = { ...weak, jwk: { ...weak.jwk, n: Buffer.alloc(2048, 255).toString('base64url') } };
  const short = { ...weak, jwk: { kty: 'oct', k: Buffer.alloc(16, 1).toString('base64url') } };
  const encryption = { ...weak, jwk: { ...KEY.jwk, use: 'enc' } };
  const run = tokenFilter(oneProvider([weak, huge, short, encryption, KEY]));
  assert.equal(run.counted.counts['http.in.jwt_authn.jwks_keys_refused'], 4);
  assert.equal(ask(run, tokenOf(KEY)), 'continue');
});
