// The mechanics of trying again: how long to wait, and which endpoints have had their turn. Whether to is the route's
// policy.
import type { MetadataMatch } from '../base/metadata-match.ts';
import type { Random } from '../base/random.ts';
import type { Hash64 } from '../base/xx-hash.ts';
import type { Endpoint, PickContext } from './upstream.ts';

/** Past this exponent every base is over any sensible maximum, and 2^n must stay a number. */
const EXPONENT_MAX = 30;

/**
 * Milliseconds before retry number `retry` (0 for the first): full jitter, uniform in [0, min(base * 2^retry, max)), as
 * Envoy's retry_back_off.
 */
export function backoffMs(baseMs: number, maxMs: number, retry: number, random: Random): number {
  const ceiling = Math.min(baseMs * 2 ** Math.min(retry, EXPONENT_MAX), maxMs);
  return random.float() * ceiling;
}

/** Milliseconds before a retry whose response said `leastMs`: up to half of it more, as in Envoy. */
export function limitedBackoffMs(leastMs: number, random: Random): number {
  return leastMs + random.float() * (leastMs / 2);
}

/** The endpoints that a request has tried. As a pick's context it asks for others when `avoidPrevious` is set. */
export class RetryHosts implements PickContext {
  readonly hash: Hash64 | undefined;
  readonly metadataMatch: MetadataMatch | undefined;
  readonly maxAttempts: number;
  readonly #avoidPrevious: boolean;
  readonly #tried: Endpoint[] = [];

  constructor(avoidPrevious: boolean, maxAttempts: number, hash?: Hash64, metadataMatch?: MetadataMatch) {
    this.#avoidPrevious = avoidPrevious;
    this.maxAttempts = maxAttempts;
    this.hash = hash;
    this.metadataMatch = metadataMatch;
  }

  /** Endpoints tried so far, oldest first. */
  get tried(): readonly Endpoint[] {
    return this.#tried;
  }

  add(endpoint: Endpoint): void {
    if (!this.#tried.includes(endpoint)) this.#tried.push(endpoint);
  }

  avoid(endpoint: Endpoint): boolean {
    return this.#avoidPrevious && this.#tried.includes(endpoint);
  }
}
