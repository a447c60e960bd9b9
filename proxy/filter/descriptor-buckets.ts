// Which buckets a request takes from, by the descriptors that rate limits made of it.
import { wireText } from '../base/ascii.ts';
import type { SharedBuckets } from '../base/shared-buckets.ts';
import type { LocalRateLimitDescriptor } from '../config/local-rate-limit.ts';
import type { Descriptor } from '../route/rate-limit-rule.ts';
import { compileTokenBucket } from './token-bucket.ts';
import type { TokenBucket } from './token-bucket.ts';

interface Wildcard {
  /** Keys and values in turns; an empty value is any. */
  readonly entries: readonly string[];
  readonly bucket: TokenBucket;
}

export interface Match {
  readonly bucket: TokenBucket;
  readonly hits: number;
}

export class DescriptorBuckets {
  readonly #exact = new Map<string, TokenBucket>();
  readonly #wildcards: Wildcard[] = [];

  /** Throws ConfigError below `path`. */
  constructor(configs: readonly LocalRateLimitDescriptor[], buckets: SharedBuckets, owner: string, path: string) {
    configs.forEach(({ entries, tokenBucket }, i) => {
      const flat = entries.flatMap(({ key, value = '' }) => [wireText(key), wireText(value)]);
      const name = nameOf(flat);
      const bucket = compileTokenBucket(tokenBucket, buckets, `${owner}|${name}`, `${path}[${i}].tokenBucket`);
      if (entries.some(({ value = '' }) => value === '')) this.#wildcards.push({ entries: flat, bucket });
      else this.#exact.set(name, bucket);
    });
  }

  get empty(): boolean {
    return this.#exact.size === 0 && this.#wildcards.length === 0;
  }

  /** Of each descriptor that is configured its bucket, the slowest to fill first; `connection` is whose they are. */
  match(descriptors: readonly Descriptor[], connection: string | undefined): readonly Match[] {
    const found: Match[] = [];
    for (const { entries, hits } of descriptors) {
      const all = this.#find(entries);
      if (all === undefined) continue;
      found.push({ bucket: connection === undefined ? all : all.within(connection), hits });
    }
    return found.length < 2 ? found : found.sort(bySpeed);
  }

  #find(entries: readonly string[]): TokenBucket | undefined {
    const name = nameOf(entries);
    const exact = this.#exact.get(name);
    if (exact !== undefined) return exact;
    for (const wildcard of this.#wildcards) {
      if (covers(wildcard.entries, entries)) return wildcard.bucket.within(name);
    }
    return undefined;
  }
}

function bySpeed(a: Match, b: Match): number {
  return b.bucket.nsPerToken - a.bucket.nsPerToken;
}

/** Lengths keep values that hold a separator apart. */
function nameOf(entries: readonly string[]): string {
  let name = '';
  for (const text of entries) name += `${text.length}:${text}`;
  return name;
}

function covers(wildcard: readonly string[], entries: readonly string[]): boolean {
  if (wildcard.length !== entries.length) return false;
  for (let i = 0; i < entries.length; i += 2) {
    if (wildcard[i] !== entries[i]) return false;
    if (wildcard[i + 1] !== '' && wildcard[i + 1] !== entries[i + 1]) return false;
  }
  return true;
}
