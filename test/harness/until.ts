// Waiting for a condition, because tests never sleep.
import { setTimeout as delay } from 'node:timers/promises';

/** Resolves when the condition holds; rejects with `what` after `timeoutMs`. */
export async function until(
  what: string, condition: () => boolean | Promise<boolean>, timeoutMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(5);
  }
}
