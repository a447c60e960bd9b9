// A proxy's audit log: what its workers decided, what configuration it took or refused, which secrets came.
import { AuditLog } from '../base/audit-log.ts';
import type { Json } from '../base/canonical-json.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/error.ts';
import type { DecisionRecord } from '../telemetry/decision-record.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import { statName, type StatScope } from '../telemetry/stat-name.ts';
import type { Gauge, Stats } from '../telemetry/stats.ts';
import { ConfigDigests } from './config-digest.ts';
import type { NamedResource, NodeIdentity, Refusal, ResourceKind } from './messages.ts';

/** What was put in force, or refused. */
export interface AppliedChange {
  readonly kind: ResourceKind;
  readonly origin: 'static' | 'dynamic';
  readonly updated: readonly (NamedResource & { readonly version: string })[];
  readonly removed: readonly string[];
  readonly refused: readonly Refusal[];
}

export interface AuditServiceOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: ComponentLog;
  readonly stats: Stats;
  readonly node: NodeIdentity;
}

/** `audit.sequence` is the number of the latest line: to be compared with the file's. */
const scope: StatScope = { flat: 'audit.', family: 'weft_audit_', labels: [] };
/** Resources of one record; a larger change has several. */
const NAMES_MAX = 20;
const REASON_MAX = 512;

export class AuditService {
  readonly #log: AuditLog;
  readonly #digests = new ConfigDigests();
  readonly #sequence: Gauge;
  readonly #written: Gauge;
  readonly #dropped: Gauge;
  readonly #failures: Gauge;
  #turn: Promise<void> = Promise.resolve();

  /** Throws when the folder cannot be used. */
  constructor({ folder, clock, log, stats, node }: AuditServiceOptions) {
    const gauge = (name: string): Gauge => stats.gauge(statName(scope, name));
    this.#sequence = gauge('sequence');
    this.#written = gauge('records_written');
    this.#dropped = gauge('records_dropped');
    this.#failures = gauge('write_failures');
    this.#log = AuditLog.open({
      folder, clock,
      onFault: (reason) => log.error(`audit log in ${folder}: ${reason}`),
      onWritten: () => this.#count(),
    });
    this.#log.append({ type: 'proxy', node: node.id, cluster: node.cluster });
  }

  onDecisions(records: readonly DecisionRecord[], dropped: number): void {
    for (const { wallMs, ...record } of records) {
      const digest = this.#digests.of('listener', record.listener);
      this.#log.append({
        type: 'decision', ...record, at: new Date(wallMs).toISOString(),
        ...(digest !== undefined && { policyDigest: digest }),
      });
    }
    if (dropped > 0) this.#log.append({ type: 'dropped', what: 'decisions of too many kinds', count: dropped });
    this.#count();
  }

  /** In the order in which they came into force. */
  onChange(change: AppliedChange): void {
    this.#turn = this.#turn.then(() => this.#record(change)).catch((cause: unknown) => {
      this.#log.append({ type: 'config', kind: change.kind, unwritable: messageOf(cause) });
    });
  }

  /** What a management server sent, as a whole: taken, or refused with reasons. */
  onAnswer(type: string, version: string, refused: readonly Refusal[]): void {
    this.#log.append({
      type: 'xds', resources: type, version, outcome: refused.length === 0 ? 'applied' : 'refused',
      ...(refused.length > 0 && { refused: refusalsOf(refused) }),
    });
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#log.close();
  }

  async #record({ kind, origin, updated, removed, refused }: AppliedChange): Promise<void> {
    const bad = new Set(refused.map(({ name }) => name));
    const taken = updated.filter(({ name }) => !bad.has(name));
    const digested = await this.#digests.update(kind, taken);
    const gone = removed.map((name) => ({ name, before: this.#digests.forget(kind, name) }));
    const versions = new Map(taken.map(({ name, version }) => [name, version]));
    const all = [...digested.map((one) => ({ ...one, version: versions.get(one.name) ?? '' })), ...gone];
    // Most of what is pushed again is what was there: that is no change.
    const changed = all.filter((one) => !('after' in one) || one.after !== one.before);
    for (let at = 0; at < changed.length; at += NAMES_MAX) {
      const resources = changed.slice(at, at + NAMES_MAX) as unknown as Json;
      this.#log.append({ type: 'config', kind, from: origin === 'dynamic' ? 'xds' : 'file or agent', resources });
    }
    if (refused.length > 0) {
      this.#log.append({ type: 'config', kind, outcome: 'refused', refused: refusalsOf(refused) });
    }
    this.#count();
  }

  #count(): void {
    const { written, dropped, writeFailures } = this.#log.counts;
    this.#sequence.set(this.#log.seq);
    this.#written.set(written);
    this.#dropped.set(dropped);
    this.#failures.set(writeFailures);
  }
}

function refusalsOf(refused: readonly Refusal[]): Json {
  return refused.slice(0, NAMES_MAX).map(({ name, reason }) => ({ name, reason: reason.slice(0, REASON_MAX) }));
}
