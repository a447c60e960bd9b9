// Whether requests should be sent to this proxy, and why not: what probes, `weft wait` and the application ask.
import type { AdminResponse } from '../admin/admin-response.ts';
import { text } from '../admin/admin-response.ts';
import type { Supervisor } from './supervisor.ts';

export class Readiness {
  readonly #supervisor: Supervisor;
  #failed = false;

  constructor(supervisor: Supervisor) {
    this.#supervisor = supervisor;
  }

  /** For people, one line each; empty: it is ready. */
  get reasons(): readonly string[] {
    const reasons = this.#supervisor.notReady;
    return this.#failed ? ['the admin interface was told /healthcheck/fail', ...reasons] : reasons;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** True: not ready from now on although everything serves, and peers are asked to go, as in Envoy; false: again. */
  fail(fails: boolean): void {
    const { pool, state, hasInbound } = this.#supervisor;
    this.#failed = fails;
    if (state === 'draining' || state === 'stopped') return;
    pool.post(fails ? { kind: 'drain', inboundOnly: hasInbound } : { kind: 'undrain' });
  }

  /** Of GET /healthz/ready. */
  answer(): AdminResponse {
    const { reasons } = this;
    return reasons.length === 0 ? text('ready\n') : text(`not ready:\n${reasons.map(line).join('')}`, 503);
  }
}

function line(reason: string): string {
  return `- ${reason}\n`;
}
