// Back-off as long as a response says: retry-after and its like (RetryPolicy.rate_limited_retry_back_off).
import { msOr } from '../config/duration.ts';
import type { RateLimitedRetryBackOff } from '../config/retry-policy.ts';
import type { ResponseHead } from '../http/message.ts';

/** Envoy's default max_interval. */
const MAX_MS = 300_000;

interface ResetHeader {
  readonly name: string;
  readonly isTimestamp: boolean;
}

export class RateLimitedBackOff {
  readonly #headers: readonly ResetHeader[];
  readonly #maxMs: number;

  constructor({ resetHeaders, maxInterval }: RateLimitedRetryBackOff) {
    this.#headers = resetHeaders.map(({ name, format = 'SECONDS' }) => (
      { name: name.toLowerCase(), isTimestamp: format === 'UNIX_TIMESTAMP' }
    ));
    this.#maxMs = msOr(maxInterval, MAX_MS);
  }

  /** By the first header that says a time within the maximum; undefined where none does. `wallMs` is Unix time. */
  leastMs({ headers }: ResponseHead, wallMs: number): number | undefined {
    for (const { name, isTimestamp } of this.#headers) {
      const text = headers.get(name);
      if (text === undefined || !/^[0-9]{1,15}$/.test(text)) continue;
      const seconds = isTimestamp ? Number(text) - Math.floor(wallMs / 1000) : Number(text);
      if (seconds >= 0 && seconds * 1000 <= this.#maxMs) return seconds * 1000;
    }
    return undefined;
  }
}
