// Issuances as records of an audit log: what cannot be recorded is not issued (S60).
import type { AuditLog } from '../proxy/base/audit-log.ts';
import type { IssuanceRecord } from './ca.ts';
import type { CaStore } from './store.ts';

/** For the authority's `audit`. Throws when the log has no room. */
export function recordIssuances(log: AuditLog): (record: IssuanceRecord) => void {
  return ({ atMs, notAfterMs, ...facts }) => {
    const times = { at: new Date(atMs).toISOString(), notAfter: new Date(notAfterMs).toISOString() };
    if (!log.append({ type: 'certificate', ...facts, ...times })) {
      throw new Error('the audit log finds no room, and without its record no certificate is issued');
    }
  };
}

/** For the service's `onRefusal`. Both are bounded: strangers choose them. */
export function recordRefusal(log: AuditLog, caller: string, reason: string): void {
  log.append({ type: 'certificate-refused', caller: caller.slice(0, 256), reason: reason.slice(0, 512) });
}

/** Which roots are trusted from now on, and which certificate signs. */
export function recordRoots(log: AuditLog, { roots, certificate, trustDomain }: CaStore): void {
  const short = (fingerprint: string): string => fingerprint.replaceAll(':', '').toLowerCase();
  log.append({
    type: 'roots', trustDomain, trusted: roots.map(({ fingerprint256 }) => short(fingerprint256)),
    signs: short(certificate.fingerprint256),
  });
}
