// The log for people: lines on stderr with a level for each component, as Envoy's --log-level and /logging have them.
import { writeSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { systemClock } from '../base/clock.ts';
import { ConfigError } from '../base/error.ts';
import { lineText } from './line-text.ts';

/** Least urgent first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A component's way to the log. Lines are Unicode text and hold no secret; control characters are escaped. */
export interface ComponentLog {
  trace(line: string): void;
  debug(line: string): void;
  info(line: string): void;
  warning(line: string): void;
  error(line: string): void;
  critical(line: string): void;
  /** For lines that cost something to make. */
  enabled(level: LogLevel): boolean;
}

/** Takes one line of latin1 text with its line break; false when it could not. */
export type WriteLine = (line: string) => boolean;

/** Lines per second and thread that are written below `error`; what is more is counted and said once. */
const LINES_PER_SECOND = 100;
const BURST = 500;

/** The level that a word names (`warn` as well as `warning`), or undefined. */
export function parseLogLevel(word: string): LogLevel | undefined {
  const name = word === 'warn' ? 'warning' : word;
  return LOG_LEVELS.find((level) => level === name);
}

/**
 * One a thread, writing by itself and at once: lines keep their order and time, and the last ones before a crash are
 * not lost on their way through another thread. A rate limit bounds what that can cost.
 */
export class Logger {
  readonly #clock: Clock;
  readonly #write: WriteLine;
  readonly #components = new Map<string, Component>();
  #level: number;
  #allowance = BURST;
  #refilledMs: number;
  #suppressed = 0;

  /** Throws ConfigError for an unknown level. */
  constructor(level: string, clock: Clock = systemClock, write: WriteLine = writeStderr) {
    this.#clock = clock;
    this.#write = write;
    this.#level = levelIndex(level);
    this.#refilledMs = clock.nowMs();
  }

  /** The component of this name; the same one for the same name. */
  component(name: string): ComponentLog {
    let component = this.#components.get(name);
    if (component === undefined) {
      component = new Component(name, this, this.#level);
      this.#components.set(name, component);
    }
    return component;
  }

  /** For one component, or for all there are and will be. Throws ConfigError for an unknown level or component. */
  setLevel(level: string, component?: string): void {
    const index = levelIndex(level);
    if (component === undefined) {
      this.#level = index;
      for (const each of this.#components.values()) each.level = index;
      return;
    }
    const found = this.#components.get(component);
    if (found === undefined) {
      const known = [...this.#components.keys()].join(', ');
      throw new ConfigError('paths', `unknown component '${component}'; known: ${known}`);
    }
    found.level = index;
  }

  /** Each component's level, by name. */
  levels(): ReadonlyMap<string, LogLevel> {
    const sorted = [...this.#components].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return new Map(sorted.map(([name, { level }]) => [name, LOG_LEVELS[level]!]));
  }

  /** For components only. */
  log(level: number, component: string, text: string): void {
    if (level < ERROR && !this.#mayWrite()) {
      this.#suppressed++;
      return;
    }
    if (this.#suppressed > 0) this.#line(LOG_LEVELS.indexOf('warning'), 'log', this.#takeSuppressed());
    this.#line(level, component, text);
  }

  #line(level: number, component: string, text: string): void {
    const time = new Date(this.#clock.wallMs()).toISOString();
    const line = `[${time}][${LOG_LEVELS[level]!}][${component}] ${lineText(text, 'config')}\n`;
    if (!this.#write(line)) this.#suppressed++;
  }

  #takeSuppressed(): string {
    const count = this.#suppressed;
    this.#suppressed = 0;
    return `${count} lines were left out: too many at once`;
  }

  #mayWrite(): boolean {
    const now = this.#clock.nowMs();
    this.#allowance = Math.min(BURST, this.#allowance + ((now - this.#refilledMs) * LINES_PER_SECOND) / 1000);
    this.#refilledMs = now;
    if (this.#allowance < 1) return false;
    this.#allowance--;
    return true;
  }
}

const ERROR = LOG_LEVELS.indexOf('error');

class Component implements ComponentLog {
  readonly #name: string;
  readonly #logger: Logger;
  level: number;

  constructor(name: string, logger: Logger, level: number) {
    this.#name = name;
    this.#logger = logger;
    this.level = level;
  }

  enabled(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= this.level;
  }

  trace(line: string): void {
    this.#log(0, line);
  }

  debug(line: string): void {
    this.#log(1, line);
  }

  info(line: string): void {
    this.#log(2, line);
  }

  warning(line: string): void {
    this.#log(3, line);
  }

  error(line: string): void {
    this.#log(ERROR, line);
  }

  critical(line: string): void {
    this.#log(5, line);
  }

  #log(level: number, line: string): void {
    if (level >= this.level) this.#logger.log(level, this.#name, line);
  }
}

function levelIndex(word: string): number {
  const level = parseLogLevel(word);
  if (level === undefined) throw new ConfigError('log level', `'${word}' is none of ${LOG_LEVELS.join(', ')}`);
  return LOG_LEVELS.indexOf(level);
}

const STDERR = 2;

/** A pipe that nobody empties must not end the thread: the line is lost. */
function writeStderr(line: string): boolean {
  try {
    writeSync(STDERR, line, null, 'latin1');
    return true;
  } catch {
    return false;
  }
}
