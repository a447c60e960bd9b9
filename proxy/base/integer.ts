// Integers as they stand in messages: digits only, and never more than a double holds exactly (S97).

/** What the parsers return for anything that is not such a number. */
export const NOT_A_NUMBER = -1;

const DIGITS_MAX = 16;
const ZERO = 0x30;

/**
 * A decimal number of 1*DIGIT without sign, space or leading zero, up to 2^53-1; otherwise NOT_A_NUMBER. Unlike
 * Number() it takes neither '' nor '0x10' nor '1e3'.
 */
export function parseDecimal(text: string): number {
  const length = text.length;
  if (length === 0 || length > DIGITS_MAX) return NOT_A_NUMBER;
  if (length > 1 && text.charCodeAt(0) === ZERO) return NOT_A_NUMBER;
  let value = 0;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (digit < 0 || digit > 9) return NOT_A_NUMBER;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : NOT_A_NUMBER;
}
