// Sorts the fields of a scanned head: end-to-end ones into Headers, framing and hop-by-hop ones into typed values.
import { asciiLower } from '../base/ascii.ts';
import { NOT_A_NUMBER, parseDecimal } from '../base/integer.ts';
import { isToken } from './char-class.ts';
import { FieldRole, nameOf, roleOf, roleOfName } from './header-names.ts';
import type { Headers } from './headers.ts';
import type { HeadScanner } from './http1-head-scanner.ts';

/** What becomes of names with `_`, which some servers read as `-` (headers_with_underscores_action). */
export type UnderscoreAction = 'allow' | 'reject' | 'drop';

/** How the body of a message is framed, where it isn't a length of 0 or more. */
export const Framing = {
  CHUNKED: -1,
  /** No framing field. */
  NONE: -2,
  /** Not exactly one Content-Length of plain digits (S02). */
  BAD_LENGTH: -3,
  /** A transfer coding that this proxy doesn't know. */
  UNKNOWN_CODING: -4,
  /** Both fields: readers disagree on which one counts (S01). */
  BOTH: -5,
  /** Transfer-Encoding in HTTP/1.0, which doesn't have it. */
  NOT_ALLOWED: -6,
  /** What some reader could take for `chunked`, and another one not (S03). */
  BAD_CODING: -7,
} as const;

const SP = 0x20;
/** Names that a Connection field may list; more is an attempt to make proxies work. */
const NOMINATED_MAX = 10;

/** Reusable: `collect` forgets the message before. */
export class HeadFields {
  readonly #preserveCase: boolean;
  readonly #underscores: UnderscoreAction;
  #nominated: string[] = [];
  host = '';
  hostCount = 0;
  #contentLength = '';
  #contentLengthCount = 0;
  #transferEncoding = '';
  #transferEncodingCount = 0;
  #codingPadded = false;
  /** Options of the Connection field. */
  close = false;
  keepAlive = false;
  #upgradeNamed = false;
  #upgrade = '';
  keepAliveParameters = '';
  te = '';
  expect = '';
  expectCount = 0;

  constructor(preserveCase: boolean, underscores: UnderscoreAction) {
    this.#preserveCase = preserveCase;
    this.#underscores = underscores;
  }

