// How long a connection may stay idle: less than its server keeps it, so that no request meets a connection that is
// closing.
import { LIMITS } from '../config/limits.ts';

/** Room for a request's way to a server that counts the same idle time. */
const MARGIN_MS = 1000;
/** A server that closes sooner than this was restarting, not tired of waiting. */
const LEARNED_MIN_MS = 1000;

/**
 * One endpoint's limit. Without configuration it is the server's own promise (`keep-alive: timeout=N`) less a margin,
 * or what was seen of it, or 4 s, because the commonest servers close after 5. Configured, the lowest of all holds.
 */
export class IdleLimit {
  readonly #configuredMs: number | undefined;
  #learnedMs = Infinity;

  /** `configuredMs`: idle_timeout, Infinity for never; undefined when configuration is silent. */
  constructor(configuredMs: number | undefined) {
    this.#configuredMs = configuredMs;
  }

  /** Milliseconds that a connection may be idle whose server promises `promisedMs` (undefined: nothing). */
  limitMs(promisedMs: number | undefined): number {
    const promised = promisedMs === undefined ? Infinity : lessMargin(promisedMs);
    const known = Math.min(promised, this.#learnedMs);
    if (this.#configuredMs !== undefined) return Math.min(this.#configuredMs, known);
    return Math.min(known === Infinity ? LIMITS.upstreamIdleMs : known, LIMITS.idleTimeoutMs);
  }

  /** The server closed a connection that had been idle so long. */
  closedByServer(idleMs: number): void {
    if (idleMs >= LEARNED_MIN_MS) this.#learnedMs = Math.min(this.#learnedMs, lessMargin(idleMs));
  }
}

function lessMargin(ms: number): number {
  return Math.max(0, ms - Math.min(MARGIN_MS, ms / 2));
}
