// What a request's own x-envoy-* headers change of its route's timeout and retries (Envoy's router headers).
import type { RequestHead } from '../http/message.ts';
import { isGrpc } from '../telemetry/grpc-status.ts';
import { CompiledRetryPolicy, NO_RETRIES, retryFor, retryWithin } from './retry-policy-compile.ts';
import type { RetrySettings } from './retry-policy.ts';
import { retryOnOfHeader } from './retry-on.ts';
import type { ForwardAction } from './route-entry.ts';

/** The timeout and retries of one request. */
export interface RequestPlan extends Pick<ForwardAction, 'timeoutMs' | 'retry'> {
  /** The upstream is told in grpc-timeout how long it has. */
  readonly tellsGrpcTimeout?: boolean;
}

/** A client cannot ask for more retries than this, nor list more codes or names. */
export const HEADER_RETRIES_MAX = 100;
const LIST_MAX = 100;
/** Longest timeout that a header may ask for: a day. */
const TIMEOUT_MS_MAX = 86_400_000;

const PREFIX = 'x-envoy-';
const RETRY_ON = 'x-envoy-retry-on';
const RETRY_GRPC_ON = 'x-envoy-retry-grpc-on';
const MAX_RETRIES = 'x-envoy-max-retries';
const STATUS_CODES = 'x-envoy-retriable-status-codes';
const HEADER_NAMES = 'x-envoy-retriable-header-names';
const TIMEOUT = 'x-envoy-upstream-rq-timeout-ms';
const PER_TRY_TIMEOUT = 'x-envoy-upstream-rq-per-try-timeout-ms';

const CONSUMED: ReadonlySet<string> = new Set([
  RETRY_ON, RETRY_GRPC_ON, MAX_RETRIES, STATUS_CODES, HEADER_NAMES, TIMEOUT, PER_TRY_TIMEOUT,
  'x-envoy-hedge-on-per-try-timeout', 'x-envoy-upstream-rq-timeout-alt-response',
]);

/**
 * The route's own plan where the request says nothing, which costs one look at its header names. Else a plan of its
 * own; the headers that made it are removed, as they are for this hop only. Values that cannot be read are ignored.
 */
export function planRequest(action: ForwardAction, head: RequestHead): RequestPlan {
  const plan = planOfRoute(action, head);
  if (!mentionsRouter(head)) return plan;
  const timeoutMs = timeoutOf(head, TIMEOUT) ?? plan.timeoutMs;
  const own = retryFor(action.configuredRetry, head)?.settings ?? NO_RETRIES;
  const settings = withHeaders(own, head, timeoutMs);
  for (const name of CONSUMED) head.headers.remove(name);
  const asks = settings.retryOn !== 0 || settings.perTryTimeoutMs > 0 || settings.perTryIdleTimeoutMs > 0;
  const retry = asks ? new CompiledRetryPolicy(settings) : undefined;
  return { timeoutMs, retry, tellsGrpcTimeout: plan.tellsGrpcTimeout ?? false };
}

/** The route's own plan, with the timeout that a gRPC request brings where the route lets it. */
export function planOfRoute(action: ForwardAction, head: RequestHead): RequestPlan {
  const { maxGrpcTimeout, timeoutMs: own } = action;
  const retry = retryFor(action.retry, head);
  if (maxGrpcTimeout === undefined || !isGrpc(head)) return retry === action.retry ? action : { timeoutMs: own, retry };
  const timeoutMs = maxGrpcTimeout.timeoutMs(head.headers);
  const within = retryWithin(retryFor(action.configuredRetry, head), timeoutMs);
  return { timeoutMs, retry: within, tellsGrpcTimeout: true };
}

function mentionsRouter(head: RequestHead): boolean {
  const { headers } = head;
  for (let i = 0; i < headers.count; i++) {
    const name = headers.nameAt(i);
    if (name.startsWith(PREFIX) && CONSUMED.has(name)) return true;
  }
  return false;
}

function withHeaders(own: RetrySettings, head: RequestHead, timeoutMs: number): RetrySettings {
  const { headers } = head;
  const retryOn = own.retryOn | retryOnOfHeader(headers.joined(RETRY_ON) ?? '', false)
    | retryOnOfHeader(headers.joined(RETRY_GRPC_ON) ?? '', true);
  const asked = wholeNumber(headers.get(MAX_RETRIES), HEADER_RETRIES_MAX);
  const perTry = timeoutOf(head, PER_TRY_TIMEOUT) ?? own.perTryTimeoutMs;
  return {
    ...own,
    retryOn,
    maxRetries: retryOn !== 0 && asked !== undefined ? asked : own.maxRetries,
    // A try that may take as long as the whole request has no timeout of its own.
    perTryTimeoutMs: timeoutMs !== 0 && perTry >= timeoutMs ? 0 : perTry,
    statusCodes: new Set([...own.statusCodes, ...codesOf(headers.joined(STATUS_CODES))]),
    retriableNames: listOf(headers.joined(HEADER_NAMES)).map((name) => name.toLowerCase()),
  };
}

function codesOf(text: string | undefined): number[] {
  return listOf(text).map((part) => wholeNumber(part, 599) ?? 0).filter((code) => code >= 100);
}

function listOf(text: string | undefined): string[] {
  if (text === undefined) return [];
  return text.split(',', LIST_MAX).map((part) => part.trim()).filter((part) => part !== '');
}

/** Milliseconds; 0 is no timeout. */
function timeoutOf(head: RequestHead, name: string): number | undefined {
  return wholeNumber(head.headers.get(name), TIMEOUT_MS_MAX);
}

/** Decimal digits only, cut to `most`. */
function wholeNumber(text: string | undefined, most: number): number | undefined {
  if (text === undefined || !/^[0-9]{1,15}$/.test(text)) return undefined;
  return Math.min(Number(text), most);
}

/** What the upstream may take for one try, in whole milliseconds, at least 1; 0 is no limit. */
export function expectedTimeoutMs({ timeoutMs, retry }: RequestPlan, spentMs: number): number {
  const perTryMs = retry?.settings.perTryTimeoutMs ?? 0;
  const tryMs = perTryMs > 0 ? perTryMs : timeoutMs;
  if (timeoutMs === 0) return Math.round(tryMs);
  return Math.max(1, Math.round(Math.min(tryMs, timeoutMs - spentMs)));
}
