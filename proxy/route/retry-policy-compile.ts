// Compiles envoy.config.route.v3.RetryPolicy, and decides by it which outcomes ask for another try.
import { ConfigError } from '../base/error.ts';
import type { ErrorKind, ProxyError } from '../base/error.ts';
import { msOr } from '../config/duration.ts';
import type { OmitHostMetadataConfig, RetryHostPredicate, RetryPolicy as RetryPolicyConfig } from
  '../config/retry-policy.ts';
import { OMIT_CANARY_HOSTS_TYPE, OMIT_HOST_METADATA_TYPE, PREVIOUS_HOSTS_TYPE } from '../config/type-url.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { compileHeaderMatches } from './header-match.ts';
import { RateLimitedBackOff } from './rate-limited-back-off.ts';
import { GRPC_RETRIES, parseRetryOn } from './retry-on.ts';
import { RetryOn } from './retry-policy.ts';
import type { RetryPolicy, RetrySettings } from './retry-policy.ts';

const DEFAULT_RETRIES = 1;
const DEFAULT_BACKOFF_MS = 25;
const BACKOFF_GROWTH_MAX = 10;

const ANY_GRPC = RetryOn.grpcCancelled | RetryOn.grpcDeadlineExceeded | RetryOn.grpcInternal
  | RetryOn.grpcResourceExhausted | RetryOn.grpcUnavailable;
/** A reset would become a 503 or 504, so these words cover it, as in Envoy. */
const COVERS_RESET = RetryOn.reset | RetryOn.serverError | RetryOn.gatewayError;

/** What each failure is besides a reset of the upstream; failures that are not here are never retried. */
const FAILURES: ReadonlyMap<ErrorKind, number> = new Map<ErrorKind, number>([
  ['connect-failure', RetryOn.connectFailure],
  ['connect-timeout', RetryOn.connectFailure],
  ['local-connect-failure', RetryOn.connectFailure],
  ['upstream-tls', RetryOn.connectFailure],
  ['upstream-refused', RetryOn.refusedStream],
  ['upstream-reset', 0],
  ['upstream-protocol', 0],
  ['per-try-timeout', 0],
]);

/** What holds where no policy is configured and a request's own headers ask for retries. */
export const NO_RETRIES: RetrySettings = {
  retryOn: 0,
  maxRetries: DEFAULT_RETRIES,
  perTryTimeoutMs: 0,
  perTryIdleTimeoutMs: 0,
  backoffBaseMs: DEFAULT_BACKOFF_MS,
  backoffMaxMs: DEFAULT_BACKOFF_MS * BACKOFF_GROWTH_MAX,
  statusCodes: new Set(),
  retriableHeaders: [],
  retriableNames: [],
  requestHeaders: [],
  rateLimited: undefined,
  avoidPreviousHosts: false,
  omitCanaryHosts: false,
  omitMetadata: [],
  hostSelectionMaxAttempts: 1,
  priorityFrequency: 0,
};

export class CompiledRetryPolicy implements RetryPolicy {
  readonly settings: RetrySettings;

  constructor(settings: RetrySettings) {
    this.settings = settings;
  }

  retriesResponse(head: ResponseHead): boolean {
    // An upstream proxy that limits the rate has said no; only its own word asks again.
    if (head.headers.has('x-envoy-ratelimited')) return this.#on(RetryOn.envoyRatelimited);
    return this.#retriesStatus(head.status) || this.#retriesHeaders(head) || this.#retriesGrpc(head);
  }

  retriesFailure(error: ProxyError, requestStarted: boolean): boolean {
    const word = FAILURES.get(error.kind);
    if (word === undefined) return false;
    return this.#on(COVERS_RESET | word) || (!requestStarted && this.#on(RetryOn.resetBeforeRequest));
  }

