// The audit logs that proxies and control plane say they keep: whether each is what was written, and what is in it.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditReport } from '../../proxy/base/audit-check.ts';
import { checkAudit } from '../../proxy/base/audit-folder.ts';
import { keyId, type AuditRecord } from '../../proxy/base/audit-line.ts';
import { messageOf } from '../../proxy/base/error.ts';

export interface AuditFacts {
  /** Whose it is. */
  readonly owner: string;
  readonly folder: string;
  /** Number of the latest line, in the word of the process itself, asked before the file was read. */
  readonly liveSequence: number;
  /** Why it could not be read; then there is nothing else. */
  readonly unreadable?: string;
  readonly report?: AuditReport;
  readonly key?: string;
  /** 0600 of the key, as octal text. */
  readonly keyMode?: string;
  readonly types: ReadonlyMap<string, number>;
  /** Decisions, each with its count. */
  readonly denied: number;
  readonly audited: number;
  readonly wouldDeny: number;
  /** Decision records that say who, what, where, when and by which configuration. */
  readonly complete: number;
  readonly certificates: number;
  readonly keyKinds: ReadonlySet<string>;
}

class Tally {
  readonly types = new Map<string, number>();
  readonly outcomes = new Map<string, number>();
  readonly keyKinds = new Set<string>();
  complete = 0;

  add(record: AuditRecord): void {
    const { type, outcome, count, key, filter, policyDigest } = record;
    this.types.set(type, (this.types.get(type) ?? 0) + 1);
    if (type === 'certificate' && typeof key === 'string') this.keyKinds.add(key);
    if (type !== 'decision' || typeof outcome !== 'string') return;
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + (typeof count === 'number' ? count : 1));
    const facts = [record['identity'] ?? record['ip'], record['destination'], record['at'], filter, policyDigest];
    if (facts.every((fact) => typeof fact === 'string' && fact !== '')) this.complete++;
  }
}

export function auditFacts(owner: string, folder: string, liveSequence: number): AuditFacts {
  const tally = new Tally();
  const place = { owner, folder, liveSequence };
  const none = { ...place, types: tally.types, keyKinds: tally.keyKinds };
  const zero = { denied: 0, audited: 0, wouldDeny: 0, complete: 0, certificates: 0 };
  try {
    const report = checkAudit([folder], { onRecord: (record) => tally.add(record) });
    const mode = statSync(join(folder, 'audit-key.pem')).mode & 0o777;
    return {
      ...none, report,
      ...(report.key !== undefined && { key: keyId(report.key) }),
      keyMode: `0${mode.toString(8)}`,
      denied: tally.outcomes.get('denied') ?? 0,
      audited: tally.outcomes.get('audited') ?? 0,
      wouldDeny: tally.outcomes.get('would-deny') ?? 0,
      complete: tally.complete,
      certificates: tally.types.get('certificate') ?? 0,
    };
  } catch (cause) {
    return { ...none, ...zero, unreadable: messageOf(cause) };
  }
}

/** Lines that the process says it has written and that are not there. */
export function missingLines({ report, liveSequence }: AuditFacts): number {
  return Math.max(0, liveSequence - (report?.last?.seq ?? 0));
}
