// One value of a request held against its description: the simple types of JSON Schema.
import { wireText } from '../base/ascii.ts';
import { ConfigError } from '../base/error.ts';
import { compileRegex } from '../base/regex.ts';
import type { Regex } from '../base/regex.ts';
import type { OpenApiValue } from '../config/openapi.ts';

/** Digits that a number has at most: no request makes us convert a longer one. */
const NUMBER_LENGTH_MAX = 64;

export class ValueCheck {
  readonly #config: OpenApiValue;
  readonly #values: ReadonlySet<string> | undefined;
  readonly #pattern: Regex | undefined;

  /** Throws ConfigError below `path`. */
  constructor(config: OpenApiValue, path: string) {
    this.#config = config;
    const { values = [], pattern, minimum, maximum } = config;
    this.#values = values.length === 0 ? undefined : new Set(values);
    this.#pattern = pattern === undefined ? undefined : compileRegex(`(?s:.*)(?:${pattern})(?s:.*)`, `${path}.pattern`);
    if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
      throw new ConfigError(`${path}.minimum`, 'is greater than maximum: no value fits');
    }
  }

  /** What is wrong, in words that show nothing of the value; undefined where it fits. */
  fault(text: string): string | undefined {
    const { type = 'ANY' } = this.#config;
    if (type === 'BOOLEAN' && text !== 'true' && text !== 'false') return 'must be true or false';
    if (type === 'INTEGER' && !isInteger(text)) return 'must be an integer';
    if (type === 'NUMBER' && !isNumber(text)) return 'must be a number';
    if (this.#values !== undefined && !this.#values.has(text)) return 'is none of the values that it may have';
    return type === 'INTEGER' || type === 'NUMBER' ? this.#rangeFault(Number(text)) : this.#textFault(text);
  }

  #rangeFault(number: number): string | undefined {
    const { minimum, maximum } = this.#config;
    if (minimum !== undefined && number < minimum) return `must be at least ${minimum}`;
    return maximum !== undefined && number > maximum ? `must be at most ${maximum}` : undefined;
  }

  #textFault(text: string): string | undefined {
    const { minLength = 0, maxLength } = this.#config;
    if (minLength > 0 || maxLength !== undefined) {
      const length = characters(text);
      if (length < minLength) return `must have at least ${minLength} characters`;
      if (maxLength !== undefined && length > maxLength) return `must have at most ${maxLength} characters`;
    }
    return this.#pattern?.matches(wireText(text)) === false ? 'does not have the form that it must have' : undefined;
  }
}

/** One beyond the first 65,536 is two of a string's. */
function characters(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) !== 0xdc00) count++;
  return count;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isInteger(text: string): boolean {
  const start = text.startsWith('-') ? 1 : 0;
  if (text.length === start || text.length > NUMBER_LENGTH_MAX) return false;
  for (let i = start; i < text.length; i++) if (!isDigit(text.charCodeAt(i))) return false;
  return true;
}

/** JSON's numbers: digits, maybe a fraction, maybe an exponent, and nothing that overflows. */
function isNumber(text: string): boolean {
  if (text.length === 0 || text.length > NUMBER_LENGTH_MAX) return false;
  for (let i = 0; i < text.length; i++) {
    if (!isDigit(text.charCodeAt(i)) && !'+-.eE'.includes(text[i]!)) return false;
  }
  const isWhole = isDigit(text.charCodeAt(text.startsWith('-') ? 1 : 0)) && isDigit(text.charCodeAt(text.length - 1));
  return isWhole && Number.isFinite(Number(text));
}
