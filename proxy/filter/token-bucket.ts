// A token bucket of the configuration: how much it holds, how fast it fills, and where all workers keep it.
import { ConfigError } from '../base/error.ts';
import { FILL_NS_MAX } from '../base/shared-buckets.ts';
import type { BucketKey, BucketShape, SharedBuckets } from '../base/shared-buckets.ts';
import { msOr } from '../config/duration.ts';
import type { TokenBucket as TokenBucketConfig } from '../config/rate-limit.ts';

const FILL_INTERVAL_MIN_MS = 50;
const NS_PER_MS = 1e6;
const MS_PER_S = 1000;

export class TokenBucket implements BucketShape {
  readonly maxTokens: number;
  readonly nsPerToken: number;
  readonly #buckets: SharedBuckets;
  readonly #key: BucketKey;

  constructor(buckets: SharedBuckets, key: BucketKey, { maxTokens, nsPerToken }: BucketShape) {
    this.#buckets = buckets;
    this.#key = key;
    this.maxTokens = maxTokens;
    this.nsPerToken = nsPerToken;
  }

  /** A bucket of this one's shape, for `part` alone. */
  within(part: string): TokenBucket {
    return new TokenBucket(this.#buckets, this.#buckets.within(this.#key, part), this);
  }

  take(tokens: number): boolean {
    return this.#buckets.take(this.#key, this, tokens);
  }

  /** Whole tokens that are there. */
  get remaining(): number {
    return Math.max(0, Math.floor(this.#buckets.tokens(this.#key, this)));
  }

  /** Seconds until a request may pass, rounded up; 0 when one may now. */
  get resetSeconds(): number {
    const tokens = this.#buckets.tokens(this.#key, this);
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) * this.nsPerToken) / NS_PER_MS / MS_PER_S);
  }
}

/** `owner` names the bucket among all. Throws ConfigError below `path`. */
export function compileTokenBucket(
  config: TokenBucketConfig, buckets: SharedBuckets, owner: string, path: string,
): TokenBucket {
  const intervalMs = msOr(config.fillInterval, 0);
  if (intervalMs < FILL_INTERVAL_MIN_MS) throw new ConfigError(`${path}.fillInterval`, 'must be at least 0.050s');
  const { maxTokens, tokensPerFill = 1 } = config;
  const nsPerToken = (intervalMs * NS_PER_MS) / tokensPerFill;
  if (maxTokens * nsPerToken > FILL_NS_MAX) throw new ConfigError(path, 'would not be full again for centuries');
  // Another size or rate is another bucket, as in Envoy, where new configuration comes with full buckets.
  const key = buckets.keyOf('configured', `${owner}|${maxTokens}|${tokensPerFill}|${intervalMs}`);
  return new TokenBucket(buckets, key, { maxTokens, nsPerToken });
}
