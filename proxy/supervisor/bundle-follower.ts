// Keeps the stream of the trust bundle open: after each end it is opened again, after a pause that grows.
import { messageOf } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { AgentLog } from './agent-stats.ts';
import type { BundleRequest, FollowBundle } from './bundle-client.ts';

export interface BundleFollowerOptions {
  readonly follow: FollowBundle;
  /** Token and roots of now. Rejects in words. */
  readonly request: () => Promise<BundleRequest>;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: AgentLog;
  readonly onBundle: (pem: string) => void;
}

const PAUSE_FIRST_MS = 500;
const PAUSE_MS_MAX = 60_000;
/** An authority without such a stream may be replaced by one that has it. */
const PAUSE_UNKNOWN_MS = 600_000;

export class BundleFollower implements TimerTarget {
  readonly #options: BundleFollowerOptions;
  readonly #timer: Timer;
  #stream: { close(): void } | undefined = undefined;
  #failures = 0;
  #isStarted = false;
  #isStopped = false;

  constructor(options: BundleFollowerOptions) {
    this.#options = options;
    this.#timer = new Timer(options.wheel, this);
  }

  /** Opens the stream; again while it is open does nothing. */
  start(): void {
    if (this.#isStarted || this.#isStopped) return;
    this.#isStarted = true;
    this.onTimer();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer.cancel();
    this.#stream?.close();
  }

  onTimer(): void {
    this.#options.request().then(
      (request) => this.#open(request),
      (cause: unknown) => this.#again(messageOf(cause), false),
    );
  }

  #open(request: BundleRequest): void {
    if (this.#isStopped) return;
    this.#stream = this.#options.follow(request, {
      onBundle: (pem) => {
        this.#failures = 0;
        this.#options.onBundle(pem);
      },
      onEnd: (reason, unknown) => this.#again(reason, unknown),
    });
  }

  #again(reason: string, unknown: boolean): void {
    if (this.#isStopped) return;
    this.#stream = undefined;
    const longest = unknown ? PAUSE_UNKNOWN_MS : Math.min(PAUSE_MS_MAX, PAUSE_FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 20);
    const { log } = this.#options;
    if (unknown) log.info(`agent: the authority does not push its roots (${reason}); renewals bring them`);
    else if (this.#failures === 1) log.warning(`agent: the stream of roots ended: ${reason}`);
    this.#timer.arm(longest * (0.5 + this.#options.random.float() / 2));
  }
}
