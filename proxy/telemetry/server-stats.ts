// The stats of the whole proxy, with Envoy's names under `server.`; kept by the supervisor.
import { serverScope, statName } from './stat-name.ts';
import type { Gauge, Stats } from './stats.ts';

/** `server.state` as Envoy numbers it. */
export const SERVER_STATES = ['LIVE', 'DRAINING', 'PRE_INITIALIZING', 'INITIALIZING'] as const;
export type ServerState = (typeof SERVER_STATES)[number];

export class ServerStats {
  readonly #uptime: Gauge;
  readonly #live: Gauge;
  readonly #state: Gauge;
  readonly #concurrency: Gauge;
  readonly #memoryAllocated: Gauge;
  readonly #memoryHeap: Gauge;
  readonly #memoryPhysical: Gauge;

  constructor(stats: Stats) {
    const gauge = (name: string): Gauge => stats.gauge(statName(serverScope, name));
    this.#uptime = gauge('uptime');
    this.#live = gauge('live');
    this.#state = gauge('state');
    this.#concurrency = gauge('concurrency');
    this.#memoryAllocated = gauge('memory_allocated');
    this.#memoryHeap = gauge('memory_heap_size');
    this.#memoryPhysical = gauge('memory_physical_size');
  }

  /** Called before a scrape. Memory is the whole process's in bytes, uptime in seconds. */
  update(state: ServerState, concurrency: number, uptimeSeconds: number): void {
    const { heapUsed, heapTotal, rss } = process.memoryUsage();
    this.#uptime.set(Math.floor(uptimeSeconds));
    this.#live.set(state === 'LIVE' ? 1 : 0);
    this.#state.set(SERVER_STATES.indexOf(state));
    this.#concurrency.set(concurrency);
    this.#memoryAllocated.set(heapUsed);
    this.#memoryHeap.set(heapTotal);
    this.#memoryPhysical.set(rss);
  }
}
