// What one level of configuration limits (LocalRateLimit), compiled: its buckets, its stats, what refusals say.
import type { Random } from '../base/random.ts';
import type { SharedBuckets } from '../base/shared-buckets.ts';
import { STATUS_CODES } from '../config/http-status.ts';
import type { LocalRateLimit } from '../config/local-rate-limit.ts';
import { fractionOf } from '../route/fraction.ts';
import { compileRequestHeaders, compileResponseHeaders } from '../route/header-operations.ts';
import { compileRateLimits, describeAll, describeRoute } from '../route/rate-limit-rule.ts';
import type { Descriptor, HostLimits, RateLimitRule } from '../route/rate-limit-rule.ts';
import type { HeaderOperations } from '../route/route-entry.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import { localRateLimitScope, statName } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { NodeFacts } from '../telemetry/workload.ts';
import { DescriptorBuckets } from './descriptor-buckets.ts';
import type { FilterStream, LocalReply } from './filter.ts';
import { compileTokenBucket } from './token-bucket.ts';
import type { TokenBucket } from './token-bucket.ts';

const TOO_MANY_REQUESTS = 429;
const RESOURCE_EXHAUSTED = 8;

export interface LocalRateLimitDeps {
  readonly random: Random;
  readonly stats: Stats;
  readonly node: NodeFacts;
  readonly buckets: SharedBuckets;
}

/** Whether a request may pass, and the bucket that is told to its client. */
export interface LimitResult {
  readonly allowed: boolean;
  readonly bucket: TokenBucket | undefined;
}

const UNLIMITED: LimitResult = { allowed: true, bucket: undefined };

/** Of the filter, or of a route, virtual host or table, which replaces the filter's whole. */
export class LocalRateLimitSettings {
  readonly enabledShare: number;
  readonly enforcedShare: number;
  readonly tellsLimits: boolean;
  readonly reply: LocalReply;
  readonly requestHeaders: HeaderOperations | undefined;
  readonly responseHeaders: HeaderOperations | undefined;
  readonly enabled: Counter;
  readonly ok: Counter;
  readonly limited: Counter;
  readonly enforced: Counter;
  readonly #bucket: TokenBucket | undefined;
  readonly #descriptors: DescriptorBuckets;
  readonly #rules: readonly RateLimitRule[] | undefined;
  readonly #alwaysDefault: boolean;
  readonly #stage: number;
  readonly #host: HostLimits;
  readonly #ownCluster: string;
  /** Set where each connection has its own buckets: workers number connections each from 1. */
  readonly #worker: string | undefined;

  /** `owner` names the place of the configuration among all. Throws ConfigError below `path`. */
  constructor(config: LocalRateLimit, deps: LocalRateLimitDeps, owner: string, path: string) {
    const { stats, buckets, node, random } = deps;
    this.enabledShare = fractionOf(config.filterEnabled?.defaultValue);
    this.enforcedShare = fractionOf(config.filterEnforced?.defaultValue);
    this.tellsLimits = config.enableXRatelimitHeaders === 'DRAFT_VERSION_03';
    this.reply = replyOf(config);
    this.requestHeaders = compileRequestHeaders({
      requestHeadersToAdd: config.requestHeadersToAddWhenNotEnforced ?? [],
    }, path);
    this.responseHeaders = compileResponseHeaders({ responseHeadersToAdd: config.responseHeadersToAdd ?? [] }, path);
    const counter = (name: string): Counter => stats.counter(statName(localRateLimitScope(config.statPrefix), name));
    [this.enabled, this.ok] = [counter('enabled'), counter('ok')];
    [this.limited, this.enforced] = [counter('rate_limited'), counter('enforced')];
    this.#bucket = config.tokenBucket === undefined ? undefined
      : compileTokenBucket(config.tokenBucket, buckets, owner, `${path}.tokenBucket`);
    this.#descriptors = new DescriptorBuckets(config.descriptors ?? [], buckets, owner, `${path}.descriptors`);
    this.#rules = config.rateLimits === undefined || config.rateLimits.length === 0 ? undefined
      : compileRateLimits(config.rateLimits, undefined, `${path}.rateLimits`);
    this.#alwaysDefault = config.alwaysConsumeDefaultTokenBucket ?? true;
    this.#stage = config.stage ?? 0;
    this.#host = config.vhRateLimits ?? 'OVERRIDE';
    this.#ownCluster = node.cluster;
    this.#worker = config.localRateLimitPerDownstreamConnection === true ? random.hex(8) : undefined;
  }

  /** Takes what the request counts. */
  take(stream: FilterStream): LimitResult {
    const connection = this.#worker === undefined ? undefined : `${this.#worker}${stream.info.connection.id}`;
    const matches = this.#descriptors.empty ? [] : this.#descriptors.match(this.#describe(stream), connection);
    for (const { bucket, hits } of matches) if (!bucket.take(hits)) return { allowed: false, bucket };
    const told = matches[0]?.bucket;
    if (this.#bucket === undefined || (told !== undefined && !this.#alwaysDefault)) return passed(told);
    const bucket = connection === undefined ? this.#bucket : this.#bucket.within(connection);
    return bucket.take(1) ? passed(told ?? bucket) : { allowed: false, bucket };
  }

  #describe(stream: FilterStream): readonly Descriptor[] {
    if (this.#rules !== undefined) return describeAll(this.#rules, this.#stage, stream, this.#ownCluster);
    const action = stream.route?.action;
    const limits = action?.kind === 'forward' ? action.rateLimits : undefined;
    return describeRoute(limits, this.#host, this.#stage, stream, this.#ownCluster);
  }
}

function passed(bucket: TokenBucket | undefined): LimitResult {
  return bucket === undefined ? UNLIMITED : { allowed: true, bucket };
}

function replyOf({ status, rateLimitedAsResourceExhausted }: LocalRateLimit): LocalReply {
  const code = status === undefined ? TOO_MANY_REQUESTS : STATUS_CODES[status.code];
  const reply = {
    status: code < 400 ? TOO_MANY_REQUESTS : code, body: 'local_rate_limited', detail: 'local_rate_limited',
    flags: flagBit('RL'),
  };
  return rateLimitedAsResourceExhausted === true ? { ...reply, grpcStatus: RESOURCE_EXHAUSTED } : reply;
}
