// Requests of an ordinary user that go on while rules change and instances die; each one that fails is remembered.
import type { TourContext } from './tour-context.ts';
import { isWhole } from './tour-context.ts';

export class SteadyTraffic {
  readonly #tour: TourContext;
  readonly #failures: string[] = [];
  #sent = 0;
  #slowestMs = 0;
  #running: Promise<void> | undefined = undefined;
  #stopping = false;

  constructor(tour: TourContext) {
    this.#tour = tour;
  }

  start(clients = 2): void {
    this.#stopping = false;
    this.#running = Promise.all(Array.from({ length: clients }, () => this.#client())).then(() => undefined);
  }

  /** Ends it; rejects when any request failed. */
  async stop(): Promise<{ sent: number; slowestMs: number }> {
    this.#stopping = true;
    await this.#running;
    const result = { sent: this.#sent, slowestMs: this.#slowestMs };
    const failures = this.#failures.splice(0);
    this.#sent = 0;
    this.#slowestMs = 0;
    if (failures.length > 0) throw new Error(`${failures.length} of ${result.sent} requests beside it failed: ${failures.slice(0, 3).join('; ')}`);
    return result;
  }

  async #client(): Promise<void> {
    while (!this.#stopping) {
      this.#sent++;
      try {
        const view = await this.#tour.page('steady');
        this.#slowestMs = Math.max(this.#slowestMs, view.durationMs);
        if (!isWhole(view)) this.#failures.push(JSON.stringify(view));
      } catch (cause) {
        this.#failures.push(String(cause));
      }
    }
  }
}
