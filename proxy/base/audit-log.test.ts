// The audit log and those who tamper with it: whatever is changed is found; what it loses itself it says.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { chmodSync, cpSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { temporaryFolder } from '../../test/harness/openssl.ts';
import { until } from '../../test/harness/until.ts';
import { checkAudit } from './audit-folder.ts';
import { AUDIT_FILE, auditFiles, AuditLog, HEAD_FILE, type AuditLogOptions } from './audit-log.ts';
import type { AuditRecord } from './audit-line.ts';
import { canonicalJson } from './canonical-json.ts';
import { systemClock } from './clock.ts';

function openLog(folder: string, more: Partial<AuditLogOptions> = {}): AuditLog {
  return AuditLog.open({ folder, clock: systemClock, onFault: () => undefined, ...more });
}

/** A closed log of some records, written at several times. */
async function written(t: TestContext, records = 12, more: Partial<AuditLogOptions> = {}): Promise<string> {
  const folder = join(temporaryFolder(t), 'log');
  const log = openLog(folder, more);
  for (let i = 0; i < records; i++) {
    log.append({ type: 'decision', who: `spiffe://td/ns/a/sa/${i % 3}`, path: `/ü\n"${i}`, count: i });
    if (i % 5 === 4) await until('a write', () => log.counts.written >= i);
  }
  await log.close();
  return folder;
}

function problems(folder: string): string[] {
  return checkAudit([folder]).problems.map(({ line, reason }) => `${line} ${reason}`);
}

test('what is written is found whole, in order, with nothing to say against it', async (t) => {
  const folder = await written(t);
  const seen: AuditRecord[] = [];
  const report = checkAudit([folder], { onRecord: (record) => seen.push(record) });
  assert.deepEqual([report.problems, report.notes, report.lines], [[], [], 14]);
  assert.deepEqual(seen.map(({ seq }) => seq), Array.from({ length: 14 }, (_, i) => i + 1));
  assert.deepEqual([seen[0]?.type, seen[3]?.['path'], seen[13]?.type], ['opened', '/ü\n"2', 'closed']);
  assert.ok(seen.filter(({ sig }) => sig !== undefined).length < 14, 'a signature for each write, not for each line');
});

test('any byte that is changed is found', async (t) => {
  const folder = await written(t);
  const file = join(folder, AUDIT_FILE);
  const bytes = readFileSync(file);
  fc.assert(fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
    const changed = Buffer.from(bytes);
    changed[at]! ^= bits;
    writeFileSync(file, changed);
    assert.notDeepEqual(problems(folder), [], `byte ${at} of ${bytes.length}`);
  }), { numRuns: 1000 });
});

test('any line that is dropped, doubled, moved or brought from elsewhere is found', async (t) => {
  const folder = await written(t);
  const stranger = readFileSync(join(await written(t), AUDIT_FILE), 'utf8').split('\n');
  const file = join(folder, AUDIT_FILE);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const index = fc.nat(lines.length - 1);
  const edits = fc.oneof(
    fc.record({ edit: fc.constant('drop'), at: index, to: index }),
    fc.record({ edit: fc.constant('double'), at: index, to: index }),
    fc.record({ edit: fc.constant('swap'), at: index, to: index }).filter(({ at, to }) => at !== to),
    fc.record({ edit: fc.constant('insert'), at: index, to: index }),
    fc.record({ edit: fc.constant('cut'), at: index, to: index }),
  );
  fc.assert(fc.property(edits, ({ edit, at, to }) => {
    const changed = [...lines];
    if (edit === 'drop') changed.splice(at, 1);
    if (edit === 'double') changed.splice(to, 0, lines[at]!);
    if (edit === 'swap') [changed[at], changed[to]] = [lines[to]!, lines[at]!];
    if (edit === 'insert') changed.splice(at, 0, stranger[to]!);
    if (edit === 'cut') changed.length = at;
    writeFileSync(file, changed.map((line) => `${line}\n`).join(''));
    assert.notDeepEqual(problems(folder), [], `${edit} ${at} ${to}`);
  }), { numRuns: 1000 });
});

