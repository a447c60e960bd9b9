// The way to the end (faults.md F17): connections are asked to finish, then no more are taken, all before a deadline.
import type { ToWorker } from './messages.ts';

export interface DrainPlan {
  /** From its beginning; what is open then is cut. */
  readonly deadlineMs: number;
  /** So long connections are taken although none is open: peers hear of the end later than this proxy. */
  readonly minimumMs: number;
  /** The end may come before the deadline, when no connection is open. */
  readonly endsWhenEmpty: boolean;
}

/** The workers, as far as they drain. */
export interface DrainingPool {
  readonly size: number;
  post(message: ToWorker): void;
}

/**
 * - idle: not begun.
 * - asking: connections are asked to finish, new ones are taken and told so.
 * - closing: no more are taken; the last ones finish.
 * - over.
 */
type Phase = 'idle' | 'asking' | 'closing' | 'over';

export class Drain {
  readonly #pool: DrainingPool;
  readonly #connections = new Map<number, number>();
  readonly #over = Promise.withResolvers<void>();
  #phase: Phase = 'idle';
  #mayEnd = false;
  #timers: NodeJS.Timeout[] = [];

  constructor(pool: DrainingPool) {
    this.#pool = pool;
  }

  /**
   * Resolves when no connection is left, or at the deadline. With `inboundOnly` outbound listeners go on as if nothing
   * were, because the application works until it has ended; their connections are waited for all the same.
   */
  run({ deadlineMs, minimumMs, endsWhenEmpty }: DrainPlan, inboundOnly: boolean): Promise<void> {
    if (this.#phase !== 'idle') return this.#over.promise;
    this.#phase = 'asking';
    this.#mayEnd = endsWhenEmpty && minimumMs === 0;
    this.#pool.post({ kind: 'drain', inboundOnly });
    if (endsWhenEmpty && minimumMs > 0) this.#after(minimumMs, () => this.finish());
    this.#after(deadlineMs, () => this.#end());
    return this.#over.promise;
  }

  /** Nobody needs it any more: it ends as soon as no connection is open, once it has begun. */
  finish(): void {
    if (this.#phase === 'idle') return;
    this.#mayEnd = true;
    this.#check();
  }

  /** Whoever drained ends now: what its timers wait for would keep the process. */
  stop(): void {
    if (this.#phase !== 'idle') this.#end();
  }

  onConnections(worker: number, count: number): void {
    this.#connections.set(worker, count);
    this.#check();
  }

  onDeath(worker: number): void {
    this.#connections.delete(worker);
  }

  #check(): void {
    if (!this.#mayEnd || this.#connections.size < this.#pool.size) return;
    if (this.#connections.values().some((count) => count > 0)) return;
    if (this.#phase === 'closing') this.#end();
    else if (this.#phase === 'asking') this.#close();
  }

  /** A connection may have come since its worker counted none: each counts again when it takes no more. */
  #close(): void {
    this.#phase = 'closing';
    this.#connections.clear();
    this.#pool.post({ kind: 'stop-listening', inboundOnly: false });
  }

  #end(): void {
    this.#phase = 'over';
    for (const timer of this.#timers) clearTimeout(timer);
    this.#over.resolve();
  }

  #after(ms: number, act: () => void): void {
    this.#timers.push(setTimeout(act, ms));
  }
}
