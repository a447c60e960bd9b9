// The local rate limit filter: requests take tokens from buckets that all workers share, or are refused.
import type { Random } from '../base/random.ts';
import type { LocalRateLimit } from '../config/local-rate-limit.ts';
import type { ResponseHead } from '../http/message.ts';
import type { FilterStream, HttpFilter, Verdict } from './filter.ts';
import { LocalRateLimitSettings } from './local-rate-limit-settings.ts';
import type { LocalRateLimitDeps } from './local-rate-limit-settings.ts';
import type { TokenBucket } from './token-bucket.ts';

/** What the response of one request is told. */
class Told {
  readonly settings: LocalRateLimitSettings;
  readonly bucket: TokenBucket | undefined;
  readonly refused: boolean;

  constructor(settings: LocalRateLimitSettings, bucket: TokenBucket | undefined, refused: boolean) {
    this.settings = settings;
    this.bucket = bucket;
    this.refused = refused;
  }
}

/** envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit. */
export class LocalRateLimitFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #settings: LocalRateLimitSettings;
  readonly #random: Random;

  /** Throws ConfigError below `path`. `owner` names the filter's chain among all. */
  constructor(name: string, config: LocalRateLimit, deps: LocalRateLimitDeps, owner: string, path: string) {
    this.name = name;
    this.#settings = new LocalRateLimitSettings(config, deps, `${owner}|${name}`, path);
    this.#random = deps.random;
  }

  onRequestHead(stream: FilterStream): Verdict {
    const own = stream.route?.perFilterConfig.get(this.name);
    const settings = own instanceof LocalRateLimitSettings ? own : this.#settings;
    if (!this.#draws(settings.enabledShare)) return 'continue';
    settings.enabled.inc();
    const { allowed, bucket } = settings.take(stream);
    const refused = !allowed && this.#draws(settings.enforcedShare);
    if (refused || settings.tellsLimits) stream.setState(this.index, new Told(settings, bucket, refused));
    if (allowed) {
      settings.ok.inc();
      return 'continue';
    }
    settings.limited.inc();
    if (refused) return refuse(stream, settings);
    settings.requestHeaders?.apply(stream.request.headers, stream.info);
    return 'continue';
  }

  onResponseHead(stream: FilterStream, { headers }: ResponseHead): void {
    const told = stream.getState(this.index) as Told | undefined;
    if (told === undefined) return;
    const { settings, bucket, refused } = told;
    if (refused) settings.responseHeaders?.apply(headers, stream.info);
    if (bucket === undefined || !settings.tellsLimits) return;
    headers.append('x-ratelimit-limit', String(bucket.maxTokens));
    headers.append('x-ratelimit-remaining', String(bucket.remaining));
    headers.append('x-ratelimit-reset', String(bucket.resetSeconds));
  }

  #draws(share: number): boolean {
    return share >= 1 || (share > 0 && this.#random.float() < share);
  }
}

function refuse(stream: FilterStream, settings: LocalRateLimitSettings): Verdict {
  settings.enforced.inc();
  stream.sendLocalReply(settings.reply);
  return 'replied';
}
