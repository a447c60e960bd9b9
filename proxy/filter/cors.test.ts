// The CORS filter: preflights, headers of answers, whose policy holds. Expectations as observed on Envoy 1.40.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CountedStats } from '../../test/harness/counted.ts';
import { HeldFilterStream } from '../../test/harness/filter-stream.ts';
import type { FilterStreamFacts } from '../../test/harness/filter-stream.ts';
import { SeededRandom } from '../base/random.ts';
import type { CorsPolicy } from '../config/cors.ts';
import { ResponseHead } from '../http/message.ts';
import { httpScope } from '../telemetry/stat-name.ts';
import { CorsFilter } from './cors.ts';
import { CorsRules } from './cors-policy.ts';

const POLICY: CorsPolicy = {
  allowOriginStringMatch: [{ exact: 'http://a' }, { suffix: '.example' }],
  allowMethods: 'GET,PUT', allowHeaders: 'x-a', exposeHeaders: 'x-b', maxAge: '60', allowCredentials: true,
};
const PREFLIGHT = ['access-control-request-method', 'PUT', 'access-control-request-headers', 'x-c'];

interface Outcome {
  readonly verdict: string;
  /** Of the preflight's answer. */
  readonly reply: Record<string, string> | undefined;
  /** Of an answer that passes afterwards and already has a policy of its own. */
  readonly response: Record<string, string>;
  readonly counts: Record<string, number>;
}

function run(rules: CorsRules | CorsPolicy | undefined, facts: FilterStreamFacts): Outcome {
  const counted = new CountedStats();
  const filter = new CorsFilter('cors', { random: new SeededRandom(1), stats: counted.stats, scope: httpScope('p') });
  const compiled = rules === undefined || rules instanceof CorsRules ? rules : new CorsRules(rules, undefined, '');
  const perFilterConfig = new Map(compiled === undefined ? [] : [['cors', compiled]]);
  const stream = new HeldFilterStream({ perFilterConfig, ...facts });
  const verdict = filter.onRequestHead(stream);
  const head = new ResponseHead(200);
  head.headers.append('access-control-allow-origin', '*');
  filter.onResponseHead(stream, head);
  const [reply] = stream.replies;
  if (reply !== undefined) assert.equal(`${reply.status} ${reply.body} ${reply.detail}`, '200  cors_response');
  const { headers } = head;
  const fields = Array.from({ length: headers.count }, (_, i) => [headers.nameAt(i), headers.valueAt(i)]);
  return {
    verdict, reply: reply && Object.fromEntries(reply.headers ?? []), response: Object.fromEntries(fields),
    counts: counted.counts,
  };
}

function preflight(rules: CorsRules | CorsPolicy, origin: string, fields: readonly string[] = PREFLIGHT): Outcome {
  return run(rules, { method: 'OPTIONS', fields: ['origin', origin, ...fields] });
}

test('a preflight of an allowed origin is answered', () => {
  const { verdict, reply, counts } = preflight(POLICY, 'http://a');
  assert.equal(verdict, 'replied');
  assert.deepEqual(reply, {
    'access-control-allow-origin': 'http://a', 'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET,PUT', 'access-control-allow-headers': 'x-a', 'access-control-max-age': '60',
  });
  assert.deepEqual(counts, { 'http.p.cors.origin_valid': 1 });
});

test('an answer to an allowed origin names it, in place of what the service said', () => {
  const { verdict, response } = run(POLICY, { fields: ['origin', 'http://x.example'] });
  assert.equal(verdict, 'continue');
  assert.deepEqual(response, {
    'access-control-allow-origin': 'http://x.example', 'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'x-b',
  });
});

test('a foreign origin passes, its preflight too, and its answers are left alone', () => {
  for (const outcome of [run(POLICY, { fields: ['origin', 'http://b'] }), preflight(POLICY, 'http://b')]) {
    assert.equal(outcome.verdict, 'continue');
    assert.deepEqual(outcome.response, { 'access-control-allow-origin': '*' });
    assert.deepEqual(outcome.counts, { 'http.p.cors.origin_invalid': 1 });
  }
});

test('a foreign preflight that is not forwarded is answered without its origin', () => {
  const { verdict, reply } = preflight({ ...POLICY, forwardNotMatchingPreflights: false }, 'http://b');
  assert.equal(verdict, 'replied');
  assert.equal(reply?.['access-control-allow-origin'], undefined);
  assert.equal(reply?.['access-control-allow-methods'], 'GET,PUT');
});

