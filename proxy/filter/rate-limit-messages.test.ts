// Messages of rate limit services as protobufjs's own reflection makes and reads them, and bytes that are none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Wire } from '../config/wire.ts';
import { decodeAnswer, encodeRequest } from './rate-limit-messages.ts';

const wire = new Wire();
const SERVICE = 'envoy.service.ratelimit.v3';

test('a request is what the service\'s schema reads', () => {
  const bytes = encodeRequest('shop', [{ entries: ['user', 'am\xc3\xbc', 'tier', ''], hits: 1 },
    { entries: ['a', 'b'], hits: 1 }]);
  assert.deepEqual(wire.decode(`${SERVICE}.RateLimitRequest`, bytes), {
    domain: 'shop',
    descriptors: [{ entries: [{ key: 'user', value: 'amü' }, { key: 'tier' }] },
      { entries: [{ key: 'a', value: 'b' }] }],
  });
});

const ANSWER = {
  overallCode: 'OVER_LIMIT',
  statuses: [{ code: 'OVER_LIMIT', currentLimit: { requestsPerUnit: 9, unit: 'HOUR', name: 'n' }, limitRemaining: 3,
    durationUntilReset: '70s' }, { code: 'OK' }],
  responseHeadersToAdd: [{ key: 'X-A', value: '1' }], requestHeadersToAdd: [{ key: 'x-b', value: '2' }],
  rawBody: Buffer.from('no').toString('base64'), dynamicMetadata: { unread: true },
};

test('an answer is read, and what nobody needs in it is not', () => {
  assert.deepEqual(decodeAnswer(wire.encode(`${SERVICE}.RateLimitResponse`, ANSWER)), {
    overLimit: true, body: 'no', responseHeaders: ['x-a', '1'], requestHeaders: ['x-b', '2'],
    statuses: [{ limit: 9, unitSeconds: 3600, name: 'n', remaining: 3, resetSeconds: 70 },
      { limit: 0, unitSeconds: 0, name: '', remaining: 0, resetSeconds: 0 }],
  });
});

test('bytes that are no answer are told from one, and never throw', () => {
  const whole = wire.encode(`${SERVICE}.RateLimitResponse`, ANSWER);
  for (let length = 0; length <= whole.length; length++) decodeAnswer(whole.subarray(0, length));
  assert.equal(decodeAnswer(Buffer.from([0x12, 0x7f, 0x01])), undefined);
  assert.equal(decodeAnswer(Buffer.from([0x12, 0x02, 0x12, 0x09, 0x08, 0x01])), undefined);
  for (let at = 0; at < whole.length; at++) {
    const broken = Buffer.from(whole);
    broken[at]! ^= 0xff;
    decodeAnswer(broken);
  }
});
