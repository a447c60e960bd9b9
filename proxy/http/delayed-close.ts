// The end of a downstream connection: FIN, then time for the peer to read and close, then the socket is taken away.
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { Transport } from '../base/transport.ts';

const TICK_MS = 10;

/**
 * Envoy's delayed_close_timeout. Closing at once, with bytes of the peer unread, would send RST, and the peer could
 * lose a response that it hasn't read yet. Who reads slowly gets another turn as long as it reads.
 */
export class DelayedClose implements TimerTarget {
  readonly #transport: Transport;
  readonly #timer: Timer;
  readonly #timeoutMs: number;
  #unsentBytes = 0;

  constructor(transport: Transport, timers: TimerWheel, timeoutMs: number) {
    this.#transport = transport;
    this.#timer = new Timer(timers, this);
    this.#timeoutMs = Math.max(TICK_MS, timeoutMs);
  }

  start(): void {
    this.#transport.end();
    this.#unsentBytes = this.#transport.bufferedBytes;
    this.#timer.arm(this.#timeoutMs);
  }

  cancel(): void {
    this.#timer.cancel();
  }

  onTimer(): void {
    const unsent = this.#transport.bufferedBytes;
    if (unsent === 0 || unsent >= this.#unsentBytes) {
      this.#transport.destroy();
      return;
    }
    this.#unsentBytes = unsent;
    this.#timer.arm(this.#timeoutMs);
  }
}
