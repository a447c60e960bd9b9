// strftime patterns of %START_TIME(...)%, compiled once; only what is finer than a second is made per call.
import { ConfigError } from '../base/error.ts';

/** Formats Unix milliseconds (UTC). */
export interface TimeFormat {
  format(wallMs: number): string;
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January', 'February', 'March', 'April', 'May', 'June',
  'July', 'August', 'September', 'October', 'November', 'December',
];

const two = (value: number): string => String(value).padStart(2, '0');
const hour12 = (date: Date): number => date.getUTCHours() % 12 || 12;
const dayOfYear = (date: Date): number =>
  Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
const isoDate = (date: Date): string =>
  `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
const clock = (date: Date): string =>
  `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;

/** Conversions of whole seconds. */
const SECONDS: ReadonlyMap<string, (date: Date) => string> = new Map([
  ['Y', (date: Date) => String(date.getUTCFullYear())],
  ['y', (date: Date) => two(date.getUTCFullYear() % 100)],
  ['m', (date: Date) => two(date.getUTCMonth() + 1)],
  ['d', (date: Date) => two(date.getUTCDate())],
  ['e', (date: Date) => String(date.getUTCDate()).padStart(2, ' ')],
  ['j', (date: Date) => String(dayOfYear(date)).padStart(3, '0')],
  ['H', (date: Date) => two(date.getUTCHours())],
  ['I', (date: Date) => two(hour12(date))],
  ['M', (date: Date) => two(date.getUTCMinutes())],
  ['S', (date: Date) => two(date.getUTCSeconds())],
  ['p', (date: Date) => (date.getUTCHours() < 12 ? 'AM' : 'PM')],
  ['a', (date: Date) => DAYS[date.getUTCDay()]!.slice(0, 3)],
  ['A', (date: Date) => DAYS[date.getUTCDay()]!],
  ['b', (date: Date) => MONTHS[date.getUTCMonth()]!.slice(0, 3)],
  ['h', (date: Date) => MONTHS[date.getUTCMonth()]!.slice(0, 3)],
  ['B', (date: Date) => MONTHS[date.getUTCMonth()]!],
  ['u', (date: Date) => String(date.getUTCDay() || 7)],
  ['w', (date: Date) => String(date.getUTCDay())],
  ['F', isoDate],
  ['T', clock],
  ['R', (date: Date) => `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`],
  ['D', (date: Date) => `${two(date.getUTCMonth() + 1)}/${two(date.getUTCDate())}/${two(date.getUTCFullYear() % 100)}`],
  ['s', (date: Date) => String(Math.floor(date.getTime() / 1000))],
  ['z', () => '+0000'],
  ['Z', () => 'UTC'],
  ['n', () => '\n'],
  ['t', () => '\t'],
  ['%', () => '%'],
]);

/** A pattern's piece: literal text, a conversion of whole seconds, or a number of digits of the second's fraction. */
type Piece = string | number | ((date: Date) => string);

/** `''` gives Envoy's default, ISO 8601 with milliseconds. Throws ConfigError on an unknown conversion. */
export function compileTimeFormat(pattern: string, path = ''): TimeFormat {
  return new SecondCachingFormat(pattern === '' ? ['', isoDate, 'T', clock, '.', 3, 'Z'] : parse(pattern, path));
}

/** Most lines fall into the second of the line before: its texts are kept. */
class SecondCachingFormat implements TimeFormat {
  readonly #pieces: readonly Piece[];
  readonly #texts: string[];
  #second = Number.NaN;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = joinLiterals(pieces);
    this.#texts = new Array<string>(this.#pieces.length).fill('');
  }

  format(wallMs: number): string {
    const second = Math.floor(wallMs / 1000);
    if (second !== this.#second) this.#fill(second);
    let text = '';
    for (let i = 0; i < this.#pieces.length; i++) {
      const piece = this.#pieces[i]!;
      text += typeof piece === 'number' ? fraction(wallMs - second * 1000, piece) : this.#texts[i]!;
    }
    return text;
  }

  #fill(second: number): void {
    this.#second = second;
    const date = new Date(second * 1000);
    for (let i = 0; i < this.#pieces.length; i++) {
      const piece = this.#pieces[i]!;
      if (typeof piece !== 'number') this.#texts[i] = typeof piece === 'string' ? piece : piece(date);
    }
  }
}

/** Neighbouring pieces that change only once a second become one. */
function joinLiterals(pieces: readonly Piece[]): Piece[] {
  const joined: Piece[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (typeof piece === 'number' || last === undefined || typeof last === 'number') joined.push(piece);
    else joined[joined.length - 1] = (date) => text(last, date) + text(piece, date);
  }
  return joined;
}

function text(piece: string | ((date: Date) => string), date: Date): string {
  return typeof piece === 'string' ? piece : piece(date);
}

/** `ms` in [0, 1000) as the first `digits` digits after the point. */
function fraction(ms: number, digits: number): string {
  const nanoseconds = String(Math.floor(ms * 1e6)).padStart(9, '0');
  return nanoseconds.slice(0, digits);
}

function parse(pattern: string, path: string): Piece[] {
  const pieces: Piece[] = [];
  let start = 0;
  for (let i = pattern.indexOf('%'); i !== -1; i = pattern.indexOf('%', start)) {
    if (i > start) pieces.push(pattern.slice(start, i));
    const digit = pattern.charCodeAt(i + 1) - 0x30;
    if (digit >= 1 && digit <= 9 && pattern[i + 2] === 'f') {
      pieces.push(digit);
      start = i + 3;
      continue;
    }
    pieces.push(conversion(pattern[i + 1], path));
    start = i + 2;
  }
  if (start < pattern.length) pieces.push(pattern.slice(start));
  return pieces;
}

function conversion(letter: string | undefined, path: string): Piece {
  if (letter === 'f') return 9;
  const convert = letter === undefined ? undefined : SECONDS.get(letter);
  if (convert === undefined) throw new ConfigError(path, `time conversion %${letter ?? ''} is not supported`);
  return convert;
}
