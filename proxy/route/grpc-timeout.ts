// grpc-timeout: how long a gRPC client waits for its call, and the deadlines that routes make of it (gRPC over HTTP/2).
import { msOr } from '../config/duration.ts';
import type { MaxStreamDuration, RouteAction } from '../config/route-action.ts';
import type { Headers } from '../http/headers.ts';
import type { RequestHead } from '../http/message.ts';
import { isGrpc } from '../telemetry/grpc-status.ts';

const GRPC_TIMEOUT = 'grpc-timeout';

/** At most eight digits. */
const DIGITS_MAX = 8;
const VALUE_MAX = 99_999_999;

const MS_BY_UNIT: ReadonlyMap<string, number> = new Map([
  ['n', 1e-6], ['u', 1e-3], ['m', 1], ['S', 1000], ['M', 60_000], ['H', 3_600_000],
]);

/** Whole milliseconds that the client gives its call, rounded up; undefined where it says nothing that can be read. */
export function grpcTimeoutMs(headers: Headers): number | undefined {
  const text = headers.joined(GRPC_TIMEOUT);
  if (text === undefined) return undefined;
  const digits = text.length - 1;
  const unitMs = MS_BY_UNIT.get(text.slice(-1));
  if (unitMs === undefined || digits < 1 || digits > DIGITS_MAX) return undefined;
  for (let i = 0; i < digits; i++) if (text.charCodeAt(i) < 0x30 || text.charCodeAt(i) > 0x39) return undefined;
  return Math.ceil(Number(text.slice(0, -1)) * unitMs);
}

/** So many milliseconds in the finest unit, from milliseconds up, in which they have eight digits; rounded down. */
export function grpcTimeoutText(ms: number): string {
  for (const [unit, unitMs] of MS_BY_UNIT) {
    const value = Math.floor(ms / unitMs);
    if (unitMs >= 1 && value <= VALUE_MAX) return `${value}${unit}`;
  }
  return `${VALUE_MAX}H`;
}

/** Tells the upstream of a gRPC request how long it has. */
export function setGrpcTimeout(headers: Headers, ms: number): void {
  headers.set(GRPC_TIMEOUT, grpcTimeoutText(ms));
}

/** A route's max_grpc_timeout and grpc_timeout_offset: gRPC requests have their client's timeout for the route's. */
export class MaxGrpcTimeout {
  readonly #maxMs: number;
  readonly #offsetMs: number;

  constructor(maxMs: number, offsetMs: number) {
    this.#maxMs = maxMs;
    this.#offsetMs = offsetMs;
  }

  /** Of a gRPC request, from its end to its response's; 0 is none. The offset never makes a timeout none. */
  timeoutMs(headers: Headers): number {
    let ms = grpcTimeoutMs(headers) ?? 0;
    if (this.#offsetMs < ms) ms -= this.#offsetMs;
    return this.#maxMs !== 0 && (ms === 0 || ms > this.#maxMs) ? this.#maxMs : ms;
  }
}

/** Undefined where grpc-timeout is none of the route's business, which max_stream_duration makes it too. */
export function compileMaxGrpcTimeout(config: RouteAction): MaxGrpcTimeout | undefined {
  if (config.maxGrpcTimeout === undefined || config.maxStreamDuration !== undefined) return undefined;
  return new MaxGrpcTimeout(msOr(config.maxGrpcTimeout, 0), msOr(config.grpcTimeoutOffset, 0));
}

/** A route's max_stream_duration: the whole life of a request, by the route or by its client's grpc-timeout. */
export class StreamDuration {
  /** 0 is none; undefined leaves the connection manager's. */
  readonly ownMs: number | undefined;
  readonly #grpcMaxMs: number | undefined;
  readonly #grpcOffsetMs: number;

  constructor({ maxStreamDuration, grpcTimeoutHeaderMax, grpcTimeoutHeaderOffset }: MaxStreamDuration) {
    this.ownMs = maxStreamDuration === undefined ? undefined : msOr(maxStreamDuration, 0);
    this.#grpcMaxMs = grpcTimeoutHeaderMax === undefined ? undefined : msOr(grpcTimeoutHeaderMax, 0);
    this.#grpcOffsetMs = msOr(grpcTimeoutHeaderOffset, 0);
  }

  /**
   * Milliseconds from the request's start, where 0 is at once; undefined is for ever. The upstream of a gRPC request is
   * told in grpc-timeout. `managerMs` is the connection manager's, 0 for none.
   */
  deadlineMs(request: RequestHead, managerMs: number): number | undefined {
    const askedMs = this.#grpcMaxMs === undefined ? undefined : grpcTimeoutMs(request.headers);
    const ms = askedMs === undefined ? this.ownMs ?? managerMs : this.#allowedMs(askedMs);
    const ends = askedMs !== undefined || ms > 0;
    if (isGrpc(request)) {
      if (ends) setGrpcTimeout(request.headers, ms);
      else if (managerMs > 0) request.headers.remove(GRPC_TIMEOUT);
    }
    return ends ? ms : undefined;
  }

  #allowedMs(askedMs: number): number {
    const maxMs = this.#grpcMaxMs ?? 0;
    return Math.max(0, (maxMs === 0 ? askedMs : Math.min(askedMs, maxMs)) - this.#grpcOffsetMs);
  }
}
