// What two processes say to each other when one takes over from the other (faults.md F18): JSON, a line each,
// descriptors beside the lines that announce them.
import type { StatKind, StatName } from '../telemetry/stats.ts';

/** A new number when words change their meaning: processes that do not agree on it do not begin. */
export const RESTART_VERSION = 1;

/** The bytes of a line; those with counters are the longest. */
export const RESTART_LINE_BYTES_MAX = 16 * 1_048_576;

/** The taker's first word, and `taken` when it serves. */
export type TakerWord =
  | { readonly say: 'hello'; readonly version: number; readonly node: string }
  | { readonly say: 'taken' };

/** What one stat has counted, in the order of its slots; `scope` when it is of a block. */
export interface Tally {
  readonly kind: StatKind;
  readonly name: StatName;
  readonly inBlock: boolean;
  readonly values: readonly number[];
}

export type GiverWord =
  | { readonly say: 'hello'; readonly version: number; readonly epoch: number; readonly pid: number }
  /** `count` descriptors come with this line, of sockets that listen at `address`. */
  | { readonly say: 'socket'; readonly address: string; readonly count: number }
  /** All sockets were given. */
  | { readonly say: 'all' }
  | { readonly say: 'counted'; readonly tallies: readonly Tally[] }
  | { readonly say: 'refused'; readonly reason: string };

export function lineOf(word: TakerWord | GiverWord): string {
  return `${JSON.stringify(word)}\n`;
}

/** Lines out of pieces of text; undefined in place of one that is no JSON, or too long. */
export class LineReader<Word> {
  #text = '';

  *lines(chunk: string): Generator<Word | undefined> {
    this.#text += chunk;
    for (let end = this.#text.indexOf('\n'); end !== -1; end = this.#text.indexOf('\n')) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 1);
      yield parsed<Word>(line);
    }
    if (this.#text.length <= RESTART_LINE_BYTES_MAX) return;
    this.#text = '';
    yield undefined;
  }
}

function parsed<Word>(line: string): Word | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'say' in value ? value as Word : undefined;
  } catch {
    return undefined;
  }
}
