// Which outcomes a retry policy tries again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorKind } from '../base/error.ts';
import { ProxyError } from '../base/error.ts';
import type { RetryPolicy as RetryPolicyConfig } from '../config/retry-policy.ts';
import { Headers } from '../http/headers.ts';
import { ResponseHead } from '../http/message.ts';
import { compileRetryPolicy } from './retry-policy-compile.ts';
import type { RetryPolicy } from './retry-policy.ts';

function compile(config: RetryPolicyConfig): RetryPolicy {
  return compileRetryPolicy(config, 'retryPolicy')!;
}

function retries(retryOn: string, status: number, ...fields: string[]): boolean {
  return compile({ retryOn }).retriesResponse(new ResponseHead(status, new Headers(fields)));
}

function retriesFailure(retryOn: string, kind: ErrorKind, started = false): boolean {
  return compile({ retryOn }).retriesFailure(new ProxyError(kind, 'upstream', ''), started);
}

test('defaults are Envoy\'s', () => {
  const policy = compile({ retryOn: '5xx' }).settings;
  assert.deepEqual([policy.maxRetries, policy.perTryTimeoutMs, policy.backoffBaseMs, policy.backoffMaxMs,
    policy.hostSelectionMaxAttempts, policy.avoidPreviousHosts],
    [1, 0, 25, 250, 1, false]);
  assert.equal(compileRetryPolicy(undefined, ''), undefined);
});

test('responses by their status', () => {
  const words = ['5xx', 'gateway-error', 'retriable-4xx', 'reset', 'connect-failure'];
  const expected: readonly (readonly [number, readonly boolean[]])[] = [
    [200, [false, false, false, false, false]], [409, [false, false, true, false, false]],
      [404, [false, false, false, false, false]],
    [500, [true, false, false, false, false]], [502, [true, true, false, false, false]],
      [503, [true, true, false, false, false]],
    [504, [true, true, false, false, false]], [505, [true, false, false, false, false]],
  ];
  for (const [status, answers] of expected) assert.deepEqual(words.map((word) => retries(word, status)), answers,
    String(status));
  const codes = compile({ retryOn: 'retriable-status-codes', retriableStatusCodes: [418] });
  assert.equal(codes.retriesResponse(new ResponseHead(418)), true);
  assert.equal(compile({ retryOn: 'reset', retriableStatusCodes: [418] }).retriesResponse(new ResponseHead(418)),
    false);
});

test('responses by their headers', () => {
  assert.equal(retries('5xx', 503, 'x-envoy-ratelimited', 'true'), false);
  assert.equal(retries('envoy-ratelimited', 429, 'x-envoy-ratelimited', 'true'), true);
  const policy = compile({ retryOn: 'retriable-headers',
    retriableHeaders: [{ name: 'X-Retry', stringMatch: { exact: 'yes' } },
    { name: ':status', stringMatch: { exact: '418' } }] });
  assert.equal(policy.retriesResponse(new ResponseHead(200, new Headers(['x-retry', 'yes']))), true);
  assert.equal(policy.retriesResponse(new ResponseHead(418)), true);
  assert.equal(policy.retriesResponse(new ResponseHead(200, new Headers(['x-retry', 'no']))), false);
});

test('gRPC responses without a body by their status', () => {
  const words = ['cancelled', 'deadline-exceeded', 'resource-exhausted', 'internal', 'unavailable'];
  ['1', '4', '8', '13', '14', '0', '2', ''].forEach((code, i) => {
    assert.deepEqual(words.map((word) => retries(word, 200, 'grpc-status', code)), words.map((_, j) => i === j), code);
  });
});