test('the line and what is wrong with it are said', async (t) => {
  const folder = await written(t);
  const file = join(folder, AUDIT_FILE);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const say = (changed: readonly string[]): string[] => {
    writeFileSync(file, changed.map((line) => `${line}\n`).join(''));
    return problems(folder);
  };
  assert.deepEqual(say(lines.map((line) => line.replace('"count":3', '"count":4'))),
    ['6 does not follow from the line before it: one of the two was altered (line 6 of the log)']);
  assert.deepEqual(say(lines.toSpliced(3, 2)), ['4 lines 4 to 5 of the log are missing before it']);
  assert.deepEqual(say(lines.slice(0, -3)).at(-1),
    '11 lines 12 to 14 of the log are missing at its end: its head names them');
  assert.deepEqual(say(lines.toSpliced(3, 0, lines[2]!)),
    ['4 is out of place or there twice: it is line 3 after 3']);
});

test('a log that somebody else has signed is not the log of its key', async (t) => {
  const [own, other] = [await written(t), await written(t)];
  const { key } = checkAudit([own]);
  assert.deepEqual(checkAudit([other]).problems, []);
  assert.match(checkAudit([other], { key }).problems[0]?.reason ?? '', /another key|not of the log's key/);
});

test('without its head nobody can tell that nothing was cut off', async (t) => {
  const folder = await written(t);
  rmSync(join(folder, HEAD_FILE));
  assert.match(problems(folder)[0] ?? '', /has no audit\.head beside it/);
});

test('files rotate, and the chain goes on; those that are deleted are named', async (t) => {
  const folder = await written(t, 40, { fileBytesMax: 1000, filesMax: 2 });
  const files = auditFiles(folder);
  assert.equal(files.length, 3);
  const { problems: found, notes } = checkAudit([folder]);
  assert.deepEqual(found, []);
  assert.match(notes.map(({ reason }) => reason).join(), /older files were deleted: audit-0/);
  rmSync(join(folder, files[1]!));
  assert.match(problems(folder).join(), /lines \d+ to \d+ of the log are missing before it/);
});

test('an oldest file that nobody has said to be deleted is missed', async (t) => {
  const folder = await written(t, 40, { fileBytesMax: 1000 });
  rmSync(join(folder, auditFiles(folder)[0]!));
  assert.match(problems(folder).join(), /lines 1 to \d+ of the log are missing before it/);
});

test('a writer goes on where it ended, and says when that was not in order', async (t) => {
  const folder = await written(t, 3);
  await openLog(folder).close();
  assert.deepEqual([problems(folder), checkAudit([folder]).lines], [[], 7]);
  const crashed = openLog(folder);
  crashed.append({ type: 'decision' });
  await until('a write', () => crashed.counts.written === 2);
  writeFileSync(join(folder, AUDIT_FILE), '{"half', { flag: 'a' });
  const log = openLog(folder);
  await log.close();
  const report = checkAudit([folder]);
  assert.deepEqual([report.problems, report.lines], [[], 11]);
  assert.deepEqual(report.notes.map(({ reason }) => reason),
    ['the writer had ended while it wrote: 6 bytes were cut off']);
});

test('lines that were cut off while no writer ran stay missing when it goes on', async (t) => {
  const folder = await written(t);
  const file = join(folder, AUDIT_FILE);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  truncateSync(file, Buffer.byteLength(`${lines.slice(0, 6).join('\n')}\n`));
  await openLog(folder).close();
  assert.match(problems(folder).join('\n'), /lines 7 to 14 of the log are missing[^]*says that lines 7 to 14 were/);
});

test('S89 what finds no room is dropped, and the chain says how much', async (t) => {
  const folder = join(temporaryFolder(t), 'log');
  const log = openLog(folder, { pendingMax: 10 });
  for (let i = 0; i < 30; i++) log.append({ type: 'decision', i });
  assert.equal(log.counts.dropped, 21);
  await log.close();
  assert.deepEqual(problems(folder), []);
  assert.match(checkAudit([folder]).notes[0]?.reason ?? '', /^\d+ records found no room and were dropped$/);
});

/** The disk takes `room` bytes at first, and all after `failures` more writes. */
function fullDisk(t: TestContext, room: number, failures: number): void {
  const write = fs.write;
  let [left, refusals] = [room, failures];
  t.mock.method(fs, 'write', (fd: number, bytes: Buffer, from: number, length: number, at: null, done: Done) => {
    if (left > 0) {
      const some = Math.min(left, length);
      left -= some;
      write(fd, bytes, from, some, at, done);
    } else if (refusals-- > 0) setImmediate(done, Object.assign(new Error('no space left'), { code: 'ENOSPC' }), 0);
    else write(fd, bytes, from, length, at, done);
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
}

type Done = (error: NodeJS.ErrnoException | null, bytes: number) => void;

test('S89 a full disk holds nobody up: lines go on where they stopped, and the chain is whole', async (t) => {
  const folder = join(temporaryFolder(t), 'log');
  const faults: string[] = [];
  const log = openLog(folder, { pendingMax: 100, onFault: (reason) => faults.push(reason) });
  fullDisk(t, 500, 1);
  for (let i = 0; i < 300; i++) log.append({ type: 'decision', i });
  await until('a failure', () => log.counts.writeFailures === 1);
  assert.equal(log.append({ type: 'decision' }), true, 'there is room again while the batch waits');
  await until('writing', () => faults.length === 2);
  await log.close();
  assert.deepEqual(faults, ['cannot be written: no space left', 'writing goes on']);
  assert.deepEqual(problems(folder), []);
  assert.ok(log.counts.dropped > 150);
});

test('S88 whatever a record says, it is one line', async (t) => {
  const folder = join(temporaryFolder(t), 'log');
  const log = openLog(folder);
  const odd = ['\n', '\u2028', '\ud800', '"}\n{"seq":9', '\u0000', '\u007f\u009b31m', 'ü€😀\ufffd'];
  for (const text of odd) log.append({ type: 'decision', text, [text]: [text] });
  log.append({ type: 'long', text: 'x'.repeat(100_000) });
  log.append({ type: 'endless', number: Number.POSITIVE_INFINITY });
  await log.close();
  const seen: AuditRecord[] = [];
  assert.deepEqual(checkAudit([folder], { onRecord: (record) => seen.push(record) }).problems, []);
  assert.deepEqual(seen.slice(1, -3).map(({ text }) => text), odd);
  assert.deepEqual(seen.slice(-3, -1).map(({ type, unwritable }) => [type, unwritable]),
    [['long', true], ['endless', true]]);
});

test('S99 the key is its owner\'s alone, and is never in what is written', async (t) => {
  const folder = await written(t);
  const path = join(folder, 'audit-key.pem');
  assert.deepEqual([statSync(path).mode & 0o777, statSync(folder).mode & 0o777], [0o600, 0o700]);
  assert.equal(statSync(join(folder, AUDIT_FILE)).mode & 0o777, 0o600);
  const pem = readFileSync(path, 'utf8').split('\n')[1]!;
  assert.ok(!readFileSync(join(folder, AUDIT_FILE), 'utf8').includes(pem.slice(0, 20)));
  chmodSync(path, 0o644);
  assert.throws(() => openLog(folder), /is open to other users \(mode 0644\); run: chmod 600/);
});

test('two processes do not write one log; what a dead one left is taken over', async (t) => {
  const folder = join(temporaryFolder(t), 'log');
  const open = `import { AuditLog } from ${JSON.stringify(new URL('audit-log.ts', import.meta.url).href)};
    import { systemClock } from ${JSON.stringify(new URL('clock.ts', import.meta.url).href)};
    AuditLog.open({ folder: ${JSON.stringify(folder)}, clock: systemClock, onFault: () => undefined });
    process.stdout.write('open');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', open], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  assert.throws(() => openLog(folder), new RegExp(`is written by process ${child.pid} already`));
  child.kill('SIGKILL');
  await once(child, 'close');
  await openLog(folder).close();
  assert.deepEqual(problems(folder), []);
  writeFileSync(join(folder, 'audit.lock'), `${process.pid} 1`);
  await openLog(folder).close();
  assert.ok(!fs.existsSync(join(folder, 'audit.lock')));
});

test('a head of another time is found', async (t) => {
  const folder = await written(t, 3);
  const copy = join(temporaryFolder(t), 'copy');
  cpSync(folder, copy, { recursive: true });
  await openLog(copy).close();
  cpSync(join(copy, HEAD_FILE), join(folder, HEAD_FILE));
  assert.match(problems(folder).join(), /lines 6 to 7 of the log are missing at its end/);
});

test('canonical JSON sorts members and leaves out what is undefined', () => {
  assert.equal(canonicalJson({ b: [1, { d: null, c: undefined }], a: '€' }), '{"a":"€","b":[1,{"d":null}]}');
  assert.throws(() => canonicalJson(Number.NaN), RangeError);
});
