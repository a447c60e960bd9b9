// The lives of the worker threads: start, fan-out of configuration, replacement of the dead,
// orderly end (faults.md F19).
import { PooledRandom } from '../base/random.ts';
import { Heartbeats } from '../base/heartbeat.ts';
import { NamedCounts } from '../base/named-counts.ts';
import { SharedBuckets } from '../base/shared-buckets.ts';
import { SharedCounts } from '../base/shared-counts.ts';
import { SharedHosts } from '../base/shared-hosts.ts';
import type { LocalZone } from '../config/local-zone.ts';
import type { TracingProvider } from '../config/tracing.ts';
import type { ConfigStore } from './config-store.ts';
import { BREAKER_SLOTS_MAX } from './config-store.ts';
import type { Applied, ConfigBatch, FromWorker, NodeIdentity, Refusal, ToWorker } from './messages.ts';
import type { WorkerListener } from './worker-thread.ts';
import { WorkerThread } from './worker-thread.ts';

/** What the pool tells its supervisor. */
export interface PoolListener {
  onWorkerMessage(thread: WorkerThread, message: FromWorker): void;
  /** A worker ended that was not asked to; it is being replaced after `delayMs`. */
  onWorkerDeath(thread: WorkerThread, reason: string, delayMs: number): void;
  /** Every worker that was asked to stop has ended. */
  onAllStopped(): void;
}

export interface PoolOptions {
  readonly count: number;
  /** Clients' connections of all workers together. */
  readonly connectionsMax: number;
  readonly reusePort: boolean;
  /** Sockets of the process before this one, by `host:port`. */
  readonly inherited: ReadonlyMap<string, readonly number[]>;
  readonly logLevel: string;
  readonly node: NodeIdentity;
  readonly tracing: TracingProvider | undefined;
  readonly zone: LocalZone | undefined;
  /** Old-space limit of each worker; undefined is V8's own. */
  readonly heapMb?: number;
}

/** Back-off of replacements when workers die again and again: 0, 0.1, 0.2 … 5 s; forgotten after a minute of life. */
const RESPAWN_BASE_MS = 100;
const RESPAWN_MAX_MS = 5000;
const STEADY_MS = 60_000;
/** Where threads are told apart: no worker's number. */
const SUPERVISOR = 1_000_000;

export class WorkerPool implements WorkerListener {
  readonly #options: PoolOptions;
  readonly #listener: PoolListener;
  readonly #store: ConfigStore;
  readonly #counts: SharedCounts;
  readonly #memory: SharedArrayBuffer;
  readonly #named: NamedCounts;
  readonly #namedMemory: SharedArrayBuffer;
  readonly #heartbeats: SharedArrayBuffer;
  readonly #buckets = new SharedArrayBuffer(SharedBuckets.bytes);
  readonly #hosts: SharedArrayBuffer;
  readonly #threads = new Map<number, WorkerThread>();
  readonly #deaths = new Map<number, number>();
  #queue: Promise<void> = Promise.resolve();
  #level: string;
  #stopping = false;
  #draining: ToWorker | undefined = undefined;
  #closed: ToWorker | undefined = undefined;

