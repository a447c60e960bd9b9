// What can be told of an RE2 pattern by reading it: its tokens, and about how large its program will be.

/**
 * A token. `literal` is one character that matches itself; `atom` matches one character in another way; `assert`
 * matches none (`^` and `$` have their text); `repeat` has its bounds.
 */
export type RegexToken =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'any' | 'atom' | 'open' | 'close' | 'or' | 'flags' }
  | { readonly kind: 'assert'; readonly text: string }
  | { readonly kind: 'repeat'; readonly min: number; readonly max: number };

const PUNCTUATION = /[!-/:-@[-`{-~]/;
const COUNTED = /\{([0-9]{1,4})(?:(,)([0-9]{0,4}))?\}/y;
const OPENING = /\((?:\?(?:P?<[^>]*>|([a-zA-Z-]*)([:)])))?/y;
const ESCAPED = /\\(?:[pP](?:\{[^}]*\}|.)|x(?:\{[^}]*\}|..)|[0-7]{1,3}|.)/sy;
const CLASS = /\[\^?\]?(?:\[:\^?[a-z]*:\]|\\[pP]\{[^}]*\}|\\x\{[^}]*\}|\\.|[^\]\\])*\]/sy;

/** Splits a pattern that the engine has accepted or will judge: what is malformed may come out as anything. */
export function regexTokens(source: string): RegexToken[] {
  const tokens: RegexToken[] = [];
  for (let at = 0; at < source.length;) at = readToken(source, at, tokens);
  return tokens;
}

function readToken(source: string, at: number, tokens: RegexToken[]): number {
  const char = source[at]!;
  if (char === '\\') return readEscape(source, at, tokens);
  if (char === '[') return push(tokens, { kind: 'atom' }, endOf(CLASS, source, at));
  if (char === '(') return readOpening(source, at, tokens);
  if (char === '{') return readCount(source, at, tokens);
  if (char === ')') return push(tokens, { kind: 'close' }, at + 1);
  if (char === '|') return push(tokens, { kind: 'or' }, at + 1);
  if (char === '.') return push(tokens, { kind: 'any' }, at + 1);
  if (char === '^' || char === '$') return push(tokens, { kind: 'assert', text: char }, at + 1);
  if (char === '*') return push(tokens, { kind: 'repeat', min: 0, max: Infinity }, afterLazy(source, at + 1));
  if (char === '+') return push(tokens, { kind: 'repeat', min: 1, max: Infinity }, afterLazy(source, at + 1));
  if (char === '?') return push(tokens, { kind: 'repeat', min: 0, max: 1 }, afterLazy(source, at + 1));
  return push(tokens, { kind: 'literal', text: char }, at + 1);
}

function push(tokens: RegexToken[], token: RegexToken, next: number): number {
  tokens.push(token);
  return next;
}

/** Lazy repeats match the same whole texts. */
function afterLazy(source: string, at: number): number {
  return source[at] === '?' ? at + 1 : at;
}

function endOf(form: RegExp, source: string, at: number): number {
  form.lastIndex = at;
  return form.test(source) ? form.lastIndex : source.length;
}

function readEscape(source: string, at: number, tokens: RegexToken[]): number {
  const char = source[at + 1] ?? '';
  if (char === 'Q') return readQuoted(source, at + 2, tokens);
  if (PUNCTUATION.test(char)) return push(tokens, { kind: 'literal', text: char }, at + 2);
  if ('AzbB'.includes(char)) return push(tokens, { kind: 'assert', text: `\\${char}` }, at + 2);
  return push(tokens, { kind: 'atom' }, endOf(ESCAPED, source, at));
}

function readQuoted(source: string, at: number, tokens: RegexToken[]): number {
  const end = source.indexOf('\\E', at);
  for (const char of source.slice(at, end === -1 ? source.length : end)) tokens.push({ kind: 'literal', text: char });
  return end === -1 ? source.length : end + 2;
}

function readOpening(source: string, at: number, tokens: RegexToken[]): number {
  OPENING.lastIndex = at;
  const match = OPENING.exec(source);
  if (match === null) return push(tokens, { kind: 'open' }, at + 1);
  const [text, flags = '', end] = match;
  if (flags !== '') tokens.push({ kind: 'flags' });
  if (end !== ')') tokens.push({ kind: 'open' });
  return at + text.length;
}

function readCount(source: string, at: number, tokens: RegexToken[]): number {
  COUNTED.lastIndex = at;
  const match = COUNTED.exec(source);
  if (match === null) return push(tokens, { kind: 'literal', text: '{' }, at + 1);
  const min = Number(match[1]);
  const max = match[2] === undefined ? min : match[3] === '' ? Infinity : Number(match[3]);
  return push(tokens, { kind: 'repeat', min, max }, afterLazy(source, COUNTED.lastIndex));
}

/** About as many instructions as the engine will make of it; asked first, since compiling a huge one is slow itself. */
export function estimatedSize(tokens: readonly RegexToken[]): number {
  const groups: number[] = [];
  let sum = 1;
  let last = 0;
  for (const token of tokens) {
    if (token.kind === 'open') {
      groups.push(sum);
      sum = 0;
      last = 0;
    } else if (token.kind === 'close') {
      last = sum + 1;
      sum = (groups.pop() ?? 0) + last;
    } else if (token.kind === 'repeat') {
      const times = Number.isFinite(token.max) ? token.max : token.min + 1;
      sum += last * (times - 1);
      last *= times;
    } else {
      last = 1;
      sum++;
    }
  }
  return groups.reduce((total, outer) => total + outer, sum);
}
