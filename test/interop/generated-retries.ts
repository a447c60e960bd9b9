// The generator's retry policies.
import type { RetryPolicy } from '../../proxy/config/retry-policy.ts';
import type { Draw } from '../harness/draw.ts';
import { LIVE_CLUSTERS, TIMEOUT } from './generated-clusters.ts';
import { drawHeader } from './generated-matches.ts';

const PREVIOUS_HOSTS =
  'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate' as const;
const RETRIES = ['5xx', 'gateway-error', 'reset', 'connect-failure', 'retriable-4xx', 'retriable-status-codes',
  'retriable-headers', 'envoy-ratelimited', 'unavailable', 'refused-stream', 'reset-before-request', 'cancelled'];

/** Back-offs are short: how long they are is for other tests. */
export function drawRetryPolicy(draw: Draw): RetryPolicy {
  return {
    retryOn: [draw.pick(RETRIES), ...draw.some(3, () => draw.pick(RETRIES))].join(','),
    ...draw.maybe(0.7, () => ({ numRetries: draw.below(5) })),
    ...draw.maybe(0.15, () => ({ perTryTimeout: TIMEOUT })),
    ...draw.maybe(0.4, () => ({ retriableStatusCodes: [draw.pick([404, 409, 429, 200, 500])] })),
    ...draw.maybe(0.3, () => ({ retriableHeaders: [{ name: 'x-up',
      stringMatch: { exact: draw.pick(LIVE_CLUSTERS) } }] })),
    ...draw.maybe(0.15, () => ({ retriableRequestHeaders: [drawHeader(draw)] })),
    ...draw.maybe(0.1, () => ({ perTryIdleTimeout: '20s' })),
    ...draw.maybe(0.3, () => ({ retryHostPredicate: [{ name: 'envoy.retry_host_predicates.previous_hosts',
      typedConfig: { '@type': PREVIOUS_HOSTS } }], hostSelectionRetryMaxAttempts: 5 })),
    ...draw.maybe(0.3, () => ({ rateLimitedRetryBackOff: {
      resetHeaders: [{ name: 'Retry-After' }, ...draw.some(1, () => (
        { name: 'x-reset', format: draw.pick(['SECONDS', 'UNIX_TIMESTAMP'] as const) }))],
      ...draw.maybe(0.5, () => ({ maxInterval: draw.pick(['1s', '60s']) })),
    } })),
    retryBackOff: { baseInterval: '0.001s', maxInterval: '0.002s' },
  };
}