  #on(bits: number): boolean {
    return (this.settings.retryOn & bits) !== 0;
  }

  #retriesStatus(status: number): boolean {
    if (status >= 500 && status <= 599 && this.#on(RetryOn.serverError)) return true;
    if (status >= 502 && status <= 504 && this.#on(RetryOn.gatewayError)) return true;
    if (status === 409 && this.#on(RetryOn.retriable4xx)) return true;
    return this.#on(RetryOn.retriableStatusCodes) && this.settings.statusCodes.has(status);
  }

  #retriesHeaders(head: ResponseHead): boolean {
    if (!this.#on(RetryOn.retriableHeaders)) return false;
    for (const match of this.settings.retriableHeaders) if (match.matchesResponse(head)) return true;
    for (const name of this.settings.retriableNames) if (head.headers.has(name)) return true;
    return false;
  }

  /** Only a response without a body carries its gRPC status in its head. */
  #retriesGrpc(head: ResponseHead): boolean {
    if (!this.#on(ANY_GRPC)) return false;
    const status = head.headers.get('grpc-status');
    return status !== undefined && this.#on(GRPC_RETRIES.get(status) ?? 0);
  }
}

/** Without its words for a request that it does not admit. */
export function retryFor(retry: RetryPolicy | undefined, head: RequestHead): RetryPolicy | undefined {
  if (retry === undefined || admits(retry.settings, head)) return retry;
  return new CompiledRetryPolicy({ ...retry.settings, retryOn: 0 });
}

/** Whether a request meets one of retriable_request_headers, where there are any. */
export function admits({ requestHeaders }: RetrySettings, head: RequestHead): boolean {
  if (requestHeaders.length === 0) return true;
  for (const condition of requestHeaders) if (condition.matches(head)) return true;
  return false;
}

/** A try that may take as long as the whole request has no timeout of its own, as in Envoy. */
export function retryWithin(retry: RetryPolicy | undefined, timeoutMs: number): RetryPolicy | undefined {
  if (retry === undefined || timeoutMs === 0 || retry.settings.perTryTimeoutMs < timeoutMs) return retry;
  return new CompiledRetryPolicy({ ...retry.settings, perTryTimeoutMs: 0 });
}

/** Compiles a policy. Throws ConfigError below `path` for unknown words and predicates. */
export function compileRetryPolicy(
  config: RetryPolicyConfig | undefined,
  path: string,
): CompiledRetryPolicy | undefined {
  if (config === undefined) return undefined;
  const { bits, unknown } = parseRetryOn(config.retryOn ?? '');
  if (unknown !== undefined) throw new ConfigError(`${path}.retryOn`, reasonOf(unknown));
  const { rateLimitedRetryBackOff: rateLimited } = config;
  const { baseMs, maxMs } = compileBackOff(config.retryBackOff, `${path}.retryBackOff`);
  return new CompiledRetryPolicy({
    retryOn: bits,
    maxRetries: config.numRetries ?? DEFAULT_RETRIES,
    perTryTimeoutMs: msOr(config.perTryTimeout, 0),
    perTryIdleTimeoutMs: msOr(config.perTryIdleTimeout, 0),
    backoffBaseMs: baseMs,
    backoffMaxMs: maxMs,
    statusCodes: new Set(config.retriableStatusCodes),
    retriableHeaders: compileHeaderMatches(config.retriableHeaders, `${path}.retriableHeaders`),
    retriableNames: [],
    requestHeaders: compileHeaderMatches(config.retriableRequestHeaders, `${path}.retriableRequestHeaders`),
    rateLimited: rateLimited === undefined ? undefined : new RateLimitedBackOff(rateLimited),
    ...compilePredicates(config.retryHostPredicate ?? []),
    hostSelectionMaxAttempts: Math.max(1, Number(config.hostSelectionRetryMaxAttempts ?? 1)),
    priorityFrequency: config.retryPriority?.typedConfig.updateFrequency ?? 0,
  });
}

function reasonOf(word: string): string {
  if (!/^[1-5][0-9][0-9]$/.test(word)) return `unknown word '${word}'`;
  return `'${word}' is a status: put it in retriableStatusCodes, and retriable-status-codes here`;
}

function compileBackOff(config: RetryPolicyConfig['retryBackOff'], path: string): { baseMs: number; maxMs: number } {
  if (config === undefined) return { baseMs: NO_RETRIES.backoffBaseMs, maxMs: NO_RETRIES.backoffMaxMs };
  const baseMs = Math.max(1, msOr(config.baseInterval, DEFAULT_BACKOFF_MS));
  const maxMs = Math.max(1, msOr(config.maxInterval, baseMs * BACKOFF_GROWTH_MAX));
  if (maxMs < baseMs) throw new ConfigError(`${path}.maxInterval`, 'must not be below baseInterval');
  return { baseMs, maxMs };
}

function compilePredicates(
  predicates: readonly RetryHostPredicate[],
): Pick<RetrySettings, 'avoidPreviousHosts' | 'omitCanaryHosts' | 'omitMetadata'> {
  const configs = predicates.map(({ typedConfig }) => typedConfig);
  const has = (type: string): boolean => configs.some((config) => config['@type'] === type);
  const labels = configs.map((config) => (config['@type'] === OMIT_HOST_METADATA_TYPE ? labelsOf(config) : []));
  return {
    avoidPreviousHosts: has(PREVIOUS_HOSTS_TYPE),
    omitCanaryHosts: has(OMIT_CANARY_HOSTS_TYPE),
    omitMetadata: labels.filter(({ length }) => length > 0),
  };
}

/** The map has foreign keys: an own key is asked for. */
function labelsOf({ metadataMatch }: OmitHostMetadataConfig): readonly (readonly [string, unknown])[] {
  const all = metadataMatch?.filterMetadata ?? {};
  return Object.hasOwn(all, 'envoy.lb') ? Object.entries(all['envoy.lb'] ?? {}) : [];
}
