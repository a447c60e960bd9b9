// Who runs what: for each proxy and type what was sent, what was accepted, what was refused and why.
import type { Clock } from '../../proxy/base/clock.ts';
import type { ResourceRefusal } from '../../proxy/config/discovery.ts';
import { VIRTUAL_HOST_TYPE } from '../../proxy/config/type-url.ts';
import { SERVICE_WORDS } from './snapshot.ts';
import type { Outstanding } from './subscription.ts';

/** A resource that a proxy refused; it runs the version before, if it had one. */
export interface RefusedResource {
  /** '' where the response held no resources, as one of removals does. */
  readonly name: string;
  /** The version that was refused; '' where the response held none of this name. */
  readonly version: string;
  readonly reason: string;
  /** Unix time in milliseconds. */
  readonly atMs: number;
}

/** One type of one proxy, as status shows it. */
export interface TypeReceipt {
  /** Envoy's word: cds, eds, lds, rds, sds. */
  readonly type: string;
  /** Resources that the proxy runs. */
  readonly resources: number;
  /** Versions of the whole: of the last response that was sent, and of the last that was accepted. */
  readonly sent: string;
  readonly acked: string;
  /** A response was sent and is not answered yet. */
  readonly pending: boolean;
  /** The last refusal, until nothing is refused any more. */
  readonly nack: { readonly atMs: number; readonly reason: string } | undefined;
  readonly refused: readonly RefusedResource[];
  /** Of vhds alone: which hosts a lazy proxy has asked for and runs, as `table/authority`. */
  readonly hosts?: readonly string[];
}

export interface ProxyReceipt {
  readonly id: string;
  readonly cluster: string;
  /** HOST:PORT from which it is or was connected. */
  readonly address: string;
  readonly userAgent: string;
  readonly connected: boolean;
  /** Unix time of the last connect or disconnect. */
  readonly sinceMs: number;
  /** Why it is served nothing, or nothing new. */
  readonly fault: string | undefined;
  readonly types: readonly TypeReceipt[];
  /** Hosts that a lazy proxy has asked for beyond what it may hold; absent where there are none. */
  readonly excessHosts?: number;
}

/** What a proxy says of itself when it connects. */
export interface ProxyIntroduction {
  readonly id: string;
  readonly cluster: string;
  readonly address: string;
  readonly userAgent: string;
}

/** One type of one proxy. */
class TypeRecord {
  sent = '';
  acked = '';
  pending = false;
  reason = '';
  nackedMs = 0;
  readonly running = new Map<string, string>();
  readonly refused = new Map<string, RefusedResource>();
}

/** The receipts of one connection. */
export class ProxyRecord {
  readonly introduction: ProxyIntroduction;
  connected = true;
  sinceMs: number;
  fault: string | undefined = undefined;
  excessHosts = 0;
  readonly #clock: Clock;
  readonly #types = new Map<string, TypeRecord>();

  constructor(introduction: ProxyIntroduction, clock: Clock) {
    this.introduction = introduction;
    this.#clock = clock;
    this.sinceMs = clock.wallMs();
  }

  /** Versions that it had when it connected. */
  began(type: string, versions: Readonly<Record<string, string>>): void {
    const { running } = this.#type(type);
    for (const [name, version] of Object.entries(versions)) running.set(name, version);
  }

  sent(type: string, version: string): void {
    const record = this.#type(type);
    record.sent = version;
    record.pending = true;
  }

  accepted(type: string, { version, sent, removed }: Outstanding): void {
    const record = this.#type(type);
    record.pending = false;
    record.acked = version;
    record.refused.delete('');
    for (const [name, each] of sent) {
      record.running.set(name, each);
      record.refused.delete(name);
    }
    for (const name of removed) this.#forget(record, name);
  }

  /** `refusals` are resources of the response; whatever else was in it counts as accepted, as xDS has it. */
  refused(type: string, { sent, removed }: Outstanding, reason: string, refusals: readonly ResourceRefusal[]): void {
    const record = this.#type(type);
    const atMs = this.#clock.wallMs();
    record.pending = false;
    record.reason = reason;
    record.nackedMs = atMs;
    for (const { name, reason: why } of refusals) {
      record.refused.set(name, { name, version: sent.get(name) ?? '', reason: why, atMs });
    }
    for (const [name, version] of sent) {
      if (record.refused.get(name)?.atMs === atMs && refusals.some((each) => each.name === name)) continue;
      record.running.set(name, version);
      record.refused.delete(name);
    }
    for (const name of removed) this.#forget(record, name);
  }

  /** It asks for them no more. */
  dropped(type: string, names: readonly string[]): void {
    for (const name of names) this.#forget(this.#type(type), name);
  }

  /** Whether it runs something else than it was sent, of this type. */
  refuses(type: string): boolean {
    return (this.#types.get(type)?.refused.size ?? 0) > 0;
  }

  /** Name to version of what it runs. */
  running(type: string): ReadonlyMap<string, string> {
    return this.#types.get(type)?.running ?? new Map<string, string>();
  }

  disconnected(): void {
    this.connected = false;
    this.sinceMs = this.#clock.wallMs();
  }

  receipt(): ProxyReceipt {
    const types = [...this.#types].map(([type, record]) => typeReceipt(type, record));
    const { connected, sinceMs, fault, excessHosts } = this;
    return {
      ...this.introduction, connected, sinceMs, fault, types, ...(excessHosts > 0 && { excessHosts }),
    };
  }

  #forget(record: TypeRecord, name: string): void {
    record.running.delete(name);
    record.refused.delete(name);
  }

  #type(type: string): TypeRecord {
    let record = this.#types.get(type);
    if (record === undefined) {
      record = new TypeRecord();
      this.#types.set(type, record);
    }
    return record;
  }
}

function typeReceipt(type: string, record: TypeRecord): TypeReceipt {
  const { sent, acked, pending, reason, nackedMs, running, refused } = record;
  return {
    type: SERVICE_WORDS.get(type) ?? type,
    resources: running.size,
    sent,
    acked,
    pending,
    nack: refused.size === 0 ? undefined : { atMs: nackedMs, reason },
    refused: [...refused.values()],
    ...(type === VIRTUAL_HOST_TYPE && { hosts: [...running.keys()].toSorted() }),
  };
}

/** Proxies that are gone are remembered, so that their last refusal can still be read. */
const GONE_MAX = 1000;

/** The last connection of every proxy, by node id. */
export class Receipts {
  readonly #clock: Clock;
  readonly #records = new Map<string, ProxyRecord>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  connect(introduction: ProxyIntroduction): ProxyRecord {
    const record = new ProxyRecord(introduction, this.#clock);
    // Set again so that the newest stand last.
    this.#records.delete(introduction.id);
    this.#records.set(introduction.id, record);
    return record;
  }

  disconnect(record: ProxyRecord): void {
    record.disconnected();
    const gone = [...this.#records.values()].filter(({ connected }) => !connected);
    const tooMany = gone.slice(0, Math.max(0, gone.length - GONE_MAX));
    for (const { introduction } of tooMany) this.#records.delete(introduction.id);
  }

  get(id: string): ProxyRecord | undefined {
    return this.#records.get(id);
  }

  /** All of them, by id. */
  list(): ProxyReceipt[] {
    const receipts = [...this.#records.values()].map((record) => record.receipt());
    return receipts.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  }
}