  /** The declared length or one of `Framing`. Transfer-Encoding is only known to HTTP/1.1. */
  framing(http10: boolean): number {
    if (this.#transferEncodingCount > 0) return this.#codingFraming(http10);
    if (this.#contentLengthCount === 0) return Framing.NONE;
    if (this.#contentLengthCount > 1) return Framing.BAD_LENGTH;
    const length = parseDecimal(this.#contentLength);
    return length === NOT_A_NUMBER ? Framing.BAD_LENGTH : length;
  }

  /** Exactly one field of exactly `chunked`; whatever else a reader might take for it is refused (S03). */
  #codingFraming(http10: boolean): number {
    if (this.#contentLengthCount > 0) return Framing.BOTH;
    if (http10) return Framing.NOT_ALLOWED;
    if (this.#transferEncodingCount > 1 || this.#codingPadded) return Framing.BAD_CODING;
    if (this.#transferEncoding === 'chunked') return Framing.CHUNKED;
    return namesAnotherCoding(this.#transferEncoding) ? Framing.UNKNOWN_CODING : Framing.BAD_CODING;
  }

  /** The Upgrade value when Connection names it, lower-case and without h2c; '' for none (S17). */
  get upgrade(): string {
    return this.#upgradeNamed && this.#upgrade !== '' ? withoutH2c(asciiLower(this.#upgrade)) : '';
  }

  /** Fills `headers` from the head whose text is `text`. '' when all is well, else the detail of the refusal. */
  collect(scanner: HeadScanner, text: string, headers: Headers): string {
    this.#reset();
    const { fields } = headers;
    for (let i = 0; i < scanner.count; i++) {
      const slot = scanner.slotAt(i);
      const value = text.substring(scanner.valueStart(i), scanner.valueEnd(i));
      if (slot !== -1) {
        const role = roleOf(slot);
        if (role !== FieldRole.END_TO_END) {
          if (role === FieldRole.TRANSFER_ENCODING) this.#codingPadded ||= isPadded(scanner, text, i);
          const refusal = this.#take(role, value);
          if (refusal !== '') return refusal;
          continue;
        }
        fields.push(nameOf(slot), value);
      } else {
        // The scanner let only ASCII through, so that no other letter can become one here (S96).
        const name = text.substring(scanner.nameStart(i), scanner.nameEnd(i)).toLowerCase();
        if (this.#underscores !== 'allow' && name.includes('_')) {
          if (this.#underscores === 'reject') return 'http1.unexpected_underscore';
          continue;
        }
        fields.push(name, value);
      }
      if (this.#preserveCase) keepSpelling(headers, text.substring(scanner.nameStart(i), scanner.nameEnd(i)));
    }
    headers.verified = true;
    for (const name of this.#nominated) headers.remove(name);
    return '';
  }

  #reset(): void {
    if (this.#nominated.length > 0) this.#nominated = [];
    this.host = this.#contentLength = this.#transferEncoding = this.#upgrade = '';
    this.hostCount = this.#contentLengthCount = this.#transferEncodingCount = this.expectCount = 0;
    this.close = this.keepAlive = this.#upgradeNamed = this.#codingPadded = false;
    this.keepAliveParameters = this.te = this.expect = '';
  }

  #take(role: number, value: string): string {
    switch (role) {
      case FieldRole.HOST:
        this.host = value;
        this.hostCount++;
        return '';
      case FieldRole.CONTENT_LENGTH:
        this.#contentLength = value;
        this.#contentLengthCount++;
        return '';
      case FieldRole.TRANSFER_ENCODING:
        this.#transferEncoding = value;
        this.#transferEncodingCount++;
        return '';
      case FieldRole.CONNECTION:
        return this.#takeConnection(value);
      case FieldRole.KEEP_ALIVE:
        this.keepAliveParameters = value;
        return '';
      case FieldRole.TE:
        this.te = this.te === '' ? value : `${this.te},${value}`;
        return '';
      case FieldRole.UPGRADE:
        this.#upgrade = this.#upgrade === '' ? value : `${this.#upgrade},${value}`;
        return '';
      case FieldRole.EXPECT:
        this.expect = value;
        this.expectCount++;
        return '';
      default:
        return '';
    }
  }

  #takeConnection(value: string): string {
    for (let start = 0; start <= value.length; ) {
      let end = value.indexOf(',', start);
      if (end === -1) end = value.length;
      const option = asciiLower(trimmed(value, start, end));
      start = end + 1;
      if (option === 'keep-alive') this.keepAlive = true;
      else if (option === 'close') this.close = true;
      else if (option === 'upgrade') this.#upgradeNamed = true;
      else if (option !== '' && !this.#nominate(option)) return 'http1.connection_header_rejected';
    }
    return '';
  }

  /** A field that is called hop-by-hop is removed, but nobody takes away what proxies before said of the client. */
  #nominate(name: string): boolean {
    const role = roleOfName(name);
    if (role === FieldRole.HOST || !isToken(name) || name.startsWith('x-forwarded-')) return false;
    if (role === FieldRole.END_TO_END && this.#nominated.push(name) > NOMINATED_MAX) return false;
    return true;
  }
}

function keepSpelling(headers: Headers, name: string): void {
  const wireNames = (headers.wireNames ??= []);
  const index = headers.count - 1;
  while (wireNames.length < index) wireNames.push(undefined);
  wireNames[index] = name;
}

/** Whether there is more around a value than the one space after the colon: not everybody takes all of it away. */
function isPadded(scanner: HeadScanner, text: string, field: number): boolean {
  const start = scanner.nameEnd(field) + 1;
  const before = scanner.valueStart(field) - start;
  if (before > 1 || (before === 1 && text.charCodeAt(start) !== SP)) return true;
  return isSpace(text.charCodeAt(scanner.valueEnd(field)));
}

/** A list member without the spaces around it. */
export function trimmed(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isSpace(text.charCodeAt(from))) from++;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--;
  return text.substring(from, to);
}

function isSpace(code: number): boolean {
  return code === SP || code === 0x09;
}

/** A well-formed list of codings of which one isn't chunked: not understood, as opposed to disguised (501, not 400). */
function namesAnotherCoding(value: string): boolean {
  let another = false;
  for (const part of value.split(',')) {
    const coding = trimmed(part, 0, part.length);
    if (!isToken(coding)) return false;
    if (asciiLower(coding) !== 'chunked') another = true;
  }
  return another;
}

/** HTTP/2 is never negotiated inside of HTTP/1.1 here, so nobody behind may be asked to. */
function withoutH2c(tokens: string): string {
  if (!tokens.includes('h2c')) return tokens;
  const kept: string[] = [];
  for (const part of tokens.split(',')) {
    const token = trimmed(part, 0, part.length);
    if (token !== 'h2c' && token !== '') kept.push(token);
  }
  return kept.join(',');
}

/** Whether the comma list has the member, in either case; parameters after `;` don't matter. */
export function listHas(list: string, member: string): boolean {
  for (const part of list.split(',')) {
    const semicolon = part.indexOf(';');
    if (asciiLower(trimmed(part, 0, semicolon === -1 ? part.length : semicolon)) === member) return true;
  }
  return false;
}