test('failures without a response', () => {
  const words = ['5xx', 'gateway-error', 'reset', 'connect-failure', 'refused-stream', 'reset-before-request',
    'retriable-4xx'];
  const table: readonly (readonly [ErrorKind, readonly string[]])[] = [
    ['connect-failure', ['5xx', 'gateway-error', 'reset', 'connect-failure', 'reset-before-request']],
    ['connect-timeout', ['5xx', 'gateway-error', 'reset', 'connect-failure', 'reset-before-request']],
    ['upstream-tls', ['5xx', 'gateway-error', 'reset', 'connect-failure', 'reset-before-request']],
    ['upstream-refused', ['5xx', 'gateway-error', 'reset', 'refused-stream', 'reset-before-request']],
    ['upstream-reset', ['5xx', 'gateway-error', 'reset', 'reset-before-request']],
    ['upstream-protocol', ['5xx', 'gateway-error', 'reset', 'reset-before-request']],
    ['per-try-timeout', ['5xx', 'gateway-error', 'reset', 'reset-before-request']],
    ['upstream-timeout', []], ['overflow', []], ['no-healthy-upstream', []], ['downstream-reset', []], ['denied', []],
      ['max-duration', []],
  ];
  for (const [kind, expected] of table) {
    assert.deepEqual(words.filter((word) => retriesFailure(word, kind)), expected, kind);
    assert.deepEqual(words.filter((word) => retriesFailure(word, kind, true)),
      expected.filter((word) => word !== 'reset-before-request'), kind);
  }
});

test('back-off has Envoy\'s bounds', () => {
  const backoff = (retryBackOff: RetryPolicyConfig['retryBackOff']): number[] => {
    const { backoffBaseMs, backoffMaxMs } =
      compile({ retryOn: '5xx', ...(retryBackOff !== undefined && { retryBackOff }) }).settings;
    return [backoffBaseMs, backoffMaxMs];
  };
  assert.deepEqual(backoff({ baseInterval: '0.1s' }), [100, 1000]);
  assert.deepEqual(backoff({ baseInterval: '0.000001s', maxInterval: '2s' }), [1, 2000]);
  assert.throws(() => backoff({ baseInterval: '1s', maxInterval: '0.5s' }),
    /^ConfigError: retryPolicy\.retryBackOff\.maxInterval/);
});

test('rate-limited back-off is what the first usable header says', () => {
  const { rateLimited } = compile({ retryOn: '5xx', rateLimitedRetryBackOff: { maxInterval: '100s', resetHeaders: [
    { name: 'Retry-After' }, { name: 'x-reset', format: 'UNIX_TIMESTAMP' },
  ] } }).settings;
  const least = (...fields: string[]) => rateLimited!.leastMs(new ResponseHead(429, new Headers(fields)), 50_900);
  assert.equal(least('retry-after', '7', 'x-reset', '53'), 7000);
  assert.equal(least('retry-after', 'Wed, 21 Oct 2026 07:28:00 GMT', 'x-reset', '53'), 3000);
  assert.equal(least('retry-after', '101', 'x-reset', '50'), 0);
  for (const unusable of [[], ['x-reset', '49'], ['retry-after', '-1'], ['retry-after', '101']]) {
    assert.equal(least(...unusable), undefined, unusable.join());
  }
});

test('words are known or refused, a status with the way to write it', () => {
  assert.equal(compile({ retryOn: ' 5xx , ,unavailable,http3-post-connect-failure' }).settings.retryOn !== 0, true);
  assert.throws(() => compile({ retryOn: '5xx,5xxx' }), /^ConfigError: retryPolicy\.retryOn: unknown word '5xxx'/);
  assert.throws(() => compile({ retryOn: '503' }), /retriableStatusCodes/);
});

test('previous hosts are avoided when asked', () => {
  const type = 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate';
  const typedConfig = { '@type': type } as const;
  const policy = compile({ retryOn: '5xx', retryHostPredicate: [{ name: 'p', typedConfig }],
    hostSelectionRetryMaxAttempts: 5 }).settings;
  assert.deepEqual([policy.avoidPreviousHosts, policy.hostSelectionMaxAttempts], [true, 5]);
});

test('labels of endpoints to leave out are those of envoy.lb alone, and none without them', () => {
  const type = 'type.googleapis.com/envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig';
  const omit = (filterMetadata: Record<string, Record<string, unknown>>) =>
    ({ name: 'o', typedConfig: { '@type': type, metadataMatch: { filterMetadata } } } as const);
  const { settings } = compile({ retryOn: '5xx', retryHostPredicate: [
    omit({}), omit({ istio: { a: 'b' } }), omit({ 'envoy.lb': { a: 'b', c: 1 }, istio: {} }),
  ] });
  assert.deepEqual(settings.omitMetadata, [[['a', 'b'], ['c', 1]]]);
});
