// Patterns that are literals in disguise, so that the engine runs only for those that need it.
import type { RegexToken } from './regex-syntax.ts';

/** Matches whole texts without the engine, exactly as the pattern would. */
export type LiteralTest = (text: string) => boolean;

/** A test that stands for the whole pattern (`abc`, `abc.*`, `.+abc`, `(a|b|c)`); undefined when it takes an engine. */
export function literalTest(tokens: readonly RegexToken[]): LiteralTest | undefined {
  if (tokens.some((token) => token.kind === 'flags')) return undefined;
  const plain = withoutPlainGroups(tokens);
  return plain.some((token) => token.kind === 'or') ? oneOf(plain) : affix(unanchored(plain));
}

/** Characters that every match starts with; '' when there is no such thing. */
export function literalPrefix(tokens: readonly RegexToken[]): string {
  const plain = withoutPlainGroups(tokens);
  if (plain.some((token) => token.kind === 'flags') || hasTopLevelOr(plain)) return '';
  let prefix = '';
  for (const token of unanchored(plain)) {
    if (token.kind === 'repeat' && token.min === 0) return prefix.slice(0, -1);
    if (token.kind !== 'literal') break;
    prefix += token.text;
  }
  return prefix;
}

/** Groups that are neither repeated nor alternations change nothing in what a pattern matches. */
function withoutPlainGroups(tokens: readonly RegexToken[]): RegexToken[] {
  const dropped = new Set<number>();
  const open: { at: number; choice: boolean }[] = [];
  tokens.forEach((token, at) => {
    if (token.kind === 'open') open.push({ at, choice: false });
    const group = open.at(-1);
    if (token.kind === 'or' && group !== undefined) group.choice = true;
    if (token.kind !== 'close' || group === undefined) return;
    open.pop();
    if (!group.choice && tokens[at + 1]?.kind !== 'repeat') dropped.add(group.at).add(at);
  });
  return tokens.filter((_, at) => !dropped.has(at));
}

function hasTopLevelOr(tokens: readonly RegexToken[]): boolean {
  let depth = 0;
  for (const token of tokens) {
    if (token.kind === 'open') depth++;
    else if (token.kind === 'close') depth--;
    else if (token.kind === 'or' && depth === 0) return true;
  }
  return false;
}

/** Whole texts are matched, so that anchors at the ends say nothing new. */
function unanchored(tokens: readonly RegexToken[]): readonly RegexToken[] {
  const start = isAssert(tokens[0], '^', '\\A') ? 1 : 0;
  const end = tokens.length > start && isAssert(tokens.at(-1), '$', '\\z') ? tokens.length - 1 : tokens.length;
  return tokens.slice(start, end);
}

function isAssert(token: RegexToken | undefined, text: string, other: string): boolean {
  return token?.kind === 'assert' && (token.text === text || token.text === other);
}

/** Alternatives that are all literal, bare or in one group. */
function oneOf(tokens: readonly RegexToken[]): LiteralTest | undefined {
  const whole = unanchored(tokens);
  const grouped = whole[0]?.kind === 'open' && whole.at(-1)?.kind === 'close';
  const texts = new Set<string>();
  for (const alternative of split(grouped ? whole.slice(1, -1) : tokens)) {
    const text = literalText(unanchored(alternative));
    if (text === undefined) return undefined;
    texts.add(text);
  }
  return (text) => texts.has(text);
}

function split(tokens: readonly RegexToken[]): RegexToken[][] {
  const alternatives: RegexToken[][] = [[]];
  for (const token of tokens) {
    if (token.kind === 'or') alternatives.push([]);
    else alternatives.at(-1)!.push(token);
  }
  return alternatives;
}

function literalText(tokens: readonly RegexToken[]): string | undefined {
  let text = '';
  for (const token of tokens) {
    if (token.kind !== 'literal') return undefined;
    text += token.text;
  }
  return text;
}

/** A literal with `.*` or `.+` before, after, or on both sides. The dot does not match a newline. */
function affix(tokens: readonly RegexToken[]): LiteralTest | undefined {
  const head = anythingAt(tokens, 0);
  const rest = head === undefined ? tokens : tokens.slice(2);
  const tail = anythingAt(rest, rest.length - 2);
  const literal = literalText(tail === undefined ? rest : rest.slice(0, -2));
  if (literal === undefined || literal.includes('\n')) return undefined;
  if (head === undefined && tail === undefined) return (text) => text === literal;
  const least = literal.length + (head ?? 0) + (tail ?? 0);
  if (head === undefined) return (text) => text.length >= least && text.startsWith(literal) && !text.includes('\n');
  if (tail === undefined) return (text) => text.length >= least && text.endsWith(literal) && !text.includes('\n');
  return (text) => {
    const at = text.indexOf(literal, head);
    return at >= head && at + literal.length + tail <= text.length && !text.includes('\n');
  };
}

/** The least number of characters of a `.*` or `.+` that stands here. */
function anythingAt(tokens: readonly RegexToken[], at: number): number | undefined {
  const repeat = tokens[at + 1];
  if (tokens[at]?.kind !== 'any' || repeat?.kind !== 'repeat') return undefined;
  return repeat.max === Infinity && repeat.min <= 1 ? repeat.min : undefined;
}
