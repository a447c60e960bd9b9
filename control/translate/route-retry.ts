// Retries of a route: Istio's default, or what the VirtualService says.
import type { RetryPolicy } from '../../proxy/config/retry-policy.ts';
import type { Retries } from '../model/http-route.ts';

/** Conditions under which nothing was done twice; 503 is in them only where a rule says so. */
const DEFAULT_RETRY_ON = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes';
const DEFAULT_ATTEMPTS = 2;
const STATUS_WORD = 'retriable-status-codes';

const PREVIOUS_HOSTS: Pick<RetryPolicy, 'retryHostPredicate' | 'hostSelectionRetryMaxAttempts'> = {
  retryHostPredicate: [{
    name: 'envoy.retry_host_predicates.previous_hosts',
    typedConfig: {
      '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
    },
  }],
  hostSelectionRetryMaxAttempts: 5,
};

/** After two tries in one priority, localities of the next; as Istio has it. */
const REMOTE_LOCALITIES: Pick<RetryPolicy, 'retryPriority'> = {
  retryPriority: {
    name: 'envoy.retry_priorities.previous_priorities',
    typedConfig: {
      '@type': 'type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
      updateFrequency: 2,
    },
  },
};

/** Of a proxy to its own application: a connection that ended before the request was sent is the keep-alive race. */
export const INBOUND_RETRY: RetryPolicy = { retryOn: 'reset-before-request', numRetries: 2 };

/** Undefined when retries are off. With balancing by hash a retry may go to the same endpoint, as in Istio. */
export function retryPolicy(retries: Retries | undefined, isHashed: boolean): RetryPolicy | undefined {
  const elsewhere = retries?.retryIgnorePreviousHosts ?? !isHashed;
  const hosts = elsewhere ? PREVIOUS_HOSTS : {};
  if (retries === undefined) return { retryOn: DEFAULT_RETRY_ON, numRetries: DEFAULT_ATTEMPTS, ...hosts };
  const { attempts = 0, retryOn, perTryTimeout, backoff, retryRemoteLocalities } = retries;
  if (attempts === 0) return undefined;
  return {
    ...conditions(retryOn),
    numRetries: attempts,
    ...(perTryTimeout !== undefined && { perTryTimeout }),
    ...(backoff !== undefined && { retryBackOff: { baseInterval: backoff } }),
    ...hosts,
    ...(retryRemoteLocalities === true && REMOTE_LOCALITIES),
  };
}

/** Numbers among the words are statuses, and ask for the word that goes with them. */
function conditions(retryOn: string | undefined): Pick<RetryPolicy, 'retryOn' | 'retriableStatusCodes'> {
  const words = (retryOn ?? '').split(',').map((word) => word.trim()).filter((word) => word !== '');
  if (words.length === 0) return { retryOn: DEFAULT_RETRY_ON };
  const codes = words.filter((word) => /^[0-9]+$/.test(word)).map(Number);
  const named = words.filter((word) => !/^[0-9]+$/.test(word));
  if (codes.length === 0) return { retryOn: named.join(',') };
  if (!named.includes(STATUS_WORD)) named.push(STATUS_WORD);
  return { retryOn: named.join(','), retriableStatusCodes: codes };
}
