// What a request may ask of its own timeout and retries.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouteAction } from '../config/route-action.ts';
import { Headers } from '../http/headers.ts';
import { RequestHead, ResponseHead } from '../http/message.ts';
import { compileForward } from './forward-action.ts';
import { compilePathMatch } from './path-match.ts';
import { HEADER_RETRIES_MAX, planRetries, planTimes } from './request-plan.ts';
import { tellTimes } from './request-times.ts';
import type { RetryPolicy } from './retry-policy.ts';

interface Plan {
  readonly timeoutMs: number;
  readonly retry: RetryPolicy | undefined;
  readonly hedges: boolean;
  readonly left: readonly string[];
}

function plan(config: Partial<RouteAction>, ...fields: string[]): Plan {
  const action = compileForward({ cluster: 'c', ...config }, compilePathMatch({ prefix: '/' }, ''), undefined,
    new Set(), '');
  const head = new RequestHead('GET', 'a', '/', new Headers(fields));
  const times = planTimes(action, head);
  const retry = planRetries(action, head, times);
  return { timeoutMs: times.timeoutMs, retry, hedges: times.hedges, left: head.headers.fields };
}

test('a request that says nothing gets its route\'s own plan, without an allocation', () => {
  const action = compileForward({ cluster: 'c' }, compilePathMatch({ prefix: '/' }, ''), undefined, new Set(), '');
  const request = new RequestHead('GET', 'a', '/', new Headers(['x-envoy-attempt-count', '1', 'x-a', 'b']));
  const times = planTimes(action, request);
  assert.deepEqual([times === action.times, planRetries(action, request, times) === action.retry], [true, true]);
});

test('the timeout', () => {
  const { timeoutMs, left } = plan({}, 'x-a', 'b', 'x-envoy-upstream-rq-timeout-ms', '250');
  assert.deepEqual([timeoutMs, left], [250, ['x-a', 'b']]);
  assert.equal(plan({}, 'x-envoy-upstream-rq-timeout-ms', '0').timeoutMs, 0);
  for (const bad of ['', '-1', '1.5', '1e3', '0x10', ' 5', 'NaN', '9'.repeat(30)]) assert.equal(plan({},
    'x-envoy-upstream-rq-timeout-ms', bad).timeoutMs, 15_000, bad);
});

test('a number that is said twice is none', () => {
  const twice = (name: string, value: string): string[] => [name, value, name, value];
  assert.equal(plan({}, ...twice('x-envoy-upstream-rq-timeout-ms', '250')).timeoutMs, 15_000);
  const { retry } = plan({ retryPolicy: { retryOn: '5xx' } }, ...twice('x-envoy-max-retries', '3'));
  assert.equal(retry?.settings.maxRetries, 1);
});

test('an upstream is told the time of a try, and what is left of the request', () => {
  const told = (timeoutMs: number, perTryTimeoutMs: number, spentMs: number): string | undefined => {
    const headers = new Headers();
    tellTimes(headers, { timeoutMs, perTryTimeoutMs, hedges: false, tellsGrpcTimeout: true }, spentMs, false);
    return headers.fields.join(' ');
  };
  assert.equal(told(1000, 300, 0), 'x-envoy-expected-rq-timeout-ms 300 grpc-timeout 300m');
  assert.equal(told(1000, 300, 900), 'x-envoy-expected-rq-timeout-ms 100 grpc-timeout 100m');
  assert.deepEqual([told(0, 0, 5), told(10, 0, 50)], ['', 'x-envoy-expected-rq-timeout-ms 1 grpc-timeout 1m']);
});

test('retries are asked for, added to and counted', () => {
  const asked = plan({}, 'x-envoy-retry-on', 'gateway-error,nonsense', 'x-envoy-max-retries', '3').retry;
  assert.deepEqual([asked?.settings.maxRetries, asked?.retriesResponse(new ResponseHead(502)),
    asked?.retriesResponse(new ResponseHead(500))], [3, true, false]);
  const grpc = plan({ retryPolicy: { retryOn: '5xx', numRetries: 7 } }, 'x-envoy-retry-grpc-on', 'unavailable').retry;
  assert.equal(grpc?.settings.maxRetries, 7);
  assert.equal(grpc?.retriesResponse(new ResponseHead(200, new Headers(['grpc-status', '14']))), true);
  assert.equal(grpc?.retriesResponse(new ResponseHead(500)), true);
  assert.equal(plan({}, 'x-envoy-max-retries', '3').retry, undefined, 'a number alone asks for nothing');
});

test('retriable_request_headers: only requests with one of them are retried, whatever they ask themselves', () => {
  const retryPolicy = { retryOn: '5xx', retriableRequestHeaders: [{ name: 'x-a' }, { name: 'x-b' }] };
  const asks = (status: number, ...fields: string[]) => (
    plan({ retryPolicy }, ...fields).retry?.retriesResponse(new ResponseHead(status)) === true
  );
  assert.deepEqual([asks(500, 'x-b', '1'), asks(500), asks(500, 'x-c', '1')], [true, false, false]);
  assert.deepEqual([asks(502, 'x-envoy-retry-on', '5xx'), asks(502, 'x-envoy-retry-on', '5xx', 'x-a', '1')],
    [false, true]);
});

test('S83 a client cannot ask for any number of retries', () => {
  assert.equal(plan({}, 'x-envoy-retry-on', '5xx', 'x-envoy-max-retries', '4000000000').retry?.settings.maxRetries,
    HEADER_RETRIES_MAX);
});

test('status codes and header names', () => {
  const codes = plan({}, 'x-envoy-retry-on', 'retriable-status-codes', 'x-envoy-retriable-status-codes',
    '418, x, 99, 429').retry;
  assert.deepEqual([418, 429, 99].map((status) => codes?.retriesResponse(new ResponseHead(status))),
    [true, true, false]);
  const names = plan({}, 'x-envoy-retry-on', 'retriable-headers', 'x-envoy-retriable-header-names',
    'X-Again, x-more').retry;
  assert.equal(names?.retriesResponse(new ResponseHead(200, new Headers(['x-again', '']))), true);
});

test('a try that may take as long as the whole request has no timeout of its own', () => {
  const perTry = (timeout: string, ms: string): number | undefined =>
    plan({ timeout, retryPolicy: { retryOn: '5xx' } }, 'x-envoy-upstream-rq-per-try-timeout-ms',
      ms).retry?.settings.perTryTimeoutMs;
  assert.deepEqual([perTry('1s', '500'), perTry('1s', '1000'), perTry('0s', '1000')], [500, 0, 1000]);
  const configured = plan({ timeout: '1s', retryPolicy: { retryOn: '5xx', perTryTimeout: '2s' } });
  assert.equal(configured.retry?.settings.perTryTimeoutMs, 0);
});

test('tries are hedged as the route says, unless the request says otherwise', () => {
  const hedgePolicy = { hedgeOnPerTryTimeout: true };
  const asks = (value: string, config: Partial<RouteAction> = {}): boolean =>
    plan(config, 'x-envoy-hedge-on-per-try-timeout', value).hedges;
  assert.deepEqual([plan({}).hedges, plan({ hedgePolicy }).hedges], [false, true]);
  assert.deepEqual([asks('true'), asks('false', { hedgePolicy }), asks('yes'), asks('yes', { hedgePolicy })],
    [true, false, false, true]);
  assert.deepEqual(plan({}, 'x-envoy-hedge-on-per-try-timeout', 'true').left, []);
});
