// Access logs: order, rotation, filters, and what happens when a file takes no bytes.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { sampleStream } from '../../test/harness/stream-sample.ts';
import { systemClock } from '../base/clock.ts';
import { ConfigError } from '../base/error.ts';
import { SeededRandom } from '../base/random.ts';
import { TimerWheel } from '../base/timers.ts';
import type { AccessLog, AccessLogFilter } from '../config/access-log.ts';
import { compileLogFilter } from './access-log-filter.ts';
import { AccessLogFiles, compileAccessLogs } from './access-log.ts';
import { BUFFER_BYTES_MAX, LineFile } from './line-file.ts';
import type { LineSource } from './line-file.ts';
import { flagBit } from './response-flag.ts';
import { serverScope, statName } from './stat-name.ts';
import { Stats } from './stats.ts';

const FILE_LOG = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';

const random = new SeededRandom(7);

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'weft-log-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function newStats(): Stats {
  return new Stats({ chunk: () => {}, register: () => {} });
}

function logTo(path: string, textFormat: string): AccessLog[] {
  const logFormat = { textFormatSource: { inlineString: textFormat } };
  return [{ name: 'a', typedConfig: { '@type': FILE_LOG, path, logFormat } }];
}

function closed(files: AccessLogFiles): Promise<void> {
  return new Promise((resolve) => files.close(resolve));
}

test('lines of several connection managers reach one file, in order', async (t) => {
  const path = join(folder(t), 'access.log');
  const files = new AccessLogFiles(new TimerWheel(systemClock), newStats());
  const first = compileAccessLogs(logTo(path, 'a %RESPONSE_CODE%\n'), { files, random, type: 'DownstreamEnd' })!;
  const second = compileAccessLogs(logTo(path, 'b %RESPONSE_CODE%\n'), { files, random, type: 'DownstreamEnd' })!;
  first.write(sampleStream());
  second.write(sampleStream());
  first.write(sampleStream());
  await closed(files);
  assert.equal(readFileSync(path, 'utf8'), 'a 200\nb 200\na 200\n');
});

test('no access log configured compiles to nothing; a file that cannot be opened is an error with its field', (t) => {
  const files = new AccessLogFiles(new TimerWheel(systemClock), newStats());
  assert.equal(compileAccessLogs([], { files, random, type: 'DownstreamEnd' }), undefined);
  const missing = join(folder(t), 'no', 'such', 'folder');
  const deps = { files, random, type: 'DownstreamEnd' } as const;
  assert.throws(() => compileAccessLogs(logTo(missing, 'x'), deps), (error: unknown) => {
    assert.ok(error instanceof ConfigError);
    return error.path === 'accessLog[0].typedConfig.path' && error.reason.includes('ENOENT');
  });
});

/** A line file whose batches' ends can be waited for. */
class Counts {
  lines = 0;
  failures = 0;

  dropped(lines: number): void {
    this.lines += lines;
  }

  writeFailed(): void {
    this.failures++;
  }
}

/** A line as it is. */
const TEXT: LineSource<string> = { writeTo: (line, text) => line.latin1(text) };

function done(file: LineFile): Promise<void> {
  return new Promise((resolve) => file.close(resolve));
}

test('F13 a log that is rotated away is opened again on request', async (t) => {
  const path = join(folder(t), 'access.log');
  const file = new LineFile(path, { timers: new TimerWheel(systemClock), counts: new Counts(), flushMs: 1000 });
  file.write(TEXT, 'old\n');
  renameSync(path, `${path}.1`);
  file.reopen();
  file.write(TEXT, 'new\n');
  await done(file);
  assert.equal(readFileSync(`${path}.1`, 'utf8') + readFileSync(path, 'utf8'), 'old\nnew\n');
});

const linux = { skip: process.platform === 'linux' ? false : 'there is no /dev/full' };

test('F13 S89 a file that takes no bytes costs lines and counters, never the writer', linux, async () => {
  const counts = new Counts();
  const file = new LineFile('/dev/full', { timers: new TimerWheel(systemClock), counts, flushMs: 1000 });
  const line = `${'x'.repeat(1023)}\n`;
  for (let i = 0; i < 64; i++) file.write(TEXT, line);
  assert.equal(counts.lines, 0);
  // The first batch is under way: what comes now waits up to the limit, and no further.
  for (let i = 0; i < BUFFER_BYTES_MAX / line.length + 10; i++) file.write(TEXT, line);
  assert.equal(counts.lines, 10);
  assert.ok(file.bufferedBytes <= BUFFER_BYTES_MAX);
  await done(file);
  assert.ok(counts.failures > 0);
  assert.equal(counts.lines, 64 + BUFFER_BYTES_MAX / line.length + 10);
});

