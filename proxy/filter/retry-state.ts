// The retries of one request: how many are left, when the next one comes, and its place in the cluster's breaker.
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { ResponseHead } from '../http/message.ts';
import type { RetryPolicy } from '../route/retry-policy.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import { backoffMs, limitedBackoffMs } from '../upstream/retry.ts';
import type { Cluster } from '../upstream/upstream.ts';

/** The parts of a stream that its retries need. */
export interface RetriedStream {
  readonly info: StreamInfo;
  readonly timers: TimerWheel;
  readonly clock: Clock;
  readonly random: Random;
}

/** Made for requests with a retry policy alone; `onRetry` is called when one is due. */
export class RetryState implements TimerTarget {
  readonly policy: RetryPolicy;
  readonly #stream: RetriedStream;
  readonly #cluster: Cluster;
  readonly #owner: { onRetry(): void };
  #left: number;
  /** One of the cluster's max_retries is taken. */
  #holds = false;
  #timer: Timer | undefined = undefined;

  constructor(policy: RetryPolicy, stream: RetriedStream, cluster: Cluster, owner: { onRetry(): void }) {
    this.policy = policy;
    this.#stream = stream;
    this.#cluster = cluster;
    this.#owner = owner;
    this.#left = policy.settings.maxRetries;
  }

  /** A retry is to come. */
  get due(): boolean {
    return this.#timer?.armed === true;
  }

  /** False when policy or circuit breaker say no. `head` is the response that asks for it. */
  schedule(head: ResponseHead | undefined): boolean {
    if (this.#left <= 0) {
      this.#stream.info.flags |= flagBit('URX');
      this.#cluster.countRetry('limit_exceeded');
      return false;
    }
    this.#release();
    if (!this.#cluster.breaker.tryRetry()) {
      this.#stream.info.flags |= flagBit('UO');
      this.#cluster.countRetry('overflow');
      return false;
    }
    this.#holds = true;
    this.#left--;
    (this.#timer ??= new Timer(this.#stream.timers, this)).arm(this.#backoffMs(head));
    return true;
  }

  /** A response that asks for no retry came, by one if there was any. */
  succeed(): void {
    if (this.#holds) this.#cluster.countRetry('success');
  }

  /** There will be no other. */
  end(): void {
    this.#timer?.cancel();
    this.#release();
  }

  onTimer(): void {
    this.#owner.onRetry();
  }

  #backoffMs(head: ResponseHead | undefined): number {
    const { clock, random } = this.#stream;
    const { settings } = this.policy;
    const said = head === undefined ? undefined : settings.rateLimited?.leastMs(head, clock.wallMs());
    if (said !== undefined) return limitedBackoffMs(said, random);
    return backoffMs(settings.backoffBaseMs, settings.backoffMaxMs, settings.maxRetries - this.#left - 1, random);
  }

  #release(): void {
    if (!this.#holds) return;
    this.#holds = false;
    this.#cluster.breaker.retryDone();
  }
}
