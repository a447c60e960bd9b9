// Finds out that an HTTP/2 peer is gone before a request does: PING now and then, and the end where no answer comes.
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import { msOr } from '../config/duration.ts';
import type { KeepaliveSettings } from '../config/http-protocol-options.ts';

/** Envoy's interval_jitter where none is given. */
const JITTER_PERCENT = 15;

/** connection_keepalive of Http2ProtocolOptions, compiled. */
export interface KeepaliveTimes {
  /** Between an answer and the next PING; 0 is never. */
  readonly intervalMs: number;
  /** An interval becomes longer by up to this share of it. */
  readonly jitter: number;
  readonly timeoutMs: number;
  /** A stream after a silence as long is preceded by a PING; 0 is never. */
  readonly idleMs: number;
}

export function keepaliveTimes(config: KeepaliveSettings | undefined): KeepaliveTimes | undefined {
  if (config === undefined) return undefined;
  return {
    intervalMs: msOr(config.interval, 0),
    jitter: (config.intervalJitter === undefined ? JITTER_PERCENT : config.intervalJitter.value ?? 0) / 100,
    timeoutMs: msOr(config.timeout, 0),
    idleMs: msOr(config.connectionIdleInterval, 0),
  };
}

export interface KeepaliveDeps {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly random: Random;
}

/** The connection. */
export interface KeepaliveUser {
  keepalivePing(): void;
  onKeepaliveTimeout(): void;
}

const SEND = 0;
const TIMEOUT = 1;

/** One PING at a time is on its way. */
export class Http2Keepalive implements TimerTarget {
  readonly #times: KeepaliveTimes;
  readonly #deps: KeepaliveDeps;
  readonly #user: KeepaliveUser;
  readonly #send: Timer;
  readonly #timeout: Timer;
  #receivedMs: number;

  constructor(times: KeepaliveTimes, deps: KeepaliveDeps, user: KeepaliveUser) {
    this.#times = times;
    this.#deps = deps;
    this.#user = user;
    this.#send = new Timer(deps.timers, this, SEND);
    this.#timeout = new Timer(deps.timers, this, TIMEOUT);
    this.#receivedMs = deps.clock.nowMs();
    this.#armSend();
  }

  /** Whatever comes says that the peer is there. */
  onReceived(): void {
    this.#receivedMs = this.#deps.clock.nowMs();
  }

  beforeStream(): void {
    const { idleMs } = this.#times;
    if (idleMs > 0 && this.#deps.clock.nowMs() - this.#receivedMs > idleMs) this.#ping();
  }

  onAck(): void {
    if (!this.#timeout.armed) return;
    this.#timeout.cancel();
    this.#armSend();
  }

  close(): void {
    this.#send.cancel();
    this.#timeout.cancel();
  }

  onTimer(tag: number): void {
    if (tag === SEND) {
      this.#ping();
      return;
    }
    const leftMs = this.#receivedMs + this.#times.timeoutMs - this.#deps.clock.nowMs();
    if (leftMs > 0) this.#timeout.arm(leftMs);
    else this.#user.onKeepaliveTimeout();
  }

  #ping(): void {
    if (this.#timeout.armed) return;
    this.#send.cancel();
    this.#timeout.arm(this.#times.timeoutMs);
    this.#user.keepalivePing();
  }

  #armSend(): void {
    const { intervalMs, jitter } = this.#times;
    if (intervalMs > 0) this.#send.arm(intervalMs * (1 + jitter * this.#deps.random.float()));
  }
}
