// Deadlines out of grpc-timeout. Expectations as observed on Envoy 1.40.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MaxStreamDuration, RouteAction } from '../config/route-action.ts';
import { Headers } from '../http/headers.ts';
import { RequestHead } from '../http/message.ts';
import { compileForward } from './forward-action.ts';
import { StreamDuration, grpcTimeoutMs, grpcTimeoutText } from './grpc-timeout.ts';
import { compilePathMatch } from './path-match.ts';
import { planRetries, planTimes } from './request-plan.ts';
import type { ForwardAction } from './route-entry.ts';

const GRPC = 'application/grpc+proto';

function call(timeout: string | undefined, type = GRPC, ...fields: string[]): RequestHead {
  const asked = timeout === undefined ? [] : ['grpc-timeout', timeout];
  return new RequestHead('POST', 'a', '/s/m', new Headers(['content-type', type, ...asked, ...fields]));
}

test('units are rounded up to milliseconds; what cannot be read says nothing', () => {
  const read = (text: string): number | undefined => grpcTimeoutMs(call(text).headers);
  assert.deepEqual(['1H', '1M', '1S', '1m', '1u', '1500u', '1n', '99999999n', '0m', '001S'].map(read),
    [3_600_000, 60_000, 1000, 1, 1, 2, 1, 100, 0, 1000]);
  assert.equal(read('99999999H'), 359_999_996_400_000);
  for (const bad of ['', 'S', '1', '1x', 'x', '-1S', '1.5S', '100000000m', '1S,2S', '\u0661S']) {
    assert.equal(read(bad), undefined, bad);
  }
  assert.equal(grpcTimeoutMs(new Headers()), undefined);
  assert.equal(grpcTimeoutMs(new Headers(['grpc-timeout', '1S', 'grpc-timeout', '2S'])), undefined);
});

test('milliseconds are told in the finest unit that eight digits hold', () => {
  const times = [0, 1.9, 99_999_999, 100_000_000, 99_999_999_999, 1e12, 359_999_996_400_000, 1e18];
  assert.deepEqual(times.map(grpcTimeoutText),
    ['0m', '1m', '99999999m', '100000S', '99999999S', '16666666M', '99999999H', '99999999H']);
});

function forward(config: Partial<RouteAction>): ForwardAction {
  return compileForward({ cluster: 'c', ...config }, compilePathMatch({ prefix: '/' }, ''), undefined, new Set(), '');
}

test('max_grpc_timeout: the client\'s timeout, bounded and shortened, in place of the route\'s', () => {
  const timeoutMs = (config: Partial<RouteAction>, ...asked: (string | undefined)[]): number[] =>
    asked.map((text) => planTimes(forward(config), call(text)).timeoutMs);
  const asked = [undefined, '200m', '600m', '0S', 'nonsense'];
  assert.deepEqual(timeoutMs({}, ...asked), [15_000, 15_000, 15_000, 15_000, 15_000]);
  assert.deepEqual(timeoutMs({ maxGrpcTimeout: '0s' }, ...asked), [0, 200, 600, 0, 0]);
  assert.deepEqual(timeoutMs({ maxGrpcTimeout: '0.3s' }, ...asked), [300, 200, 300, 300, 300]);
  assert.deepEqual(timeoutMs({ timeout: '0.15s', maxGrpcTimeout: '0.4s' }, ...asked), [400, 200, 400, 400, 400]);
  const offset = { maxGrpcTimeout: '0.3s', grpcTimeoutOffset: '0.05s' };
  assert.deepEqual(timeoutMs(offset, ...asked), [300, 150, 300, 300, 300]);
  assert.deepEqual(timeoutMs({ maxGrpcTimeout: '0s', grpcTimeoutOffset: '1s' }, '200m', '1S', '1001m'), [200, 1000, 1]);
});

test('max_grpc_timeout is for gRPC alone, and gives way to max_stream_duration and to the header for this hop', () => {
  const action = forward({ maxGrpcTimeout: '0.3s' });
  const text = call('200m', 'text/plain');
  assert.equal(planTimes(action, text), action.times);
  assert.equal(planTimes(action, call('200m', 'application/grpc-web')), action.times);
  assert.equal(planTimes(action, call('200m', GRPC, 'x-envoy-upstream-rq-timeout-ms', '500')).timeoutMs, 500);
  const both = forward({ timeout: '1s', maxGrpcTimeout: '0.3s', maxStreamDuration: {} });
  assert.deepEqual([both.maxGrpcTimeout, both.timeoutMs], [undefined, 0]);
});

test('a try keeps the timeout that it has as long as the call\'s is longer, not as the route\'s is', () => {
  const retryPolicy = { retryOn: 'unavailable', perTryTimeout: '0.3s' };
  const action = forward({ timeout: '0.1s', maxGrpcTimeout: '2s', retryPolicy });
  const asked = [undefined, '200m'].map((timeout) => {
    const request = call(timeout);
    const times = planTimes(action, request);
    return [times.perTryTimeoutMs, planRetries(action, request, times)?.settings.perTryTimeoutMs];
  });
  assert.deepEqual([action.retry?.settings.perTryTimeoutMs, ...asked], [0, [300, 300], [0, 0]]);
});

/** Milliseconds that are left, and what the upstream is told. */
function duration(config: MaxStreamDuration, request: RequestHead, managerMs = 0): (number | string | undefined)[] {
  return [new StreamDuration(config).deadlineMs(request, managerMs), request.headers.get('grpc-timeout')];
}

test('max_stream_duration: the route\'s, the manager\'s, or what the client asks for where the route lets it', () => {
  const own = { maxStreamDuration: '0.4s' };
  assert.deepEqual(duration(own, call('200m')), [400, '400m']);
  assert.deepEqual(duration({}, call('200m')), [undefined, '200m']);
  assert.deepEqual(duration({}, call(undefined), 250), [250, '250m']);
  assert.deepEqual(duration({ maxStreamDuration: '0s' }, call('200m'), 250), [undefined, undefined]);
  const any = { grpcTimeoutHeaderMax: '0s' };
  assert.deepEqual(duration(any, call('200m')), [200, '200m']);
  assert.deepEqual(duration(any, call(undefined)), [undefined, undefined]);
  assert.deepEqual(duration({ ...own, ...any }, call('600m')), [600, '600m']);
  assert.deepEqual(duration({ ...own, ...any }, call(undefined)), [400, '400m']);
  assert.deepEqual(duration({ grpcTimeoutHeaderMax: '0.3s' }, call('600m'), 50), [300, '300m']);
});

test('the offset may leave nothing, and a timeout of nothing ends the call at once', () => {
  const config = { grpcTimeoutHeaderMax: '0.3s', grpcTimeoutHeaderOffset: '0.1s' };
  assert.deepEqual(duration(config, call('200m')), [100, '100m']);
  assert.deepEqual(duration(config, call('600m')), [200, '200m']);
  assert.deepEqual(duration(config, call('50m')), [0, '0m']);
  assert.deepEqual(duration({ grpcTimeoutHeaderMax: '0s' }, call('0S')), [0, '0m']);
});

test('grpc-timeout of other requests counts and stays as it is', () => {
  assert.deepEqual(duration({ grpcTimeoutHeaderMax: '0.1s' }, call('200m', 'text/plain')), [100, '200m']);
});
