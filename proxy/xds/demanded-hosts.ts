// Virtual hosts that requests have asked for (VHDS): what is asked for, what came, the tables that it makes, and what
// is forgotten because no request has been for it.
import type { Clock } from '../base/clock.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { ResourceType } from '../config/any-registry.ts';
import type { HostAnswer } from '../config/host-demand.ts';
import type { RouteConfiguration, VirtualHost } from '../config/route.ts';
import { ROUTE_TYPE, VIRTUAL_HOST_TYPE } from '../config/type-url.ts';
import type { Reference } from './references.ts';
import type { DecodedResource } from './resource-decode.ts';
import type { ResourceBatch } from './resource-client.ts';

/** Hosts that are asked for at one time. The first makes room: it is asked for again if it is needed. */
export const DEMANDED_HOSTS_MAX = 1000;

/** Hosts are looked at no more often. */
const SWEEP_MS_MIN = 1000;

/** A request waits so long for the management server's word. */
const PATIENCE_MS = 5000;

interface Waiting {
  readonly dueMs: number;
  /** One for each worker. */
  readonly tell: ((answer: HostAnswer) => void)[];
}

/** A host that was asked for. */
interface Demanded {
  /** Undefined where there is none, or nothing came yet. */
  host: VirtualHost | undefined;
  isAnswered: boolean;
  /** When the last request for it was, as far as was told. */
  usedMs: number;
}

export interface DemandedHostsOptions {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** A host that no request was for is forgotten after this; 0: never. Default 0. */
  readonly forgetMs?: number;
  /** So many have made room for another one. */
  onDisplaced?(): void;
  /** So many are to be asked for no more; these tables had them. */
  onForgotten?(count: number, tables: readonly string[]): void;
  onAnswer?(answer: HostAnswer): void;
}

const PATIENCE_TIMER = 0;
const FORGET_TIMER = 1;

export class DemandedHosts implements TimerTarget {
  readonly #options: DemandedHostsOptions;
  readonly #timer: Timer;
  readonly #forgetTimer: Timer;
  /** As they came, by name; those with vhds alone. */
  readonly #tables = new Map<string, DecodedResource>();
  /** Asked for, as `table/authority`. */
  readonly #hosts = new Map<string, Demanded>();
  /** To be asked for when its table comes. */
  readonly #remembered = new Set<string>();
  readonly #waiting = new Map<string, Waiting>();

  constructor(options: DemandedHostsOptions) {
    this.#options = options;
    this.#timer = new Timer(options.wheel, this, PATIENCE_TIMER);
    this.#forgetTimer = new Timer(options.wheel, this, FORGET_TIMER);
  }

  /** Hosts that there are, not those that are nobody's. */
  get held(): number {
    return this.#hosts.values().filter(({ host }) => host !== undefined).toArray().length;
  }

