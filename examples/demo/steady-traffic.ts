// Requests of an ordinary user that go on while rules change and instances die; each one that fails is remembered.
import type { TourContext } from './tour-context.ts';
import { isWhole } from './tour-context.ts';

/** What was sent beside a step. */
export interface TrafficReport {
  readonly sent: number;
  readonly slowestMs: number;
}

const FAILURES_KEPT = 20;

/** Runs `work` while `clients` ask for pages; rejects when one of them failed, and stops them in any case. */
export async function withSteadyTraffic<T>(
  tour: TourContext, clients: number, work: () => Promise<T>,
): Promise<{ result: T; report: TrafficReport }> {
  const failures: string[] = [];
  let stopping = false;
  let sent = 0;
  let slowestMs = 0;
  const client = async (): Promise<void> => {
    while (!stopping && failures.length < FAILURES_KEPT) {
      sent++;
      try {
        const view = await tour.page('steady');
        slowestMs = Math.max(slowestMs, view.durationMs);
        if (!isWhole(view)) failures.push(JSON.stringify(view));
      } catch (cause) {
        failures.push(String(cause));
      }
    }
  };
  const running = Promise.all(Array.from({ length: clients }, client));
  try {
    const result = await work();
    stopping = true;
    await running;
    if (failures.length > 0) {
      throw new Error(`${failures.length} of ${sent} requests beside it failed: ${failures.slice(0, 3).join('; ')}`);
    }
    return { result, report: { sent, slowestMs } };
  } finally {
    stopping = true;
    await running;
  }
}
