// Ends streams whose peer gives no window for what is to be sent, be their message complete or not (S25).
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { WaitingLine } from '../base/waiting-line.ts';
import type { Http2Stream } from './http2-stream.ts';

/** Looks so often in the time that a stream may be stalled, and once more. */
const LOOKS = 2;

export interface FlushUser {
  /** The connection takes nothing, so that it is no stream's fault. */
  readonly blocked: boolean;
  onStalled(stream: Http2Stream): void;
}

/** One for a connection: a stream that sends nothing for `timeoutMs` to 1.5 times that is given up. 0 is off. */
export class FlushDeadline implements TimerTarget {
  readonly #line: WaitingLine<Http2Stream>;
  readonly #timers: TimerWheel;
  readonly #timeoutMs: number;
  readonly #user: FlushUser;
  #timer: Timer | undefined = undefined;

  constructor(line: WaitingLine<Http2Stream>, timers: TimerWheel, timeoutMs: number, user: FlushUser) {
    this.#line = line;
    this.#timers = timers;
    this.#timeoutMs = timeoutMs;
    this.#user = user;
  }

  /** A stream has joined the line. */
  begin(): void {
    if (this.#timeoutMs === 0) return;
    this.#timer ??= new Timer(this.#timers, this);
    if (!this.#timer.armed) this.#timer.arm(this.#timeoutMs / LOOKS);
  }

  close(): void {
    this.#timer?.cancel();
  }

  onTimer(): void {
    if (!this.#user.blocked) for (const stream of this.#look()) this.#user.onStalled(stream);
    if (this.#line.first !== undefined) this.begin();
  }

  /** Those that have been seen too often. */
  #look(): readonly Http2Stream[] {
    const stalled: Http2Stream[] = [];
    for (let stream = this.#line.first; stream !== undefined; stream = stream.behind) {
      if (++stream.stalledLooks > LOOKS) stalled.push(stream);
    }
    return stalled;
  }
}
