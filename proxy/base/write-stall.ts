// Ends a connection whose peer takes nothing of what waits for it (S80): TCP alone would ask a closed window for ever.
import type { TimerTarget, TimerWheel } from './timers.ts';
import { Timer } from './timers.ts';

/** Looks so often in the time that a stall may take, and once more. */
const LOOKS = 2;

/** The connection, as far as it is watched. */
export interface StallingConnection {
  readonly bufferedBytes: number;
  onStall(): void;
}

/** Who takes some of it goes on, however slowly: what waits must shrink within `timeoutMs` to 1.5 times that. */
export class WriteStall implements TimerTarget {
  readonly #connection: StallingConnection;
  readonly #timers: TimerWheel;
  readonly #timeoutMs: number;
  #timer: Timer | undefined = undefined;
  #unsentBytes = 0;
  #looks = 0;

  constructor(connection: StallingConnection, timers: TimerWheel, timeoutMs: number) {
    this.#connection = connection;
    this.#timers = timers;
    this.#timeoutMs = timeoutMs;
  }

  /** Bytes have to wait. */
  begin(): void {
    this.#timer ??= new Timer(this.#timers, this);
    if (this.#timer.armed) return;
    this.#note();
    this.#timer.arm(this.#timeoutMs / LOOKS);
  }

  /** None waits any more. */
  end(): void {
    this.#timer?.cancel();
  }

  onTimer(): void {
    if (this.#connection.bufferedBytes < this.#unsentBytes) this.#note();
    else if (++this.#looks > LOOKS) return this.#connection.onStall();
    this.#timer!.arm(this.#timeoutMs / LOOKS);
  }

  #note(): void {
    this.#unsentBytes = this.#connection.bufferedBytes;
    this.#looks = 0;
  }
}
