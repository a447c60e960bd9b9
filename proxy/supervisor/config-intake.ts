// The one way by which configuration gets into force: to every worker first, then into the store;
// refusals come back by name.
import { bindFailureText } from '../base/node-error.ts';
import type { Clock } from '../base/clock.ts';
import { joinHostPort } from '../base/host-port.ts';
import type { Cluster } from '../config/cluster.ts';
import type { Listener } from '../config/listener.ts';
import type { AuditService } from './audit-service.ts';
import type { ConfigStore, StoredResource } from './config-store.ts';
import type { DnsResolver } from './dns.ts';
import type { Applied, Refusal, ResourceKind } from './messages.ts';
import { probePort } from './port-probe.ts';
import type { WorkerPool } from './worker-pool.ts';

/** A decoded resource with its version ('' for static ones). */
export interface IncomingResource {
  readonly name: string;
  readonly resource: unknown;
  readonly version: string;
}

export interface IntakeChange {
  readonly kind: ResourceKind;
  readonly updated: readonly IncomingResource[];
  readonly removed: readonly string[];
  readonly origin: 'static' | 'dynamic';
}

export class ConfigIntake {
  readonly #pool: WorkerPool;
  readonly #store: ConfigStore;
  readonly #dns: DnsResolver;
  readonly #clock: Clock;
  readonly #audit: AuditService | undefined;

  readonly #inherited: ReadonlyMap<string, unknown>;

  /** `inherited`: addresses at which this process listens already, on sockets of the one before it. */
  constructor(
    pool: WorkerPool, store: ConfigStore, dns: DnsResolver, clock: Clock, audit?: AuditService,
    inherited: ReadonlyMap<string, unknown> = new Map(),
  ) {
    this.#inherited = inherited;
    this.#audit = audit;
    this.#pool = pool;
    this.#store = store;
    this.#dns = dns;
    this.#clock = clock;
  }

  /** Never rejects for what a resource holds: that comes back as its refusal, and its old state stays. */
  async apply(change: IntakeChange): Promise<readonly Refusal[]> {
    const refused: Refusal[] = [];
    const candidates: StoredResource[] = [];
    for (const resource of change.updated) {
      const prepared = await this.#prepare(change, resource);
      if ('reason' in prepared) refused.push(prepared);
      else candidates.push(prepared);
    }
    const removed = change.removed.filter((name) => this.#mayRemove(change, name));
    const batch = { kind: change.kind, updated: candidates, removed };
    const applied = await this.#pool.apply(batch, (outcome) => this.#commit(change.kind, candidates, removed, outcome));
    const all = [...refused, ...applied.refused];
    this.#audit?.onChange({ kind: change.kind, origin: change.origin, updated: candidates, removed, refused: all });
    return all;
  }

  /** Static resources are the file's: a management server neither changes nor removes them. */
  #mayRemove({ kind, origin }: IntakeChange, name: string): boolean {
    return origin === 'static' || this.#store.get(kind, name)?.origin !== 'static';
  }

  async #prepare(
    { kind, origin }: IntakeChange, { name, resource, version }: IncomingResource,
  ): Promise<StoredResource | Refusal> {
    if (origin === 'dynamic' && this.#store.get(kind, name)?.origin === 'static') {
      return { name, reason: `${kind} "${name}" is static in the bootstrap and cannot be changed` };
    }
    const stored = { name, resource, version, origin, updatedWallMs: this.#clock.wallMs() };
    if (kind === 'cluster') {
      const slot = this.#store.breakerSlot(name);
      return slot === undefined ? stored : { ...stored, breakerSlot: slot };
    }
    return kind === 'listener' ? this.#withPort(stored) : stored;
  }

  /**
   * A port of the system's choice must be the same for every worker, and a taken one must be told before it is shared.
   */
  async #withPort(stored: StoredResource): Promise<StoredResource | Refusal> {
    const listener = stored.resource as Listener;
    const address = listener.address.socketAddress;
    if (address === undefined || listener.bindToPort === false) return stored;
    const { address: host, portValue } = address;
    const before = (this.#store.get('listener', stored.name)?.resource as Listener | undefined)?.address.socketAddress;
    const same = before !== undefined && before.address === host && (portValue === 0 || before.portValue === portValue);
    if (this.#inherited.has(joinHostPort(host, portValue))) return stored;
    if (same) return { ...stored, resource: withPort(listener, before.portValue ?? 0) };
    try {
      return { ...stored, resource: withPort(listener, await probePort(host, portValue)) };
    } catch (cause) {
      return {
        name: stored.name, reason: `listener "${stored.name}": ${host}:${portValue}: ${bindFailureText(cause)}`,
      };
    }
  }

  #commit(
    kind: ResourceKind, updated: readonly StoredResource[], removed: readonly string[], { refused }: Applied,
  ): void {
    const bad = new Set(refused.map(({ name }) => name));
    for (const resource of updated) {
      if (bad.has(resource.name)) continue;
      this.#store.put(kind, resource);
      if (kind === 'cluster') this.#dns.watch(resource.resource as Cluster);
    }
    for (const name of removed) {
      this.#store.remove(kind, name);
      if (kind === 'cluster') this.#dns.forget(name);
    }
  }
}

function withPort(listener: Listener, portValue: number): Listener {
  return { ...listener, address: { socketAddress: { ...listener.address.socketAddress!, portValue } } };
}
