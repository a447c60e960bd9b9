// The global rate limit filter's configuration, compiled: whom it asks, and what becomes of the answer.
import { msOr } from '../config/duration.ts';
import type { GlobalRateLimit } from '../config/global-rate-limit.ts';
import { STATUS_CODES } from '../config/http-status.ts';
import { fractionOf } from '../route/fraction.ts';
import { compileRequestHeaders, compileResponseHeaders } from '../route/header-operations.ts';
import { compileRateLimits } from '../route/rate-limit-rule.ts';
import type { RateLimitRule } from '../route/rate-limit-rule.ts';
import type { HeaderOperations } from '../route/route-entry.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { LocalReply } from './filter.ts';
import type { GrpcCallTarget } from './grpc-call.ts';
import { SHOULD_RATE_LIMIT } from './rate-limit-messages.ts';

const TIMEOUT_MS = 20;
const TOO_MANY_REQUESTS = 429;
const INTERNAL_SERVER_ERROR = 500;
const RESOURCE_EXHAUSTED = 8;

export class GlobalRateLimitSettings {
  readonly domain: string;
  readonly stage: number;
  readonly requestType: string;
  readonly enabledShare: number;
  readonly enforcedShare: number;
  readonly deniesOnError: boolean;
  readonly tellsLimits: boolean;
  readonly tellsLimited: boolean;
  readonly cluster: string;
  readonly target: GrpcCallTarget;
  readonly metadata: HeaderOperations | undefined;
  readonly responseHeaders: HeaderOperations | undefined;
  readonly refusal: LocalReply;
  readonly errorReply: LocalReply;
  /** Undefined: those of route and virtual host. */
  readonly rules: readonly RateLimitRule[] | undefined;

  /** Throws ConfigError below `path`. */
  constructor(config: GlobalRateLimit, path: string) {
    const { envoyGrpc, initialMetadata = [] } = config.rateLimitService.grpcService;
    this.cluster = envoyGrpc?.clusterName ?? '';
    const timeoutMs = msOr(config.timeout, TIMEOUT_MS);
    this.target = { path: SHOULD_RATE_LIMIT, authority: envoyGrpc?.authority ?? this.cluster, timeoutMs };
    this.metadata = compileRequestHeaders({ requestHeadersToAdd: initialMetadata.map((header) => ({ header })) },
      `${path}.rateLimitService.grpcService`);
    this.domain = config.domain;
    this.stage = config.stage ?? 0;
    this.requestType = config.requestType || 'both';
    this.enabledShare = config.filterEnabled === undefined ? 1 : fractionOf(config.filterEnabled.defaultValue);
    this.enforcedShare = config.filterEnforced === undefined ? 1 : fractionOf(config.filterEnforced.defaultValue);
    this.deniesOnError = config.failureModeDeny ?? false;
    this.tellsLimits = config.enableXRatelimitHeaders === 'DRAFT_VERSION_03';
    this.tellsLimited = config.disableXEnvoyRatelimitedHeader !== true;
    this.responseHeaders = compileResponseHeaders({ responseHeadersToAdd: config.responseHeadersToAdd ?? [] }, path);
    this.refusal = refusalOf(config);
    this.errorReply = errorReplyOf(config);
    const { rateLimits = [] } = config;
    this.rules = rateLimits.length === 0 ? undefined : compileRateLimits(rateLimits, undefined, `${path}.rateLimits`);
  }
}

function refusalOf({ rateLimitedStatus, rateLimitedAsResourceExhausted }: GlobalRateLimit): LocalReply {
  const code = rateLimitedStatus === undefined ? TOO_MANY_REQUESTS : STATUS_CODES[rateLimitedStatus.code];
  const reply = {
    status: code < 400 ? TOO_MANY_REQUESTS : code, body: '', detail: 'request_rate_limited', flags: flagBit('RL'),
  };
  return rateLimitedAsResourceExhausted === true ? { ...reply, grpcStatus: RESOURCE_EXHAUSTED } : reply;
}

function errorReplyOf({ statusOnError }: GlobalRateLimit): LocalReply {
  const code = statusOnError === undefined ? INTERNAL_SERVER_ERROR : STATUS_CODES[statusOnError.code];
  return {
    status: code < 400 ? INTERNAL_SERVER_ERROR : code, body: '', detail: 'rate_limiter_error', flags: flagBit('RLSE'),
  };
}

/** `cluster.<name>.ratelimit.*`, of the cluster that requests go to. */
export class RateLimitCounters {
  readonly ok: Counter;
  readonly error: Counter;
  readonly overLimit: Counter;
  readonly failureModeAllowed: Counter;

  constructor(stats: Stats, scope: StatScope, prefix: string) {
    const part = prefix === '' ? 'ratelimit' : `ratelimit.${prefix}`;
    const counter = (name: string): Counter => stats.counter(statName(scope, `${part}.${name}`));
    [this.ok, this.error] = [counter('ok'), counter('error')];
    [this.overLimit, this.failureModeAllowed] = [counter('over_limit'), counter('failure_mode_allowed')];
  }
}
