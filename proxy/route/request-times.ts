// How long a forwarded request and its tries may take, and how the upstream is told.
import type { Headers } from '../http/headers.ts';
import { setGrpcTimeout } from './grpc-timeout.ts';

/** How long a request and each of its tries may take; 0 is no limit. */
export interface RequestTimes {
  readonly timeoutMs: number;
  readonly perTryTimeoutMs: number;
  /** A try that takes longer goes on beside the next one (`hedge_on_per_try_timeout`). */
  readonly hedges: boolean;
  /** The upstream is told in grpc-timeout how long it has. */
  readonly tellsGrpcTimeout: boolean;
}

/** The timeouts of a route whose requests say nothing of them. */
export function timesWithin(
  timeoutMs: number, perTryMs: number, hedges: boolean, tellsGrpcTimeout = false,
): RequestTimes {
  // A try that may take as long as the whole request has no timeout of its own.
  const perTryTimeoutMs = timeoutMs !== 0 && perTryMs >= timeoutMs ? 0 : perTryMs;
  return { timeoutMs, perTryTimeoutMs, hedges, tellsGrpcTimeout };
}

/** Tells the upstream what it may take for one try, in whole milliseconds, at least 1. */
export function tellTimes(headers: Headers, times: RequestTimes, spentMs: number, quiet: boolean): void {
  const { timeoutMs, perTryTimeoutMs, tellsGrpcTimeout } = times;
  const tryMs = perTryTimeoutMs > 0 ? perTryTimeoutMs : timeoutMs;
  if (tryMs === 0) return;
  const ms = timeoutMs === 0 ? Math.round(tryMs) : Math.max(1, Math.round(Math.min(tryMs, timeoutMs - spentMs)));
  if (!quiet) headers.set('x-envoy-expected-rq-timeout-ms', String(ms));
  if (tellsGrpcTimeout) setGrpcTimeout(headers, ms);
}
