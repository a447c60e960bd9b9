// Virtual hosts that requests have asked for (VHDS): what is asked for, what came, and the tables that it makes.
import type { Clock } from '../base/clock.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { ResourceType } from '../config/any-registry.ts';
import type { HostAnswer } from '../config/host-demand.ts';
import type { RouteConfiguration, VirtualHost } from '../config/route.ts';
import { ROUTE_TYPE, VIRTUAL_HOST_TYPE } from '../config/type-url.ts';
import type { Reference } from './references.ts';
import type { DecodedResource } from './resource-decode.ts';
import type { ResourceBatch } from './xds-client.ts';

/** Hosts that are asked for at one time. The first makes room: it is asked for again if it is needed. */
export const DEMANDED_HOSTS_MAX = 1000;

/** A request waits so long for the management server's word. */
const PATIENCE_MS = 5000;

interface Waiting {
  readonly dueMs: number;
  /** One for each worker. */
  readonly tell: ((answer: HostAnswer) => void)[];
}

export class DemandedHosts implements TimerTarget {
  readonly #clock: Clock;
  readonly #timer: Timer;
  /** As they came, by name; those with vhds alone. */
  readonly #tables = new Map<string, DecodedResource>();
  /** Asked for, as `table/authority`; undefined where there is none, or nothing came yet. */
  readonly #hosts = new Map<string, VirtualHost | undefined>();
  readonly #answered = new Set<string>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #onDisplaced: () => void;

  constructor(clock: Clock, wheel: TimerWheel, onDisplaced: () => void) {
    this.#onDisplaced = onDisplaced;
    this.#clock = clock;
    this.#timer = new Timer(wheel, this);
  }

  /** True: it must be asked for now. `tell` is called once. */
  demand(table: string, authority: string, tell: (answer: HostAnswer) => void): boolean {
    const name = `${table}/${authority}`;
    if (!this.#tables.has(table)) {
      tell('absent');
      return false;
    }
    if (this.#answered.has(name)) {
      tell(this.#hosts.get(name) === undefined ? 'absent' : 'known');
      return false;
    }
    this.#wait(name, tell);
    if (this.#hosts.has(name)) return false;
    if (this.#hosts.size >= DEMANDED_HOSTS_MAX) this.#displace();
    this.#hosts.set(name, undefined);
    return true;
  }

  #wait(name: string, tell: (answer: HostAnswer) => void): void {
    const waiting = this.#waiting.get(name);
    if (waiting !== undefined) {
      waiting.tell.push(tell);
      return;
    }
    this.#waiting.set(name, { tell: [tell], dueMs: this.#clock.nowMs() + PATIENCE_MS });
    if (this.#waiting.size === 1) this.#timer.arm(PATIENCE_MS);
  }

  /** Names that turned out to be nobody's make room before hosts that are. */
  #displace(): void {
    const names = this.#hosts.keys();
    const absent = names.find((name) => this.#answered.has(name) && this.#hosts.get(name) === undefined);
    this.#forget(absent ?? this.#hosts.keys().next().value!);
    this.#onDisplaced();
  }

  /** What is asked for, from where each table says. */
  references(): Reference[] {
    return [...this.#hosts.keys()].flatMap((name) => {
      const source = vhdsOf(this.#tables.get(tableOf(name)));
      return source === undefined ? [] : [{ type: VIRTUAL_HOST_TYPE, name, source }];
    });
  }

  /** A batch as it is to be put in force: tables with the hosts that they were asked for, and hosts as their tables. */
  batchOf(batch: ResourceBatch): ResourceBatch {
    if (batch.type === ROUTE_TYPE) return { ...batch, updated: batch.updated.map((table) => this.#take(table)) };
    if (batch.type !== VIRTUAL_HOST_TYPE) return batch;
    const touched = new Set<string>();
    for (const { name, resource } of batch.updated) {
      this.#hosts.set(name, resource as VirtualHost);
      touched.add(tableOf(name));
    }
    for (const name of batch.removed) {
      if (this.#hosts.get(name) !== undefined) touched.add(tableOf(name));
      if (this.#hosts.has(name)) this.#hosts.set(name, undefined);
    }
    const tables = [...touched].flatMap((name) => this.#tables.get(name) ?? []);
    return { type: ROUTE_TYPE, updated: tables.map((table) => this.#merged(table)), removed: [] };
  }

  /** The batch is in force: requests go on. Or it was refused: what it brought must not spoil its table for ever. */
  settled({ type, updated, removed }: ResourceBatch, isRefused: boolean): void {
    if (type !== VIRTUAL_HOST_TYPE) return;
    for (const name of [...updated.map((each) => each.name), ...removed]) {
      if (!this.#hosts.has(name)) continue;
      if (isRefused) this.#hosts.set(name, undefined);
      this.#answered.add(name);
      this.#tell(name, this.#hosts.get(name) === undefined ? 'absent' : 'known');
    }
  }

  /** Nobody names these tables any more. */
  drop(type: ResourceType, names: readonly string[]): void {
    if (type !== ROUTE_TYPE) return;
    const gone = new Set(names);
    for (const name of gone) this.#tables.delete(name);
    for (const name of [...this.#hosts.keys()]) if (gone.has(tableOf(name))) this.#forget(name);
  }

  stop(): void {
    this.#timer.cancel();
  }

  onTimer(): void {
    const now = this.#clock.nowMs();
    for (const [name, { dueMs }] of [...this.#waiting]) {
      if (dueMs > now) break;
      this.#tell(name, 'late');
    }
    const next = this.#waiting.values().next().value;
    if (next !== undefined) this.#timer.arm(Math.max(1, next.dueMs - now));
  }

  #take(table: DecodedResource): DecodedResource {
    if (vhdsOf(table) === undefined) {
      this.drop(ROUTE_TYPE, [table.name]);
      return table;
    }
    this.#tables.set(table.name, table);
    return this.#merged(table);
  }

  /** A domain that the table has itself stays the table's. */
  #merged(table: DecodedResource): DecodedResource {
    const config = table.resource as RouteConfiguration;
    const virtualHosts = [...config.virtualHosts ?? []];
    const domains = new Set(virtualHosts.flatMap((host) => host.domains.map((domain) => domain.toLowerCase())));
    for (const [name, host] of this.#hosts) {
      if (host === undefined || tableOf(name) !== table.name) continue;
      const own = host.domains.filter((domain) => !domains.has(domain.toLowerCase()));
      for (const domain of own) domains.add(domain.toLowerCase());
      if (own.length > 0) virtualHosts.push({ ...host, domains: own });
    }
    return { ...table, resource: { ...config, virtualHosts } };
  }

  #forget(name: string): void {
    this.#hosts.delete(name);
    this.#answered.delete(name);
    this.#tell(name, 'late');
  }

  #tell(name: string, answer: HostAnswer): void {
    const waiting = this.#waiting.get(name);
    this.#waiting.delete(name);
    if (this.#waiting.size === 0) this.#timer.cancel();
    for (const tell of waiting?.tell ?? []) tell(answer);
  }
}

function vhdsOf(table: DecodedResource | undefined): Reference['source'] | undefined {
  return (table?.resource as RouteConfiguration | undefined)?.vhds?.configSource;
}

/** Tables may have a slash in their names, authorities have none. */
function tableOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/'));
}