  constructor(options: PoolOptions, store: ConfigStore, listener: PoolListener) {
    this.#options = options;
    this.#store = store;
    this.#listener = listener;
    this.#level = options.logLevel;
    this.#heartbeats = new SharedArrayBuffer(Heartbeats.bytesFor(options.count));
    this.#memory = new SharedArrayBuffer(SharedCounts.bytesFor(BREAKER_SLOTS_MAX, options.count));
    this.#counts = new SharedCounts(this.#memory, options.count);
    this.#namedMemory = new SharedArrayBuffer(NamedCounts.bytesFor(options.count));
    this.#named = new NamedCounts(this.#namedMemory, options.count, 0);
    const random = new PooledRandom();
    SharedBuckets.seed(this.#buckets, random.float() * 2 ** 32, random.float() * 2 ** 32);
    // A worker that is alone keeps all to itself.
    this.#hosts = new SharedArrayBuffer(options.count > 1 ? SharedHosts.bytes : SharedHosts.headerBytes);
    SharedHosts.seed(this.#hosts, random.float() * 2 ** 32, random.float() * 2 ** 32);
  }

  get heartbeats(): Heartbeats {
    return new Heartbeats(this.#heartbeats);
  }

  get threads(): Iterable<WorkerThread> {
    return this.#threads.values();
  }

  get size(): number {
    return this.#threads.size;
  }

  start(): void {
    for (let index = 0; index < this.#options.count; index++) this.#spawn(index, this.#shareOf(index));
  }

  /**
   * Resolves when every worker has answered; a resource that any worker refused counts as refused. `commit` records the
   * outcome in the store before anything else is applied, so that a worker replaced meanwhile misses nothing.
   */
  apply(batch: ConfigBatch, commit: (applied: Applied) => void): Promise<Applied> {
    return this.#inTurn(async () => {
      const applied = merge(await Promise.all([...this.#threads.values()].map((thread) => thread.apply(batch))));
      commit(applied);
      return applied;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.then(() => undefined, () => undefined);
    return result;
  }

  /** To every worker, and to those that replace them where it outlives them. */
  post(message: ToWorker): void {
    if (message.kind === 'drain') this.#draining = message;
    if (message.kind === 'undrain') this.#draining = undefined;
    if (message.kind === 'stop-listening') this.#closed = message;
    if (message.kind === 'log-level' && message.component === undefined) this.#level = message.level;
    for (const thread of this.#threads.values()) thread.post(message);
  }

  stop(): void {
    this.#stopping = true;
    for (const thread of this.#threads.values()) thread.stop();
    if (this.#threads.size === 0) this.#listener.onAllStopped();
  }

  /** Ends one worker as a crash would; it is replaced. For drills. */
  async killWorker(index: number): Promise<void> {
    await this.#threads.get(index)?.terminate();
  }

  onMessage(thread: WorkerThread, message: FromWorker): void {
    if (message.kind === 'tell') {
      const learn = { kind: 'learn', clusters: message.clusters } as const;
      for (const other of this.#threads.values()) if (other !== thread) other.post(learn);
      return;
    }
    this.#listener.onWorkerMessage(thread, message);
  }

  onEnd(thread: WorkerThread, reason: string): void {
    const asked = this.#stopping;
    this.#threads.delete(thread.index);
    this.#counts.clearThread(thread.index);
    this.#named.clearThread(thread.index);
    if (this.#options.count > 1) new SharedHosts(this.#hosts, SUPERVISOR).clearThread(thread.index);
    if (!asked) this.post({ kind: 'learn', clusters: undefined });
    if (asked) {
      if (this.#threads.size === 0) this.#listener.onAllStopped();
      return;
    }
    const deaths = this.#deaths.get(thread.index) ?? 0;
    this.#deaths.set(thread.index, deaths + 1);
    const delayMs = deaths === 0 ? 0 : Math.min(RESPAWN_MAX_MS, RESPAWN_BASE_MS * 2 ** (deaths - 1));
    this.#listener.onWorkerDeath(thread, reason, delayMs);
    setTimeout(() => void this.#inTurn(() => this.#respawn(thread.index)), delayMs);
  }

  async #respawn(index: number): Promise<void> {
    if (this.#stopping) return;
    const thread = this.#spawn(index);
    for (const batch of this.#store.batches()) await thread.apply(batch);
    for (const message of [this.#draining, this.#closed]) if (message !== undefined) thread.post(message);
    setTimeout(() => {
      if (this.#threads.get(index) === thread) this.#deaths.delete(index);
    }, STEADY_MS).unref();
  }

  /** Sockets are dealt out: those of a worker that dies are closed with it. */
  #shareOf(index: number): ReadonlyMap<string, readonly number[]> {
    const { inherited, count } = this.#options;
    return new Map([...inherited].map(([address, all]) => [address, all.filter((_, at) => at % count === index)]));
  }

  #spawn(index: number, inherited: ReadonlyMap<string, readonly number[]> = new Map()): WorkerThread {
    const { count, connectionsMax, reusePort, node, tracing, zone, heapMb } = this.#options;
    const start = {
      workerIndex: index, workerCount: count, breakerCounts: this.#memory, namedCounts: this.#namedMemory,
      heartbeats: this.#heartbeats, tokenBuckets: this.#buckets, hosts: this.#hosts, reusePort, inherited,
      connectionsMax, logLevel: this.#level, node, tracing, zone,
    };
    const thread = new WorkerThread(start, this, heapMb);
    this.#threads.set(index, thread);
    return thread;
  }
}

function merge(answers: readonly Applied[]): Applied {
  const refused = new Map<string, Refusal>();
  for (const answer of answers) {
    for (const refusal of answer.refused) refused.set(refusal.name, refusal);
  }
  return { refused: [...refused.values()] };
}
