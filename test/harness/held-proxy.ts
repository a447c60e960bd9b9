// weft's workers inside the test's process, by a clock that the test moves: sockets are real, time is not.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ManualClock } from '../../proxy/base/clock.ts';
import { Heartbeats } from '../../proxy/base/heartbeat.ts';
import { NamedCounts } from '../../proxy/base/named-counts.ts';
import { SharedBuckets } from '../../proxy/base/shared-buckets.ts';
import { SharedCounts } from '../../proxy/base/shared-counts.ts';
import { SharedHosts } from '../../proxy/base/shared-hosts.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { Bootstrap } from '../../proxy/config/bootstrap.ts';
import { decode } from '../../proxy/config/decode.ts';
import { WorkerProxy } from '../../proxy/proxy.ts';
import type { FromWorker, NamedResource, ResourceKind } from '../../proxy/supervisor/messages.ts';
import type { StatSource } from '../../proxy/supervisor/stats-merger.ts';
import { StatsMerger } from '../../proxy/supervisor/stats-merger.ts';

const TICK_MS = 10;
const CLUSTERS_MAX = 16;

/** What all workers of a proxy share. */
interface Shared {
  readonly breakerCounts: SharedArrayBuffer;
  readonly namedCounts: SharedArrayBuffer;
  readonly tokenBuckets: SharedArrayBuffer;
  readonly heartbeats: SharedArrayBuffer;
  readonly hosts: SharedArrayBuffer;
}

export class HeldProxy implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly #timers: TimerWheel[] = [];
  readonly #workers: WorkerProxy[] = [];
  readonly #sources: StatSource[] = [];
  readonly #stats = new StatsMerger();
  readonly #ports: number[] = [];
  readonly #dead = new Set<number>();
  #hosts: SharedArrayBuffer | undefined = undefined;

  /** `bootstrap` with one listener; each worker has a port of its own for it. */
  static async start(bootstrap: unknown, workers = 1): Promise<HeldProxy> {
    const decoded = decode(Bootstrap, bootstrap);
    if (decoded.value === undefined) throw new Error(decoded.errors.map((error) => error.message).join('\n'));
    const proxy = new HeldProxy();
    const shared = {
      breakerCounts: new SharedArrayBuffer(SharedCounts.bytesFor(CLUSTERS_MAX, workers)),
      namedCounts: new SharedArrayBuffer(NamedCounts.bytesFor(workers)),
      tokenBuckets: new SharedArrayBuffer(SharedBuckets.bytes),
      heartbeats: new SharedArrayBuffer(Heartbeats.bytesFor(workers)),
      hosts: new SharedArrayBuffer(SharedHosts.bytes),
    };
    proxy.#hosts = shared.hosts;
    const { clusters = [], listeners = [] } = decoded.value.staticResources ?? {};
    for (let index = 0; index < workers; index++) {
      const worker = proxy.#add(index, workers, shared);
      await put(worker, 'cluster', clusters.map((resource, slot) => (
        { name: resource.name, resource, breakerSlot: slot }
      )));
      await put(worker, 'listener', listeners.map((resource) => ({ name: 'http', resource })));
    }
    return proxy;
  }

  /** Waits until the listener of a worker listens, which needs its clusters. */
  async port(worker = 0): Promise<number> {
    while (this.#ports[worker] === undefined) await nextTurn();
    return this.#ports[worker];
  }

  stat(name: string): number {
    return this.#stats.read(name);
  }

  /** Time goes on by one tick of the timers; then sockets get their turns. */
  async tick(): Promise<void> {
    this.clock.advance(TICK_MS);
    for (const timers of this.#timers) timers.advance();
    for (let turn = 0; turn < 4; turn++) await nextTurn();
  }

  /** One worker is no more heard of, though its sockets are open, and what it did for all is free. */
  kill(worker: number): void {
    this.#timers[worker] = new TimerWheel(this.clock);
    this.#dead.add(worker);
    this.#sources[worker]!.end();
    new SharedHosts(this.#hosts!, CLUSTERS_MAX).clearThread(worker);
    this.#others(worker, undefined);
  }

  #others(worker: number, clusters: readonly string[] | undefined): void {
    this.#workers.forEach((other, i) => {
      if (i !== worker && !this.#dead.has(i)) other.learn(clusters);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) await worker.stop();
  }

  #add(workerIndex: number, workerCount: number, shared: Shared): WorkerProxy {
    const timers = new TimerWheel(this.clock);
    const source = this.#stats.source();
    this.#timers.push(timers);
    this.#sources.push(source);
    const start = {
      ...shared, workerIndex, workerCount, connectionsMax: Infinity, reusePort: false, logLevel: 'off',
      tracing: undefined,
      zone: undefined,
      node: { id: 'test', cluster: 'test', metadata: {} },
    };
    const worker = new WorkerProxy(start, (message) => this.#onMessage(workerIndex, message),
      { clock: this.clock, timers });
    this.#workers.push(worker);
    return worker;
  }

  #onMessage(worker: number, message: FromWorker): void {
    const source = this.#sources[worker]!;
    if (message.kind === 'chunk') source.chunk(message.index, message.memory);
    if (message.kind === 'stats') {
      for (const registration of message.registrations) source.register(registration);
      for (const block of message.blocks) source.blockOfThread(block);
    }
    if (message.kind === 'listening') this.#ports[worker] = message.port;
    if (message.kind === 'tell' && !this.#dead.has(worker)) this.#others(worker, message.clusters);
  }
}

async function put(worker: WorkerProxy, kind: ResourceKind, updated: readonly NamedResource[]): Promise<void> {
  const { refused } = await worker.apply({ kind, updated, removed: [] });
  if (refused.length > 0) throw new Error(refused.map(({ reason }) => reason).join('\n'));
}