test('without policy, route, origin, or on routes that answer themselves, everything passes', () => {
  const fields = ['origin', 'http://a', ...PREFLIGHT];
  const response = { 'access-control-allow-origin': '*' };
  const untouched = { verdict: 'continue', reply: undefined, response, counts: {} };
  assert.deepEqual(run(undefined, { method: 'OPTIONS', fields }), untouched);
  assert.deepEqual(run(POLICY, { method: 'OPTIONS', fields, perFilterConfig: null }), untouched);
  assert.deepEqual(run(POLICY, { method: 'OPTIONS', fields: PREFLIGHT }), untouched);
  assert.deepEqual(run(POLICY, { method: 'OPTIONS', fields, action: 'direct' }), untouched);
});

test('OPTIONS that asks for no method is no preflight', () => {
  assert.equal(run(POLICY, { method: 'OPTIONS', fields: ['origin', 'http://a'] }).verdict, 'continue');
});

test('`*` gives back what was asked for', () => {
  const { reply } = preflight({ ...POLICY, allowMethods: '*', allowHeaders: '*' }, 'http://a');
  assert.equal(reply?.['access-control-allow-methods'], 'PUT');
  assert.equal(reply?.['access-control-allow-headers'], 'x-c');
});

test('an origin matcher that fits `*` allows every origin, and the origin itself is named', () => {
  const { reply } = preflight({ allowOriginStringMatch: [{ exact: '*' }] }, 'http://b');
  assert.deepEqual(reply, { 'access-control-allow-origin': 'http://b' });
});

test('S45 a literal origin is no pattern, and no part of another one', () => {
  const policy: CorsPolicy = { allowOriginStringMatch: [{ exact: 'http://a.shop' }] };
  assert.equal(preflight(policy, 'http://a.shop').verdict, 'replied');
  for (const origin of ['http://aXshop', 'http://a.shop.evil', 'evil-http://a.shop', 'HTTP://A.SHOP']) {
    assert.equal(preflight(policy, origin).verdict, 'continue', origin);
  }
});

test('S44 several Origin fields are one value, which no literal matches', () => {
  const { verdict } = preflight(POLICY, 'http://a', ['origin', 'http://evil', ...PREFLIGHT]);
  assert.equal(verdict, 'continue');
});

test('private networks are granted when they are allowed and asked for', () => {
  const asking = [...PREFLIGHT, 'access-control-request-private-network', 'true'];
  const allowing = { ...POLICY, allowPrivateNetworkAccess: true };
  const granted = (outcome: Outcome): string | undefined => outcome.reply?.['access-control-allow-private-network'];
  assert.equal(granted(preflight(allowing, 'http://a', asking)), 'true');
  assert.equal(granted(preflight(allowing, 'http://a')), undefined);
  assert.equal(granted(preflight(POLICY, 'http://a', asking)), undefined);
});

test('what a route leaves out, its virtual host says', () => {
  const host = new CorsRules({ ...POLICY, forwardNotMatchingPreflights: false }, undefined, '');
  const own: CorsPolicy = { allowOriginStringMatch: [{ exact: 'http://b' }], maxAge: '5', allowMethods: '' };
  const route = new CorsRules(own, host, '');
  assert.deepEqual(preflight(route, 'http://b').reply, {
    'access-control-allow-origin': 'http://b', 'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET,PUT', 'access-control-allow-headers': 'x-a', 'access-control-max-age': '5',
  });
  assert.equal(preflight(route, 'http://a').reply?.['access-control-allow-origin'], undefined);
  const credentials = new CorsRules({ allowCredentials: false }, host, '');
  assert.equal(preflight(credentials, 'http://a').reply?.['access-control-allow-credentials'], undefined);
});

test('a policy that is off does nothing; in shadow it counts', () => {
  const off = { filterEnabled: { defaultValue: { numerator: 0 } } };
  assert.deepEqual(preflight({ ...POLICY, ...off }, 'http://a').counts, {});
  const shadow = preflight({ ...POLICY, ...off, shadowEnabled: { defaultValue: { numerator: 100 } } }, 'http://a');
  assert.equal(shadow.verdict, 'continue');
  assert.deepEqual(shadow.response, { 'access-control-allow-origin': '*' });
  assert.deepEqual(shadow.counts, { 'http.p.cors.origin_valid': 1 });
});

test('faults of the configuration are told by their place', () => {
  const bad: CorsPolicy = { allowOriginStringMatch: [{ exact: 'a' }, { safeRegex: { regex: '(' } }] };
  assert.throws(() => new CorsRules(bad, undefined, 'x'), /^ConfigError: x\.allowOriginStringMatch\[1\]\.safeRegex/);
});