  /** What an earlier life of this proxy used is asked for as soon as it can be. */
  remember(names: Iterable<string>): void {
    for (const name of names) if (this.#remembered.size < DEMANDED_HOSTS_MAX) this.#remembered.add(name);
    for (const table of this.#tables.keys()) this.#recall(table);
  }

  /** Requests were for these virtual hosts of a table, or still are. */
  used(table: string, hosts: readonly string[]): void {
    const used = new Set(hosts);
    const now = this.#options.clock.nowMs();
    for (const [name, demanded] of this.#hosts) {
      if (demanded.host !== undefined && used.has(demanded.host.name) && tableOf(name) === table) demanded.usedMs = now;
    }
  }

  /** True: it must be asked for now. `tell` is called once. */
  demand(table: string, authority: string, tell: (answer: HostAnswer) => void): boolean {
    const name = `${table}/${authority}`;
    if (!this.#tables.has(table)) {
      // It is of what the control plane said in an earlier life.
      tell('late');
      return false;
    }
    const known = this.#hosts.get(name);
    if (known?.isAnswered === true) {
      known.usedMs = this.#options.clock.nowMs();
      tell(known.host === undefined ? 'absent' : 'known');
      return false;
    }
    this.#wait(name, tell);
    if (known !== undefined) return false;
    this.#add(name);
    return true;
  }

  #add(name: string): void {
    const { clock, forgetMs = 0 } = this.#options;
    if (this.#hosts.size >= DEMANDED_HOSTS_MAX) this.#displace();
    this.#hosts.set(name, { host: undefined, isAnswered: false, usedMs: clock.nowMs() });
    if (forgetMs > 0 && !this.#forgetTimer.armed) this.#forgetTimer.arm(forgetMs);
  }

  #recall(table: string): void {
    for (const name of this.#remembered) {
      if (tableOf(name) !== table) continue;
      this.#remembered.delete(name);
      if (!this.#hosts.has(name)) this.#add(name);
    }
  }

  #wait(name: string, tell: (answer: HostAnswer) => void): void {
    const waiting = this.#waiting.get(name);
    if (waiting !== undefined) {
      waiting.tell.push(tell);
      return;
    }
    this.#waiting.set(name, { tell: [tell], dueMs: this.#options.clock.nowMs() + PATIENCE_MS });
    if (this.#waiting.size === 1) this.#timer.arm(PATIENCE_MS);
  }

  /** Names that turned out to be nobody's make room before hosts that are, and of these the one that rests longest. */
  #displace(): void {
    const hosts = [...this.#hosts];
    const absent = hosts.find(([, { host, isAnswered }]) => isAnswered && host === undefined);
    const [name] = absent ?? hosts.reduce((least, each) => (each[1].usedMs < least[1].usedMs ? each : least));
    this.#forget(name);
    this.#options.onDisplaced?.();
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
      this.#set(name, resource as VirtualHost);
      touched.add(tableOf(name));
    }
    for (const name of batch.removed) {
      const demanded = this.#hosts.get(name);
      if (demanded?.host !== undefined) touched.add(tableOf(name));
      if (demanded !== undefined) demanded.host = undefined;
    }
    return { type: ROUTE_TYPE, updated: this.tables([...touched]), removed: [] };
  }

  /** One that nobody has asked for stands in its table as well. */
  #set(name: string, host: VirtualHost): void {
    if (!this.#hosts.has(name)) this.#add(name);
    this.#hosts.get(name)!.host = host;
  }

  /** As they are to be in force now. */
  tables(names: readonly string[]): DecodedResource[] {
    return names.flatMap((name) => this.#tables.get(name) ?? []).map((table) => this.#merged(table));
  }

  /** The batch is in force: requests go on. Or it was refused: what it brought must not spoil its table for ever. */
  settled({ type, updated, removed }: ResourceBatch, isRefused: boolean): void {
    if (type !== VIRTUAL_HOST_TYPE) return;
    for (const name of [...updated.map((each) => each.name), ...removed]) {
      const demanded = this.#hosts.get(name);
      if (demanded === undefined) continue;
      if (isRefused) demanded.host = undefined;
      demanded.isAnswered = true;
      this.#tell(name, demanded.host === undefined ? 'absent' : 'known');
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
    this.#forgetTimer.cancel();
  }

  onTimer(tag: number): void {
    const now = this.#options.clock.nowMs();
    if (tag === FORGET_TIMER) {
      this.#forgetUnused(now);
      return;
    }
    for (const [name, { dueMs }] of [...this.#waiting]) {
      if (dueMs > now) break;
      this.#tell(name, 'late');
    }
    const next = this.#waiting.values().next().value;
    if (next !== undefined) this.#timer.arm(Math.max(1, next.dueMs - now));
  }

  /** Streams go on with the routes that they have. */
  #forgetUnused(now: number): void {
    const { forgetMs = 0, onForgotten } = this.#options;
    const unused = [...this.#hosts]
      .filter(([name, { usedMs }]) => now - usedMs >= forgetMs && !this.#waiting.has(name));
    const tables = new Set(unused.flatMap(([name, { host }]) => (host === undefined ? [] : [tableOf(name)])));
    for (const [name] of unused) this.#hosts.delete(name);
    const dueMs = Math.min(...this.#hosts.values().map(({ usedMs }) => usedMs + forgetMs));
    if (this.#hosts.size > 0) this.#forgetTimer.arm(Math.max(SWEEP_MS_MIN, dueMs - now));
    if (unused.length === 0) return;
    onForgotten?.(unused.length, [...tables]);
  }

  #take(table: DecodedResource): DecodedResource {
    if (vhdsOf(table) === undefined) {
      this.drop(ROUTE_TYPE, [table.name]);
      return table;
    }
    this.#tables.set(table.name, table);
    this.#recall(table.name);
    return this.#merged(table);
  }

  /** A domain that the table has itself stays the table's. */
  #merged(table: DecodedResource): DecodedResource {
    const config = table.resource as RouteConfiguration;
    const virtualHosts = [...config.virtualHosts ?? []];
    const domains = new Set(virtualHosts.flatMap((host) => host.domains.map((domain) => domain.toLowerCase())));
    for (const [name, { host }] of this.#hosts) {
      if (host === undefined || tableOf(name) !== table.name) continue;
      const own = host.domains.filter((domain) => !domains.has(domain.toLowerCase()));
      for (const domain of own) domains.add(domain.toLowerCase());
      if (own.length > 0) virtualHosts.push({ ...host, domains: own });
    }
    return { ...table, resource: { ...config, virtualHosts } };
  }

  #forget(name: string): void {
    this.#hosts.delete(name);
    this.#tell(name, 'late');
  }

  #tell(name: string, answer: HostAnswer): void {
    const waiting = this.#waiting.get(name);
    this.#waiting.delete(name);
    if (this.#waiting.size === 0) this.#timer.cancel();
    if (waiting === undefined) return;
    this.#options.onAnswer?.(answer);
    for (const tell of waiting.tell) tell(answer);
  }
}

function vhdsOf(table: DecodedResource | undefined): Reference['source'] | undefined {
  return (table?.resource as RouteConfiguration | undefined)?.vhds?.configSource;
}

/** Tables may have a slash in their names, authorities have none. */
function tableOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/'));
}
