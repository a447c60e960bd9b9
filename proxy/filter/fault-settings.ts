// What faults a level of configuration injects (HTTPFault), compiled: which requests, how often, and with what.
import { wireText } from '../base/ascii.ts';
import { NOT_A_NUMBER, parseDecimal } from '../base/integer.ts';
import type { HTTPFault } from '../config/fault.ts';
import { msOr } from '../config/duration.ts';
import type { FractionalPercent } from '../config/percent.ts';
import type { RequestHead } from '../http/message.ts';
import { fractionOf } from '../route/fraction.ts';
import { compileHeaderMatches, matchesAll } from '../route/header-match.ts';
import type { HeaderMatch } from '../route/header-match.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import type { FilterStream, LocalReply } from './filter.ts';

const DELAY_HEADER = 'x-envoy-fault-delay-request';
const ABORT_HEADER = 'x-envoy-fault-abort-request';
const GRPC_ABORT_HEADER = 'x-envoy-fault-abort-grpc-request';
const RATE_HEADER = 'x-envoy-fault-throughput-response';
const NODE_HEADER = 'x-envoy-downstream-service-node';
const DEFAULT_BODY = 'fault filter abort';
/** Longest delay that a client may ask for: a day. */
const DELAY_MS_MAX = 86_400_000;

/** Of the filter, or of a route, virtual host or table, which replaces the filter's whole. */
export class FaultSettings {
  /** Requests under a fault at one time. */
  readonly activeMax: number;
  readonly #delayMs: number;
  readonly #delay: Share;
  readonly #abortReply: LocalReply | undefined;
  readonly #abort: Share;
  readonly #body: string;
  readonly #kibPerSecond: number;
  readonly #rate: Share;
  readonly #upstreamCluster: string;
  readonly #nodes: ReadonlySet<string>;
  readonly #headers: readonly HeaderMatch[];

  /** Throws ConfigError below `path`. */
  constructor(config: HTTPFault, path: string) {
    const { delay, abort, responseRateLimit: rate } = config;
    this.#delayMs = msOr(delay?.fixedDelay, 0);
    this.#delay = new Share(delay?.percentage, delay?.headerDelay === undefined ? undefined : DELAY_HEADER);
    const body = wireText(abort?.responseBody || DEFAULT_BODY);
    this.#body = body;
    this.#abortReply = abort === undefined || abort.headerAbort !== undefined ? undefined : replyOf(abort, body);
    this.#abort = new Share(abort?.percentage, abort?.headerAbort === undefined ? undefined : ABORT_HEADER);
    this.#kibPerSecond = rate?.fixedLimit?.limitKbps ?? 0;
    this.#rate = new Share(rate?.percentage, rate?.headerLimit === undefined ? undefined : RATE_HEADER);
    this.activeMax = config.maxActiveFaults ?? Number.POSITIVE_INFINITY;
    this.#upstreamCluster = config.upstreamCluster ?? '';
    this.#nodes = new Set((config.downstreamNodes ?? []).map(wireText));
    this.#headers = compileHeaderMatches(config.headers, `${path}.headers`);
  }

  /** Whether the conditions hold; chance is not asked. */
  concerns(stream: FilterStream): boolean {
    if (this.#delay.none && this.#abort.none && this.#rate.none) return false;
    if (this.#upstreamCluster !== '' && stream.cluster !== this.#upstreamCluster) return false;
    if (this.#nodes.size > 0 && !this.#nodes.has(stream.request.headers.get(NODE_HEADER) ?? '')) return false;
    return matchesAll(this.#headers, stream.request);
  }

  /** How long a request is held, if chance has it so; 0 is not at all. */
  delayMs({ headers }: RequestHead): number {
    return this.#delay.byHeader ? Math.min(DELAY_MS_MAX, wholeNumber(headers.get(DELAY_HEADER)) ?? 0) : this.#delayMs;
  }

  delayShare(request: RequestHead): number {
    return this.#delay.of(request);
  }

  /** What a request is answered, if chance has it so; undefined: nothing. */
  abortReply({ headers }: RequestHead): LocalReply | undefined {
    if (!this.#abort.byHeader) return this.#abortReply;
    const httpStatus = wholeNumber(headers.get(ABORT_HEADER));
    if (httpStatus !== undefined && httpStatus >= 200 && httpStatus < 600) return replyOf({ httpStatus }, this.#body);
    const grpcStatus = wholeNumber(headers.get(GRPC_ABORT_HEADER));
    return grpcStatus === undefined ? undefined : replyOf({ grpcStatus }, this.#body);
  }

  abortShare(request: RequestHead): number {
    return this.#abort.of(request);
  }

  /** How fast a response may be, if chance has it so; 0 is as it comes. */
  kibPerSecond({ headers }: RequestHead): number {
    return this.#rate.byHeader ? wholeNumber(headers.get(RATE_HEADER)) ?? 0 : this.#kibPerSecond;
  }

  rateShare(request: RequestHead): number {
    return this.#rate.of(request);
  }
}

/** A share of the requests, which a client may make smaller where it chooses the fault. */
class Share {
  readonly byHeader: boolean;
  readonly #percent: FractionalPercent | undefined;
  readonly #share: number;
  readonly #header: string;

  constructor(percent: FractionalPercent | undefined, header: string | undefined) {
    this.byHeader = header !== undefined;
    this.#percent = percent;
    this.#share = fractionOf(percent);
    this.#header = `${header ?? ''}-percentage`;
  }

  get none(): boolean {
    return this.#share === 0;
  }

  of({ headers }: RequestHead): number {
    const asked = this.byHeader ? wholeNumber(headers.get(this.#header)) : undefined;
    if (asked === undefined) return this.#share;
    return fractionOf({ ...this.#percent, numerator: Math.min(asked, this.#percent?.numerator ?? 0) });
  }
}

function wholeNumber(text: string | undefined): number | undefined {
  const number = text === undefined ? NOT_A_NUMBER : parseDecimal(text);
  return number === NOT_A_NUMBER ? undefined : number;
}

/** A gRPC status is told to gRPC requests; others see 200 then, as in Envoy. */
function replyOf(
  { httpStatus, grpcStatus }: Omit<NonNullable<HTTPFault['abort']>, 'percentage'>, body: string,
): LocalReply {
  const reply = {
    status: httpStatus ?? 200, body, detail: 'fault_filter_abort', flags: flagBit('FI'),
  };
  return grpcStatus === undefined ? reply : { ...reply, grpcStatus };
}
