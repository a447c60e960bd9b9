// AU-2, AU-3, AU-9, AU-10: what is recorded, what a record says, whether it can be changed, and who has signed it.
import { shortId } from './access-controls.ts';
import { missingLines, type AuditFacts } from './audit-facts.ts';
import type { Observation } from './observe.ts';
import { statement, verdictOf, type Control, type Figure, type Statement } from './statement.ts';

export function auditControls(observation: Observation): Control[] {
  return [
    { id: 'AU-2', title: 'Event Logging', statements: events(observation) },
    { id: 'AU-3', title: 'Content of Audit Records', statements: content(observation) },
    { id: 'AU-9', title: 'Protection of Audit Information', statements: protection(observation) },
    { id: 'AU-10', title: 'Non-repudiation', statements: signatures(observation) },
  ];
}

function events({ audits, withoutAudit, proxies }: Observation): Statement[] {
  const types = new Map<string, number>();
  for (const audit of audits) for (const [type, count] of audit.types) types.set(type, (types.get(type) ?? 0) + count);
  const dropped = proxies.flatMap(({ id, url, stats }) => {
    const value = stats.get('audit.records_dropped');
    return value === undefined ? [] : [{ name: `dropped at ${shortId(id)}`, value, source: `${url}/stats` }];
  });
  const lost = dropped.filter(({ value }) => value > 0);
  return [
    statement(verdictOf(audits.length + withoutAudit.length, withoutAudit.length), withoutAudit.length === 0
      ? `The control plane and all ${proxies.length} proxies that answered keep an audit log.`
      : `${withoutAudit.length} keep no audit log: ${withoutAudit.map(shortId).join(', ')}.`,
      audits.map(({ owner, folder, report }) => ({ name: `lines of ${shortId(owner)}`, value: report?.lines ?? '?',
        source: folder }))),
    statement(types.size === 0 ? 'unknown' : 'holds', `Recorded were: ${[...types].sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([type, count]) => `${type} ${count}`).join(', ') || 'nothing that could be read'}.`,
      [...types].map(([name, value]) => ({ name, value, source: 'weft audit show' }))),
    statement(verdictOf(dropped.length, lost.length), lost.length === 0 ? 'No record found its log full.'
      : `${lost.reduce((sum, { value }) => sum + value, 0)} records found their log full; the logs say so.`, dropped),
  ];
}

function content({ audits }: Observation): Statement[] {
  const read = audits.filter((audit) => audit.unreadable === undefined && audit.report?.problems.length === 0);
  const doubtful = audits.filter((audit) => !read.includes(audit));
  const decisions = read.reduce((sum, { types }) => sum + (types.get('decision') ?? 0), 0);
  const complete = read.reduce((sum, one) => sum + one.complete, 0);
  const add = (field: 'denied' | 'audited' | 'wouldDeny'): number => read.reduce((sum, one) => sum + one[field], 0);
  const figures: Figure[] = read.map(({ owner, folder, types }) =>
    ({ name: `decisions of ${shortId(owner)}`, value: types.get('decision') ?? 0, source: folder }));
  return [
    statement(verdictOf(decisions, decisions - complete), decisions === 0
      ? 'No decision was recorded yet: nobody was turned away or marked.'
      : `${complete} of ${decisions} records of decisions say who, to what, by which filter, when, and by which `
        + 'configuration (its digest).', figures),
    statement(decisions === 0 ? 'unknown' : 'holds',
      `They stand for ${add('denied')} denials, ${add('audited')} audited and ${add('wouldDeny')} that a dry run would `
      + 'deny.', figures),
    ...(doubtful.length === 0 ? [] : [statement('unknown',
      `What the logs of ${doubtful.map(({ owner }) => shortId(owner)).join(', ')} say is left out: they could not be `
      + 'read, or are not as they were written.')]),
  ];
}

function protection({ audits }: Observation): Statement[] {
  if (audits.length === 0) return [statement('unknown', 'There is no audit log to protect.')];
  return audits.map((audit) => {
    const { owner, folder, unreadable, report, keyMode } = audit;
    if (unreadable !== undefined) {
      return statement('unknown', `The log of ${shortId(owner)} could not be read: ${unreadable}.`);
    }
    const missing = missingLines(audit);
    const problems = report?.problems.length ?? 0;
    const isPrivate = keyMode === '0600' || keyMode === '0400';
    return statement(problems + missing === 0 && isPrivate ? 'holds' : 'fails', `The log of ${shortId(owner)}: ${
      problems === 0 ? 'no line was altered, removed, moved or added' : `${problems} faults, the first: ${
        report?.problems[0]?.reason ?? ''} (line ${report?.problems[0]?.line ?? 0})`}${missing === 0 ? ''
      : `; the last ${missing} lines that the process has written are not there`}; its key has mode ${keyMode ?? '?'}.`,
      figuresOf(audit, folder));
  });
}

function figuresOf({ report, liveSequence, keyMode }: AuditFacts, folder: string): Figure[] {
  return [
    { name: 'lines checked', value: report?.lines ?? 0, source: `weft audit verify ${folder}` },
    { name: 'problems', value: report?.problems.length ?? 0, source: `weft audit verify ${folder}` },
    { name: 'audit.sequence of the running process', value: liveSequence, source: 'admin /stats, or /api/status' },
    { name: 'mode of the key', value: keyMode ?? '?', source: `${folder}/audit-key.pem` },
  ];
}

function signatures({ audits }: Observation): Statement[] {
  const read = audits.filter(({ key }) => key !== undefined);
  return [
    statement(read.length === 0 ? 'unknown' : 'holds',
      `${read.length} logs are signed with ECDSA P-256, each with a key of its own.`,
      read.map(({ owner, key = '', folder }) => ({ name: `key of ${shortId(owner)}`, value: key, source: folder }))),
    statement('unknown', 'Whoever holds a log\'s key can write another log: whether the keys above are the right ones '
      + 'is known by those who have noted them elsewhere.'),
  ];
}
