// `weft audit verify|show`: whether an audit log is what was written, and what stands in it.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { AuditProblem, AuditReport } from '../proxy/base/audit-check.ts';
import { checkAudit } from '../proxy/base/audit-folder.ts';
import { keyId, type AuditRecord } from '../proxy/base/audit-line.ts';
import { messageOf } from '../proxy/base/error.ts';
import { UsageError } from './usage.ts';

export const HELP = `usage: weft audit verify DIR|FILE... [--key FILE] [--json]
       weft audit show DIR|FILE... [--type TYPE] [--match TEXT] [--json]

verify  reads a log (its folder, or its files) and finds every line that was altered, removed, moved or added.
        Exit status: 0 nothing, 1 something, with file, line and what is wrong, 2 usage or a file that cannot be read.
show    prints its records, one a line, oldest first; it does not say whether they are genuine.

      --key FILE     public key (PEM) that must have signed; without it the log's own word is taken, and the key's
                     short name is printed: whoever can rewrite the whole log can do so with a key of his own
      --type TYPE    decision, config, certificate, opened, dropped ...
      --match TEXT   records whose JSON has this text
      --json         for machines

What cannot be known from the log alone: lines cut from its end together with an older head of the same log. Keep the
last number that was seen (it is in the admin statistic audit.sequence) and compare.
`;

const OPTIONS = {
  key: { type: 'string' },
  type: { type: 'string' },
  match: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>['values'];

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const [command, ...paths] = positionals;
  if (command !== 'verify' && command !== 'show') throw new UsageError('takes verify or show');
  if (paths.length === 0) throw new UsageError('DIR or FILE is missing');
  return command === 'verify' ? verify(paths, values) : show(paths, values);
}

/** A log that is being written may be met in the middle of a line: what is wrong must be so twice. */
async function verify(paths: readonly string[], values: Values): Promise<number> {
  const key = values.key === undefined ? undefined : publicKey(values.key);
  let report = read(paths, key);
  if (report.problems.length > 0) {
    await wait(300);
    report = read(paths, key);
  }
  process.stdout.write(values.json === true ? jsonText(report) : reportText(report, key !== undefined));
  return report.problems.length === 0 ? 0 : 1;
}

function read(paths: readonly string[], key: KeyObject | undefined): AuditReport {
  try {
    return checkAudit(paths, { key });
  } catch (cause) {
    throw new UsageError(messageOf(cause));
  }
}

function publicKey(path: string): KeyObject {
  try {
    return createPublicKey(readFileSync(path));
  } catch (cause) {
    throw new UsageError(`--key ${path}: ${messageOf(cause)}`);
  }
}

function reportText(report: AuditReport, isPinned: boolean): string {
  const { problems, notes, lines, first, last, key } = report;
  const signer = key === undefined ? 'nobody' : `key ${keyId(key)}${isPinned ? '' : ' (its own word: compare)'}`;
  const span = first === undefined || last === undefined ? ''
    : `, ${first.seq} to ${last.seq}, from ${first.time} to ${last.time}`;
  const sum = problems.length === 0 ? 'as they were written' : `${problems.length} wrong`;
  return [
    ...problems.map((problem) => `error: ${placed(problem)}\n`),
    ...notes.map((note) => `note: ${placed(note)}\n`),
    `${lines} lines${span}, signed by ${signer}: ${sum}\n`,
  ].join('');
}

function placed({ file, line, reason }: AuditProblem): string {
  return `${file}${line > 0 ? `:${line}` : ''}: ${reason}`;
}

function jsonText({ key, first, last, ...report }: AuditReport): string {
  const ends = { first: first?.seq, last: last?.seq, from: first?.time, to: last?.time };
  return `${JSON.stringify({ ...report, ...ends, key: key === undefined ? undefined : keyId(key) }, null, 2)}\n`;
}

function show(paths: readonly string[], { type, match, json }: Values): number {
  const print = (record: AuditRecord): void => {
    const text = JSON.stringify(record);
    if ((type !== undefined && record.type !== type) || (match !== undefined && !text.includes(match))) return;
    process.stdout.write(`${json === true ? text : recordText(record)}\n`);
  };
  try {
    checkAudit(paths, { onRecord: print });
  } catch (cause) {
    throw new UsageError(messageOf(cause));
  }
  return 0;
}

/** `12 2026-01-02T03:04:05.678Z decision outcome=denied …`; texts as JSON, so that nothing of them is a control. */
function recordText({ seq, time, type, prev: _prev, sig: _sig, ...fields }: AuditRecord): string {
  const told = Object.entries(fields).map(([name, value]) =>
    `${name}=${typeof value === 'string' && /^[-\w.:/@|[\]]+$/.test(value) ? value : JSON.stringify(value)}`);
  return [seq, time, type, ...told].join(' ');
}
