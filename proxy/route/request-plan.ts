// What a request's own x-envoy-* headers change of its route's timeouts and retries (Envoy's router headers).
import type { RequestHead } from '../http/message.ts';
import { isGrpc } from '../telemetry/grpc-status.ts';
import { timesWithin } from './request-times.ts';
import type { RequestTimes } from './request-times.ts';
import { CompiledRetryPolicy, NO_RETRIES, admits, retryFor } from './retry-policy-compile.ts';
import type { RetryPolicy, RetrySettings } from './retry-policy.ts';
import { retryOnOfHeader } from './retry-on.ts';
import type { ForwardAction } from './route-entry.ts';

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
const HEDGE = 'x-envoy-hedge-on-per-try-timeout';
const PER_TRY_TIMEOUT = 'x-envoy-upstream-rq-per-try-timeout-ms';

/** Read before the route's header changes, which come too late for them, as in Envoy. */
const OF_TIMES: ReadonlySet<string> = new Set([
  TIMEOUT, PER_TRY_TIMEOUT, HEDGE, 'x-envoy-upstream-rq-timeout-alt-response',
]);
/** Read after them, so that configuration may ask for retries. */
const OF_RETRIES: ReadonlySet<string> = new Set([
  RETRY_ON, RETRY_GRPC_ON, MAX_RETRIES, STATUS_CODES, HEADER_NAMES, PER_TRY_TIMEOUT, HEDGE,
]);

/**
 * The route's own times where the request says nothing. Else its own, which are for this hop only: their headers are
 * removed. Values that cannot be read are ignored.
 */
export function planTimes(action: ForwardAction, head: RequestHead): RequestTimes {
  const { headers } = head;
  const asks = mentions(head, OF_TIMES);
  const grpc = action.maxGrpcTimeout !== undefined && isGrpc(head);
  if (!asks && !grpc) return action.times;
  const own = grpc ? action.maxGrpcTimeout!.timeoutMs(headers) : action.timeoutMs;
  const timeoutMs = asks ? timeoutOf(head, TIMEOUT) ?? own : own;
  const perTryMs = asks ? timeoutOf(head, PER_TRY_TIMEOUT) : undefined;
  const hedges = asks ? hedgesOf(head, action.times.hedges) : action.times.hedges;
  if (asks) for (const name of OF_TIMES) headers.remove(name);
  return timesWithin(timeoutMs, perTryMs ?? action.configuredRetry?.settings.perTryTimeoutMs ?? 0, hedges, grpc);
}

function hedgesOf({ headers }: RequestHead, own: boolean): boolean {
  const asked = headers.get(HEDGE);
  return asked === 'true' || (own && asked !== 'false');
}

/** As planTimes, of retries, within the request's times; undefined: none. */
export function planRetries(
  action: ForwardAction, head: RequestHead, times: RequestTimes,
): RetryPolicy | undefined {
  const asks = mentions(head, OF_RETRIES);
  if (!asks && times === action.times) return retryFor(action.retry, head);
  const own = action.configuredRetry?.settings ?? NO_RETRIES;
  const { perTryTimeoutMs } = times;
  const asked = asks ? withHeaders(own, head, perTryTimeoutMs) : { ...own, perTryTimeoutMs };
  // What a policy does not admit is not retried by its own words either.
  const settings = admits(own, head) ? asked : { ...asked, retryOn: 0 };
  if (asks) for (const name of OF_RETRIES) head.headers.remove(name);
  const any = settings.retryOn !== 0 || settings.perTryTimeoutMs > 0 || settings.perTryIdleTimeoutMs > 0;
  return any ? new CompiledRetryPolicy(settings) : undefined;
}

/** One look at the names; nearly always there is none. */
function mentions({ headers }: RequestHead, names: ReadonlySet<string>): boolean {
  for (let i = 0; i < headers.count; i++) {
    const name = headers.nameAt(i);
    if (name.startsWith(PREFIX) && names.has(name)) return true;
  }
  return false;
}

function withHeaders(own: RetrySettings, head: RequestHead, perTryTimeoutMs: number): RetrySettings {
  const { headers } = head;
  const retryOn = own.retryOn | retryOnOfHeader(headers.joined(RETRY_ON) ?? '', false)
    | retryOnOfHeader(headers.joined(RETRY_GRPC_ON) ?? '', true);
  const asked = wholeNumber(headers.joined(MAX_RETRIES), HEADER_RETRIES_MAX);
  return {
    ...own,
    retryOn,
    maxRetries: retryOn !== 0 && asked !== undefined ? asked : own.maxRetries,
    perTryTimeoutMs,
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
  return wholeNumber(head.headers.joined(name), TIMEOUT_MS_MAX);
}

/** Decimal digits only, cut to `most`. */
function wholeNumber(text: string | undefined, most: number): number | undefined {
  if (text === undefined || !/^[0-9]{1,15}$/.test(text)) return undefined;
  return Math.min(Number(text), most);
}
