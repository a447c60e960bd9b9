// Where a provider's keys come from: configuration, or a fetch over the pools of a cluster (threats.md S71).
import type { Clock } from '../base/clock.ts';
import { ConfigError, ProxyError } from '../base/error.ts';
import type { TimerWheel } from '../base/timers.ts';
import { msOr } from '../config/duration.ts';
import type { RemoteJwks } from '../config/jwt-authn.ts';
import { RequestHead } from '../http/message.ts';
import type { ResponseHead } from '../http/message.ts';
import type { Counter } from '../telemetry/stats.ts';
import type { ClusterSet } from '../upstream/upstream.ts';
import { HttpCall } from './http-call.ts';
import type { HttpAnswer, HttpCallSink } from './http-call.ts';
import { parseJwks } from './jwks.ts';
import type { Jwks } from './jwks.ts';
import type { Jwt } from './jwt-token.ts';

const ANSWER_BYTES_MAX = 1024 * 1024;
const CACHE_MS = 10 * 60_000;
/** Keys that cannot be fetched anew hold so long after they should have been. */
export const STALE_MS_MAX = 24 * 3_600_000;
const REFETCH_MS = 1000;
/** A token of a key that is not known has them fetched, but not again and again. */
const UNKNOWN_KEY_MS = 10_000;
/** Requests that wait for one fetch. */
const WAITING_MAX = 1024;
const RETRIES = 1;

/** Hears of the end of a fetch, once, however it went. */
export interface KeyWaiter {
  onKeys(): void;
}

export interface KeySource {
  /** Undefined: none have come yet, or none came for too long. */
  keys(nowMs: number): Jwks | undefined;
  /** Has old keys fetched anew; nobody waits for that. */
  refresh(nowMs: number): void;
  /** True: `waiter` will hear of keys that this token needs. */
  waits(jwt: Jwt, nowMs: number, waiter: KeyWaiter): boolean;
  forget(waiter: KeyWaiter): void;
}

export class LocalKeys implements KeySource {
  readonly #keys: Jwks;

  constructor(keys: Jwks) {
    this.#keys = keys;
  }

  keys(): Jwks {
    return this.#keys;
  }

  refresh(): void {}

  waits(): boolean {
    return false;
  }

  forget(): void {}
}

export interface RemoteKeysDeps {
  readonly clusters: ClusterSet;
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly succeeded: Counter;
  readonly failed: Counter;
}

/** Outlives the configuration that named it, so that a change elsewhere does not forget the keys. */
export class RemoteKeys implements KeySource, HttpCallSink {
  readonly answerBytesMax = ANSWER_BYTES_MAX;
  readonly #cluster: string;
  readonly #authority: string;
  readonly #path: string;
  readonly #deps: RemoteKeysDeps;
  #cacheMs = CACHE_MS;
  #timeoutMs = 0;
  #refetchMs = REFETCH_MS;
  #retries = 0;
  #keys: Jwks | undefined = undefined;
  #fetchedMs = -Infinity;
  #failedMs = -Infinity;
  #call: HttpCall | undefined = undefined;
  #triesLeft = 0;
  readonly #waiting = new Set<KeyWaiter>();

  /** Throws ConfigError below `path`. */
  constructor(config: RemoteJwks, deps: RemoteKeysDeps, path: string) {
    const { uri, cluster } = config.httpUri;
    const match = /^https?:\/\/([^/?#@\s]+)([/?][^#\s]*)?$/.exec(uri);
    if (match === null) throw new ConfigError(`${path}.httpUri.uri`,
      'must be http:// or https:// with a host and a path');
    this.#authority = match[1]!.toLowerCase();
    this.#path = match[2]?.replace(/^\?/, '/?') ?? '/';
    this.#cluster = cluster;
    this.#deps = deps;
    this.configure(config);
  }

  /** The newest configuration's times hold. */
  configure({ httpUri, cacheDuration, asyncFetch, retryPolicy }: RemoteJwks): void {
    this.#timeoutMs = msOr(httpUri.timeout, 0);
    this.#cacheMs = msOr(cacheDuration, CACHE_MS);
    this.#refetchMs = msOr(asyncFetch?.failedRefetchDuration, REFETCH_MS);
    this.#retries = retryPolicy === undefined ? 0 : retryPolicy.numRetries ?? RETRIES;
    if (asyncFetch !== undefined && this.#keys === undefined) this.#fetch();
  }

  keys(nowMs: number): Jwks | undefined {
    return nowMs - this.#fetchedMs > this.#cacheMs + STALE_MS_MAX ? undefined : this.#keys;
  }

  refresh(nowMs: number): void {
    if (this.#keys !== undefined && nowMs - this.#fetchedMs > this.#cacheMs) this.#refetch(nowMs);
  }

  waits(jwt: Jwt, nowMs: number, waiter: KeyWaiter): boolean {
    const keys = this.keys(nowMs);
    const needed = keys === undefined || (!keys.fits(jwt) && nowMs - this.#fetchedMs > UNKNOWN_KEY_MS);
    if (needed) this.#refetch(nowMs);
    if (!needed || this.#call === undefined || this.#waiting.size >= WAITING_MAX) return false;
    this.#waiting.add(waiter);
    return true;
  }

  forget(waiter: KeyWaiter): void {
    this.#waiting.delete(waiter);
  }

  /** Redirects are no answer. */
  accepts(head: ResponseHead): boolean {
    return head.status === 200;
  }

  onCallDone(answer: HttpAnswer | ProxyError): void {
    const keys = answer instanceof ProxyError ? undefined : parseJwks(answer.body);
    this.#call = undefined;
    if (keys === undefined) {
      if (this.#triesLeft-- > 0) this.#start();
      else this.#end(this.#deps.failed);
      return;
    }
    this.#keys = keys;
    this.#fetchedMs = this.#deps.clock.nowMs();
    this.#end(this.#deps.succeeded);
  }

  #refetch(nowMs: number): void {
    if (this.#call === undefined && nowMs - this.#failedMs >= this.#refetchMs) this.#fetch();
  }

  #fetch(): void {
    this.#triesLeft = this.#retries;
    this.#start();
  }

  #start(): void {
    const cluster = this.#deps.clusters.get(this.#cluster);
    if (cluster === undefined) {
      this.#end(this.#deps.failed);
      return;
    }
    const head = new RequestHead('GET', this.#authority, this.#path);
    head.headers.append('accept', 'application/json');
    const call = new HttpCall(cluster, this.#timeoutMs, this.#deps.timers, this);
    this.#call = call;
    call.start(head, undefined);
  }

  #end(counter: Counter): void {
    counter.inc();
    if (counter === this.#deps.failed) this.#failedMs = this.#deps.clock.nowMs();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const waiter of waiting) waiter.onKeys();
  }
}
