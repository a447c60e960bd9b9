// Access logs of one connection manager or TCP proxy: which requests, in which format, to which of the worker's files.
import { ConfigError, messageOf } from '../base/error.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { AccessLog } from '../config/access-log.ts';
import type { SubstitutionFormatString } from '../config/substitution-format.ts';
import type { LogFilterDeps, LogTest } from './access-log-filter.ts';
import { compileLogFilter } from './access-log-filter.ts';
import type { CompiledFormat } from './formatter.ts';
import { ENVOY_DEFAULT_FORMAT, compileFormat } from './formatter.ts';
import type { LineFileCounts } from './line-file.ts';
import { LineFile } from './line-file.ts';
import { serverScope, statName } from './stat-name.ts';
import type { Counter, Stats } from './stats.ts';
import type { StreamInfo } from './stream-info.ts';
import { compileSubstitutionFormat } from './substitution-format.ts';

/** A line waits at most this long, or until 64 KiB of them are there. */
const FLUSH_MS = 1000;

interface Logger {
  readonly test: LogTest;
  readonly format: CompiledFormat;
  readonly file: LineFile;
}

/** The loggers of one connection manager. */
export class AccessLogs {
  readonly #loggers: readonly Logger[];

  constructor(loggers: readonly Logger[]) {
    this.#loggers = loggers;
  }

  /** Logs a finished request; never blocks, never throws. */
  write(info: StreamInfo): void {
    for (const { test, format, file } of this.#loggers) if (test(info)) file.write(format, info);
  }
}

export interface AccessLogDeps extends LogFilterDeps {
  readonly files: AccessLogFiles;
}

/** Undefined when nothing is logged. Throws ConfigError below `path`: unknown operator, file that cannot be opened. */
export function compileAccessLogs(
  configs: readonly AccessLog[] | undefined, deps: AccessLogDeps, path = 'accessLog',
): AccessLogs | undefined {
  if (configs === undefined || configs.length === 0) return undefined;
  return new AccessLogs(configs.map((config, i) => compileLogger(config, deps, `${path}[${i}]`)));
}

function compileLogger({ filter, typedConfig }: AccessLog, deps: AccessLogDeps, path: string): Logger {
  const below = `${path}.typedConfig`;
  return {
    test: compileLogFilter(filter, deps, `${path}.filter`),
    format: compileLineFormat(typedConfig.logFormat, `${below}.logFormat`),
    file: deps.files.open(filePath(typedConfig), `${below}.path`),
  };
}

function compileLineFormat(format: SubstitutionFormatString | undefined, path: string): CompiledFormat {
  return format === undefined ? compileFormat(ENVOY_DEFAULT_FORMAT) : compileSubstitutionFormat(format, path);
}

function filePath(config: AccessLog['typedConfig']): string {
  if ('path' in config) return config.path;
  return config['@type'].endsWith('.StderrAccessLog') ? '/dev/stderr' : '/dev/stdout';
}

/** The log files of one worker: one descriptor a path, shared by all who log there, kept while the worker lives. */
export class AccessLogFiles implements LineFileCounts {
  readonly #timers: TimerWheel;
  readonly #dropped: Counter;
  readonly #failed: Counter;
  readonly #files = new Map<string, LineFile>();

  /** Counts `server.access_log_dropped` (lines) and `server.access_log_write_failed` (batches). */
  constructor(timers: TimerWheel, stats: Stats) {
    this.#timers = timers;
    this.#dropped = stats.counter(statName(serverScope, 'access_log_dropped'));
    this.#failed = stats.counter(statName(serverScope, 'access_log_write_failed'));
  }

  /** Throws ConfigError at `fieldPath` when the file cannot be opened. */
  open(path: string, fieldPath: string): LineFile {
    let file = this.#files.get(path);
    if (file !== undefined) return file;
    try {
      file = new LineFile(path, { timers: this.#timers, counts: this, flushMs: FLUSH_MS });
    } catch (cause) {
      throw new ConfigError(fieldPath, `the log file cannot be opened: ${messageOf(cause)}`);
    }
    this.#files.set(path, file);
    return file;
  }

  dropped(lines: number): void {
    this.#dropped.add(lines);
  }

  writeFailed(): void {
    this.#failed.inc();
  }

  /** After log rotation. */
  reopen(): void {
    for (const file of this.#files.values()) file.reopen();
  }

  /** Writes what waits; `done` is called when all files are closed. */
  close(done: () => void): void {
    let open = this.#files.size;
    if (open === 0) done();
    const closed = (): void => {
      open--;
      if (open === 0) done();
    };
    for (const file of this.#files.values()) file.close(closed);
    this.#files.clear();
  }
}
