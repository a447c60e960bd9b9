// What faults a level of configuration injects (HTTPFault), compiled: which requests, how often, and with what.
import type { HTTPFault } from '../config/fault.ts';
import { msOr } from '../config/duration.ts';
import { fractionOf } from '../route/fraction.ts';
import { compileHeaderMatches, matchesAll } from '../route/header-match.ts';
import type { HeaderMatch } from '../route/header-match.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import type { FilterStream, LocalReply } from './filter.ts';

/** Of the filter, or of a route, virtual host or table, which replaces the filter's whole. */
export class FaultSettings {
  /** How long requests are held, and which share of them. */
  readonly delayMs: number;
  readonly delayShare: number;
  /** What requests are answered, and which share of them; undefined: none is. */
  readonly abortReply: LocalReply | undefined;
  readonly abortShare: number;
  /** Requests under a fault at one time. */
  readonly activeMax: number;
  readonly #upstreamCluster: string;
  readonly #headers: readonly HeaderMatch[];

  /** Throws ConfigError below `path`. */
  constructor(config: HTTPFault, path: string) {
    const { delay, abort } = config;
    this.delayMs = msOr(delay?.fixedDelay, 0);
    this.delayShare = this.delayMs > 0 ? fractionOf(delay?.percentage) : 0;
    this.abortReply = abort === undefined ? undefined : replyOf(abort);
    this.abortShare = fractionOf(abort?.percentage);
    this.activeMax = config.maxActiveFaults ?? Number.POSITIVE_INFINITY;
    this.#upstreamCluster = config.upstreamCluster ?? '';
    this.#headers = compileHeaderMatches(config.headers, `${path}.headers`);
  }

  /** Whether the conditions hold; chance is not asked. */
  concerns(stream: FilterStream): boolean {
    if (this.delayShare === 0 && this.abortShare === 0) return false;
    if (this.#upstreamCluster !== '' && stream.cluster !== this.#upstreamCluster) return false;
    return matchesAll(this.#headers, stream.request);
  }
}

/** A gRPC status is told to gRPC requests; others see 200 then, as in Envoy. */
function replyOf({ httpStatus, grpcStatus }: NonNullable<HTTPFault['abort']>): LocalReply {
  const reply = {
    status: httpStatus ?? 200, body: 'fault filter abort', detail: 'fault_filter_abort', flags: flagBit('FI'),
  };
  return grpcStatus === undefined ? reply : { ...reply, grpcStatus };
}
