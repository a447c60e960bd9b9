// Format strings of access logs, header values and span tags, compiled once into a list of parts.
import { wireText } from '../base/ascii.ts';
import { ConfigError } from '../base/error.ts';
import { OPERATORS } from './format-operator.ts';
import type { Operator, ReadValue } from './format-spec.ts';
import type { LineBuffer } from './line-buffer.ts';
import { lineText } from './line-text.ts';
import type { TextOrigin } from './line-text.ts';
import type { StreamInfo } from './stream-info.ts';

/** Envoy's default access log line. */
export const ENVOY_DEFAULT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

/** Istio's default access log line (MeshConfig.accessLogFormat unset). */
export const ISTIO_DEFAULT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% ' +
  '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

/** A compiled format string. The result is latin1 text (a character a byte) without control characters of others. */
export interface CompiledFormat {
  /** False when the text is the same for every request. */
  readonly dynamic: boolean;
  format(info: StreamInfo): string;
  /** The same, as bytes. */
  writeTo(line: LineBuffer, info: StreamInfo): void;
}

/** `path` is the field's place for errors. */
export interface FormatOptions {
  readonly path?: string;
  /** Absent values print nothing instead of `-` (header values; `omit_empty_values`). Default false. */
  readonly omitEmptyValues?: boolean;
}

/** A piece of a format: text (already bytes), or an operator with its cut length. */
export type FormatPart = string | OperatorPart;

export interface OperatorPart extends Operator {
  /** Characters that `:Z` leaves; Infinity without it. */
  readonly cutLength: number;
}

/** Compiles a format string (Envoy's access log command operators). Throws ConfigError naming what it doesn't know. */
export function compileFormat(format: string, options: FormatOptions = {}): CompiledFormat {
  const parts = parseFormat(format, options.path ?? '');
  const first = parts[0];
  if (first === undefined) return new ConstantFormat('');
  if (parts.length === 1 && typeof first === 'string') return new ConstantFormat(first);
  return new DynamicFormat(parts, options.omitEmptyValues === true ? '' : '-');
}

class ConstantFormat implements CompiledFormat {
  readonly dynamic = false;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  format(): string {
    return this.#text;
  }

  writeTo(line: LineBuffer): void {
    line.latin1(this.#text);
  }
}

class DynamicFormat implements CompiledFormat {
  readonly dynamic = true;
  readonly #heads: string[] = [];
  readonly #reads: ReadValue[] = [];
  readonly #origins: TextOrigin[] = [];
  readonly #cuts: number[] = [];
  readonly #tail: string;
  readonly #empty: string;

  constructor(parts: readonly FormatPart[], empty: string) {
    this.#empty = empty;
    let text = '';
    for (const part of parts) {
      if (typeof part === 'string') {
        text += part;
        continue;
      }
      this.#heads.push(text);
      this.#reads.push(part.read);
      this.#origins.push(part.origin);
      this.#cuts.push(part.cutLength);
      text = '';
    }
    this.#tail = text;
  }

  format(info: StreamInfo): string {
    let line = '';
    for (let i = 0; i < this.#reads.length; i++) {
      const value = this.#reads[i]!(info);
      line += this.#heads[i]!;
      if (value === undefined) line += this.#empty;
      else if (typeof value === 'number') line += value;
      else line += lineText(cut(value, this.#cuts[i]!), this.#origins[i]!);
    }
    return line + this.#tail;
  }

  writeTo(line: LineBuffer, info: StreamInfo): void {
    for (let i = 0; i < this.#reads.length; i++) {
      const value = this.#reads[i]!(info);
      line.latin1(this.#heads[i]!);
      if (value === undefined) line.latin1(this.#empty);
      else if (typeof value === 'number') line.number(value);
      else line.text(cut(value, this.#cuts[i]!), this.#origins[i]!);
    }
    line.latin1(this.#tail);
  }
}

/** A text's first `length` characters. */
export function cut(text: string, length: number): string {
  return text.length > length ? text.slice(0, length) : text;
}

/** Splits a format into text and operators; neighbouring texts are joined. */
export function parseFormat(format: string, path: string): FormatPart[] {
  const parts: FormatPart[] = [];
  let text = '';
  let start = 0;
  for (let i = format.indexOf('%'); i !== -1; i = format.indexOf('%', start)) {
    text += wireText(format.slice(start, i));
    if (format[i + 1] === '%') {
      text += '%';
      start = i + 2;
      continue;
    }
    const token = readToken(format, i, path);
    if (text !== '') parts.push(text);
    text = '';
    parts.push(compileToken(token, path));
    start = token.end;
  }
  text += wireText(format.slice(start));
  if (text !== '') parts.push(text);
  return parts;
}

/** `%NAME(args):cut%`, taken apart. */
interface Token {
  readonly name: string;
  readonly args: string | undefined;
  readonly cut: string | undefined;
  readonly end: number;
}

function readToken(format: string, start: number, path: string): Token {
  let i = start + 1;
  while (i < format.length && isNameCharacter(format.charCodeAt(i))) i++;
  const name = format.slice(start + 1, i);
  let args: string | undefined;
  if (name !== '' && format[i] === '(') {
    const close = format.indexOf(')', i);
    if (close === -1) throw new ConfigError(path, `%${name}( at character ${start} is not closed`);
    args = format.slice(i + 1, close);
    i = close + 1;
  }
  let cutText: string | undefined;
  if (name !== '' && format[i] === ':') {
    const end = format.indexOf('%', i);
    cutText = format.slice(i + 1, end === -1 ? undefined : end);
    i += 1 + cutText.length;
  }
  if (name === '' || format[i] !== '%') {
    const found = format.slice(start, start + 20);
    throw new ConfigError(path, `"${found}" at character ${start} is not an operator; a literal % is written %%`);
  }
  return { name, args, cut: cutText, end: i + 1 };
}

function isNameCharacter(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39) || code === 0x5f;
}

function compileToken(token: Token, path: string): OperatorPart {
  const spec = OPERATORS.get(token.name);
  if (spec === undefined) throw new ConfigError(path, `operator %${token.name}% is not supported`);
  if (spec.args === 'none' && token.args !== undefined) {
    throw new ConfigError(path, `operator %${token.name}% takes no parentheses`);
  }
  if (spec.args === 'required' && (token.args ?? '') === '') {
    throw new ConfigError(path, `operator %${token.name}% needs a value in parentheses`);
  }
  const operator = spec.compile(token.args ?? '', path);
  return { ...operator, cutLength: cutLength(token, spec.cut, path) };
}

function cutLength(token: Token, allowed: boolean, path: string): number {
  if (token.cut === undefined) return Number.POSITIVE_INFINITY;
  const length = Number(token.cut);
  if (!allowed) throw new ConfigError(path, `operator %${token.name}% cannot be cut with :${token.cut}`);
  if (token.cut === '' || !Number.isSafeInteger(length) || length < 0) {
    throw new ConfigError(path, `%${token.name}%: ":${token.cut}" is not a length`);
  }
  return length;
}
