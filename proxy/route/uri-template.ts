// Paths matched and rewritten by URI template: compiled to a pattern of the linear-time engine (S46).
import { ConfigError } from '../base/error.ts';
import { compileRegex, compileSubstitution } from '../base/regex.ts';
import type { Regex, RegexSubstitution } from '../base/regex.ts';

/** Envoy's limits. */
const VARIABLES_MAX = 5;
const VARIABLE = /^[A-Za-z][A-Za-z0-9_]{0,15}$/;
/** RFC 3986's pchar, as part of a character class. In text * stands for others. */
const PATH_CHARS = 'a-zA-Z0-9\\-._~%!$&\'()+,;:@=*';
const TEXT = /^[a-zA-Z0-9\-._~%!$&'()+,;:@=]+/;
/** A rewrite may have * too, which stands for itself there. */
const REWRITE_TEXT = /^[a-zA-Z0-9\-._~%!$&'()+,;:@=*]*$/;
const PART = `[${PATH_CHARS}]+`;
const REST = `[${PATH_CHARS}/]*`;

/** One template; its variables are groups of the pattern, in the order in which they stand. */
export class UriTemplate {
  readonly regex: Regex;
  readonly #template: string;
  readonly #source: string;
  readonly #variables: readonly string[];

  /** Throws ConfigError at `path`. */
  constructor(template: string, path: string) {
    this.#template = template;
    const parser = new Parser(template, path);
    this.#source = parser.parse();
    this.#variables = parser.variables;
    this.regex = compileRegex(this.#source, path);
  }

  /** A path without query. */
  matches(path: string): boolean {
    return this.regex.matches(path);
  }

  toString(): string {
    return `template ${JSON.stringify(this.#template)}`;
  }

  /** Throws ConfigError at `path` for what is no path, or names a variable that the template doesn't have. */
  compileRewrite(rewrite: string, path: string): RegexSubstitution {
    if (!rewrite.startsWith('/')) throw new ConfigError(path, `'${rewrite}' must begin with /`);
    const substitution = rewrite.replaceAll(/\{([^}]*)\}|[^{]+|./gs, (part, name: string | undefined) => {
      if (name === undefined) return checkedText(part, rewrite, path);
      const at = this.#variables.indexOf(name);
      if (at === -1) throw new ConfigError(path, `'${name}' is no variable of the template that matches`);
      return `\\${at + 1}`;
    });
    return compileSubstitution(`^${this.#source}$`, substitution, path);
  }
}

function isVariableSegment(segment: string): boolean {
  if (segment === '*' || segment === '**') return true;
  const text = segment.endsWith('*') ? segment.slice(0, -1) : segment;
  return TEXT.exec(text)?.[0] === text;
}

function checkedText(text: string, rewrite: string, path: string): string {
  for (const segment of text.split('/')) {
    if (!REWRITE_TEXT.test(segment)) throw new ConfigError(path, `'${rewrite}' is no path`);
  }
  if (text.includes('//')) throw new ConfigError(path, `'${rewrite}' has an empty segment`);
  return text;
}

/** Reads a template once, from left to right. */
class Parser {
  readonly variables: string[] = [];
  readonly #template: string;
  readonly #path: string;
  #at = 0;
  /** A ** has been read: only text may follow. */
  #open = true;
  /** This segment has a variable or a wildcard already: no variable may follow in it. */
  #matched = false;

  constructor(template: string, path: string) {
    this.#template = template;
    this.#path = path;
  }

  parse(): string {
    if (!this.#template.startsWith('/')) throw this.#refusal('must begin with /');
    return this.#parts(this.#template.length, true);
  }

  /** The pattern of what stands before `end`; variables do not stand in one another. */
  #parts(end: number, variables: boolean): string {
    let pattern = '';
    while (this.#at < end) {
      const char = this.#template[this.#at]!;
      if (char === '/') pattern += this.#slash();
      else if (char === '*') pattern += this.#wildcard(!variables);
      else if (char === '{' && variables) pattern += this.#variable();
      else pattern += this.#text(end);
    }
    return pattern;
  }

  #slash(): string {
    this.#at++;
    this.#matched = false;
    if (this.#template[this.#at] === '/') throw this.#refusal('has an empty segment');
    return '/';
  }

  #wildcard(inside: boolean): string {
    if (!this.#open) throw this.#refusal('must have no wildcard and no variable after **');
    const rest = this.#template[this.#at + 1] === '*';
    const before = this.#template[this.#at - 1];
    if (rest && before !== '/' && !(inside && before === '=')) throw this.#refusal('must have / before **');
    this.#matched = true;
    this.#at += rest ? 2 : 1;
    if (rest) this.#open = false;
    if (this.#template[this.#at] === '*') throw this.#refusal('has wildcards without text between them');
    return rest ? REST : PART;
  }

  #variable(): string {
    const end = this.#template.indexOf('}', this.#at);
    if (end === -1) throw this.#refusal('has a { without its }');
    const inside = this.#template.slice(this.#at + 1, end);
    const equals = inside.indexOf('=');
    const name = equals === -1 ? inside : inside.slice(0, equals);
    if (!VARIABLE.test(name)) throw this.#refusal(`has '${name}', which is no name of up to 16 letters, digits and _`);
    if (this.variables.includes(name)) throw this.#refusal(`has '${name}' twice`);
    if (this.variables.push(name) > VARIABLES_MAX) throw this.#refusal(`has more than ${VARIABLES_MAX} variables`);
    if (!this.#open) throw this.#refusal('must have no wildcard and no variable after **');
    if (this.#matched) throw this.#refusal(`has '${name}' after another variable or a wildcard of its segment`);
    this.#at += 2 + name.length;
    if (equals !== -1 && !inside.slice(equals + 1).split('/').every(isVariableSegment)) {
      throw this.#refusal(`has '${name}' with a pattern that is not made of text, * and ** between slashes`);
    }
    const pattern = equals === -1 ? PART : this.#parts(end, false);
    this.#at = end + 1;
    this.#matched = true;
    return `(${pattern})`;
  }

  #text(end: number): string {
    const text = TEXT.exec(this.#template.slice(this.#at, end))?.[0];
    if (text === undefined) throw this.#refusal(`must not have '${this.#template[this.#at]!}' here`);
    this.#at += text.length;
    return text.replaceAll(/[.$()+]/g, '\\$&');
  }

  #refusal(reason: string): ConfigError {
    return new ConfigError(this.#path, `'${this.#template}' ${reason}`);
  }
}