test('a batch leaves when it is full, without being asked', async (t) => {
  const path = join(folder(t), 'access.log');
  const file = new LineFile(path, { timers: new TimerWheel(systemClock), counts: new Counts(), flushMs: 3_600_000 });
  file.write(TEXT, `${'x'.repeat(65_536)}\n`);
  while (readFileSync(path).length < 65_537) await turn();
  await done(file);
});

test('counters of dropped lines exist under their names', () => {
  const stats = newStats();
  new AccessLogFiles(new TimerWheel(systemClock), stats).dropped(3);
  assert.equal(stats.counter(statName(serverScope, 'access_log_dropped')).value, 3);
});

test('filters: status, duration, flags, headers, share, gRPC status, type, tracing, and, or', () => {
  const logs = (filter: AccessLogFilter, info = sampleStream()): boolean =>
    compileLogFilter(filter, { random, type: 'DownstreamEnd' }, 'filter')(info);
  const status = (op: 'EQ' | 'GE' | 'LE' | 'NE', value: number): AccessLogFilter => {
    return { statusCodeFilter: { comparison: { op, value: { defaultValue: value } } } };
  };
  const statuses = [status('EQ', 200), status('NE', 200), status('GE', 201), status('LE', 200)];
  assert.deepEqual(statuses.map((one) => logs(one)), [true, false, false, true]);
  assert.equal(logs({ durationFilter: { comparison: { op: 'GE', value: { defaultValue: 12 } } } }), true);
  assert.equal(logs({ durationFilter: { comparison: { op: 'GE', value: { defaultValue: 13 } } } }), false);
  const flagged = sampleStream();
  flagged.flags = flagBit('UF');
  assert.equal(logs({ responseFlagFilter: {} }), false);
  assert.equal(logs({ responseFlagFilter: {} }, flagged), true);
  assert.equal(logs({ responseFlagFilter: { flags: ['UH', 'UDO'] } }, flagged), false);
  assert.equal(logs({ responseFlagFilter: { flags: ['UH', 'UF'] } }, flagged), true);
  assert.equal(logs({ headerFilter: { header: { name: 'User-Agent', stringMatch: { prefix: 'curl' } } } }), true);
  const notGet = { name: ':method', stringMatch: { exact: 'GET' }, invertMatch: true };
  assert.equal(logs({ headerFilter: { header: notGet } }), false);
  assert.equal(logs({ headerFilter: { header: { name: 'nope', presentMatch: false } } }), true);
  assert.equal(logs({ headerFilter: { header: { name: 'nope', invertMatch: true } } }), true);
  assert.equal(logs({ runtimeFilter: { runtimeKey: 'k' } }), false);
  assert.equal(logs({ runtimeFilter: { runtimeKey: 'k', percentSampled: { numerator: 100 } } }), true);
  assert.equal(logs({ andFilter: { filters: [status('EQ', 200), status('EQ', 201)] } }), false);
  assert.equal(logs({ orFilter: { filters: [status('EQ', 200), status('EQ', 201)] } }), true);
  const unavailable: AccessLogFilter = { grpcStatusFilter: { statuses: ['UNAVAILABLE'] } };
  const failed = sampleStream();
  failed.status = 503;
  assert.deepEqual([logs(unavailable), logs(unavailable, failed)], [false, true]);
  const traced = sampleStream();
  traced.sampled = true;
  assert.deepEqual([logs({ traceableFilter: {} }), logs({ traceableFilter: {} }, traced)], [false, true]);
  const types = (type: 'DownstreamEnd' | 'TcpConnectionEnd', exclude: boolean): boolean =>
    logs({ logTypeFilter: { types: [type], exclude } });
  assert.deepEqual([types('DownstreamEnd', false), types('DownstreamEnd', true)], [true, false]);
  assert.deepEqual([types('TcpConnectionEnd', false), types('TcpConnectionEnd', true)], [false, true]);
  const probe = sampleStream();
  probe.healthCheck = true;
  assert.deepEqual([logs({ notHealthCheckFilter: {} }), logs({ notHealthCheckFilter: {} }, probe)], [true, false]);
});
