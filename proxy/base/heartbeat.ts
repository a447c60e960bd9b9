// A thread's sign of life: it beats at intervals, sees by how late it was that its event loop was held, and others see
// that it does not beat (threats.md S85).
import type { Clock } from './clock.ts';

/** Between two beats. */
export const BEAT_MS = 250;

/** A count for each thread, in memory that all share. */
export class Heartbeats {
  static bytesFor(threads: number): number {
    return threads * Int32Array.BYTES_PER_ELEMENT;
  }

  readonly #counts: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#counts = new Int32Array(memory);
  }

  beat(thread: number): void {
    Atomics.add(this.#counts, thread, 1);
  }

  /** Changes with each beat. */
  count(thread: number): number {
    return Atomics.load(this.#counts, thread);
  }
}

/** Beats from now on; `onLag` is told by how many milliseconds each was late. Returns what ends it. */
export function startBeating(clock: Clock, beat: () => void, onLag: (lateMs: number) => void): () => void {
  let dueMs = clock.nowMs() + BEAT_MS;
  const timer = setInterval(() => {
    const nowMs = clock.nowMs();
    beat();
    onLag(Math.max(0, nowMs - dueMs));
    dueMs = nowMs + BEAT_MS;
  }, BEAT_MS).unref();
  return () => clearInterval(timer);
}
