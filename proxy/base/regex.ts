// The only door to the regular expression engine: linear time, bounded size, whole texts, bytes as characters (S46).
import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';
import { ConfigError, messageOf } from './error.ts';
import type { LiteralTest } from './regex-literal.ts';
import { literalPrefix, literalTest } from './regex-literal.ts';
import { estimatedSize, regexTokens } from './regex-syntax.ts';

/** Loads the engine with the first pattern: many configurations have none. */
const require = createRequire(import.meta.url);

/** Characters of a pattern. */
export const REGEX_LENGTH_MAX = 1024;
/** Instructions of a compiled pattern; one match takes at most this times the text's length. */
export const REGEX_PROGRAM_MAX = 10_000;
/** Characters that a substitution may make of one text: as much as a request head may have. */
export const SUBSTITUTED_LENGTH_MAX = 61_440;

/** A compiled pattern. It matches the whole text or not at all, as Envoy's safe_regex does; `.` is one byte. */
export interface Regex {
  readonly source: string;
  /** Whether the engine runs for it: false when an equal, exact, prefix or suffix comparison says the same. */
  readonly usesEngine: boolean;
  /** What every matching text begins with; '' when that is not known. */
  readonly prefix: string;
  matches(text: string): boolean;
}

/** Compiles RE2 syntax. Throws ConfigError at `path` for bad syntax, a pattern over a limit, or beyond ASCII. */
export function compileRegex(source: string, path: string): Regex {
  const { engine, tokens } = compile(source, path);
  const literal = literalTest(tokens);
  const prefix = literalPrefix(tokens);
  return literal === undefined ? new EngineRegex(source, engine, prefix) : new LiteralRegex(source, literal, prefix);
}

function compile(source: string, path: string): { engine: RE2JS; tokens: ReturnType<typeof regexTokens> } {
  if (source === '') throw new ConfigError(path, 'a regular expression must not be empty');
  if (source.length > REGEX_LENGTH_MAX) {
    const limit = `${REGEX_LENGTH_MAX} is the limit`;
    throw new ConfigError(path, `the regular expression has ${source.length} characters, ${limit}`);
  }
  refuseNonAscii(source, path);
  const tokens = regexTokens(source);
  if (estimatedSize(tokens) > REGEX_PROGRAM_MAX) throw tooLarge(source, path);
  const engine = compileEngine(source, path);
  if (engine.programSize() > REGEX_PROGRAM_MAX) throw tooLarge(source, path);
  return { engine, tokens };
}

/** Texts are bytes: a character beyond ASCII would be one in the pattern and several in the text. */
function refuseNonAscii(source: string, path: string): void {
  for (let i = 0; i < source.length; i++) {
    if (source.charCodeAt(i) < 0x80) continue;
    const way = 'write it as its UTF-8 bytes, like \\xC3\\xA9';
    throw new ConfigError(path, `the regular expression has '${source[i]!}': ${way}`);
  }
}

function tooLarge(source: string, path: string): ConfigError {
  return new ConfigError(path, `the regular expression '${source}' is too large: lower its repeat counts`);
}

function compileEngine(source: string, path: string): RE2JS {
  const engine = require('re2js') as { readonly RE2JS: typeof RE2JS };
  try {
    return engine.RE2JS.compile(source);
  } catch (cause) {
    throw new ConfigError(path, `the regular expression '${source}' is not valid RE2: ${messageOf(cause)}`);
  }
}

class LiteralRegex implements Regex {
  readonly source: string;
  readonly usesEngine = false;
  readonly prefix: string;
  readonly #test: LiteralTest;

  constructor(source: string, test: LiteralTest, prefix: string) {
    this.source = source;
    this.prefix = prefix;
    this.#test = test;
  }

  matches(text: string): boolean {
    return this.#test(text);
  }
}

class EngineRegex implements Regex {
  readonly source: string;
  readonly usesEngine = true;
  readonly prefix: string;
  readonly #engine: RE2JS;

  constructor(source: string, engine: RE2JS, prefix: string) {
    this.source = source;
    this.prefix = prefix;
    this.#engine = engine;
  }

  matches(text: string): boolean {
    return text.startsWith(this.prefix) && this.#engine.testExact(text);
  }
}

/** Envoy's RegexMatchAndSubstitute: every part of a text that matches is replaced. */
export interface RegexSubstitution {
  /** The text with its replacements, or as it was where they would make it longer than SUBSTITUTED_LENGTH_MAX. */
  replaceAll(text: string): string;
}

/** A piece of a substitution: text, or the number of a group. */
type Piece = string | number;

/** Compiles a pattern and a substitution with `\0` to `\9` for groups and `\\` for a backslash. Throws ConfigError. */
export function compileSubstitution(source: string, substitution: string, path: string): RegexSubstitution {
  const { engine } = compile(source, `${path}.pattern.regex`);
  const pieces = parsePieces(substitution, engine.groupCount(), `${path}.substitution`);
  return new Substitution(engine, pieces);
}

function parsePieces(substitution: string, groups: number, path: string): Piece[] {
  const pieces: Piece[] = [];
  let text = '';
  for (let i = 0; i < substitution.length; i++) {
    if (substitution[i] !== '\\') {
      text += substitution[i]!;
      continue;
    }
    const next = substitution[++i] ?? '';
    if (next === '\\') text += '\\';
    else pieces.push(text, groupNumber(next, groups, path));
    if (next !== '\\') text = '';
  }
  return [...pieces, text].filter((piece) => piece !== '');
}

function groupNumber(digit: string, groups: number, path: string): number {
  const group = digit >= '0' && digit <= '9' ? Number(digit) : -1;
  if (group === -1) {
    throw new ConfigError(path, `'\\${digit}' is neither a group (\\0 to \\9) nor an escaped backslash (\\\\)`);
  }
  if (group > groups) throw new ConfigError(path, `'\\${group}' is used, but the pattern has ${groups} groups`);
  return group;
}

class Substitution implements RegexSubstitution {
  readonly #engine: RE2JS;
  readonly #pieces: readonly Piece[];

  constructor(engine: RE2JS, pieces: readonly Piece[]) {
    this.#engine = engine;
    this.#pieces = pieces;
  }

  replaceAll(text: string): string {
    const matcher = this.#engine.matcher(text);
    let out = '';
    let at = 0;
    let lastEnd = -1;
    while (at <= text.length && matcher.find(at)) {
      const [start, end] = [matcher.start(), matcher.end()];
      out += text.slice(at, start);
      at = end;
      // RE2's GlobalReplace allows no empty match where the last one ended: one character passes as it is.
      if (start === end && start === lastEnd) {
        out += text.slice(at, at + 1);
        at++;
        continue;
      }
      for (const piece of this.#pieces) out += typeof piece === 'string' ? piece : (matcher.group(piece) ?? '');
      if (out.length > SUBSTITUTED_LENGTH_MAX) return text;
      lastEnd = end;
    }
    return out + text.slice(at);
  }
}
