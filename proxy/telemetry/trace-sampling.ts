// Which requests are traced, decided as Envoy does: by what x-request-id already says, by asking headers, or by chance.
import type { UuidRequestIdConfig } from '../config/http-connection-manager.ts';
import type { Percent } from '../config/percent.ts';
import type { TraceContext } from './trace-context.ts';

/** HttpConnectionManager.Tracing's shares; absent means 100. */
export interface SamplingConfig {
  readonly clientSampling?: Percent;
  readonly randomSampling?: Percent;
  readonly overallSampling?: Percent;
}

/** The UUID digit that carries the decision (pack_trace_reason); a version 4 UUID has a 4 there. */
const REASON_AT = 14;
const NOT_TRACED = '4';
const BY_CHANCE = '9';
const BY_CLIENT = 'a';
const BY_SERVICE = 'b';

const UUID_LENGTH = 36;

/** Shares are compared in parts of this. */
const PARTS = 10_000;

/** What is done with a request. `requestId` is the id to send on, which carries the decision to the proxies behind. */
export interface SamplingDecision {
  traced: boolean;
  requestId: string;
}

export class TraceSampling {
  readonly #client: number;
  readonly #random: number;
  readonly #overall: number;
  readonly #packs: boolean;
  readonly #byRequestId: boolean;

  constructor(config: SamplingConfig, requestId: UuidRequestIdConfig = {}) {
    this.#client = parts(config.clientSampling);
    this.#random = parts(config.randomSampling);
    this.#overall = parts(config.overallSampling);
    this.#packs = requestId.packTraceReason ?? true;
    this.#byRequestId = requestId.useRequestIdForTraceSampling ?? true;
  }

  /**
   * Fills `decision`. The draw is the request id itself, so that all proxies on a request's way come to the same one; a
   * request without a UUID is not traced.
   */
  decide(requestId: string, context: TraceContext, decision: SamplingDecision): void {
    decision.traced = !this.#byRequestId;
    decision.requestId = requestId;
    const draw = this.#byRequestId ? drawOf(requestId) : -1;
    if (draw === -1) return;
    const before = this.#packs ? reasonIn(requestId) : NOT_TRACED;
    let reason = before === NOT_TRACED ? this.#newReason(draw, context) : before;
    if (draw >= this.#overall) reason = NOT_TRACED;
    decision.traced = reason !== NOT_TRACED;
    if (this.#packs && reason !== before) {
      decision.requestId = requestId.slice(0, REASON_AT) + reason + requestId.slice(REASON_AT + 1);
    }
  }

  #newReason(draw: number, context: TraceContext): string {
    if (context.clientAsks && draw < this.#client) return BY_CLIENT;
    if (context.serviceAsks) return BY_SERVICE;
    return draw < this.#random ? BY_CHANCE : NOT_TRACED;
  }
}

function parts(share: Percent | undefined): number {
  return share === undefined ? PARTS : Math.round((share.value ?? 0) * (PARTS / 100));
}

function reasonIn(requestId: string): string {
  const digit = requestId[REASON_AT]!;
  return digit === BY_CHANCE || digit === BY_CLIENT || digit === BY_SERVICE ? digit : NOT_TRACED;
}

/** [0, 10000) from the id's first eight hex digits; -1 when it is no UUID. */
function drawOf(requestId: string): number {
  if (requestId.length !== UUID_LENGTH) return -1;
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const code = requestId.charCodeAt(i) | 0x20;
    if (code >= 0x30 && code <= 0x39) value = value * 16 + code - 0x30;
    else if (code >= 0x61 && code <= 0x66) value = value * 16 + code - 0x57;
    else return -1;
  }
  return value % PARTS;
}
