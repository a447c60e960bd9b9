// The part of a head that requests and responses share: where it ends, and its fields with framing taken out of them.
import { ProxyError } from '../base/error.ts';
import type { ErrorKind, ErrorSource } from '../base/error.ts';
import { isFieldValue, parseLength, tokenEnd } from './header-text.ts';
import { Headers } from './headers.ts';
import type { Http1Limits } from './http1-limits.ts';

const CR = 13;
const LF = 10;
const SPACE = 32;
const TAB = 9;
const COLON = 58;

/** Fields of one head. Framing and hop-by-hop fields are values, the rest is in `headers`. */
export class ParsedFields {
  readonly headers = new Headers();
  /** -1 when there is none. */
  contentLength = -1;
  chunked = false;
  /** undefined: no host field. */
  host: string | undefined = undefined;
  close = false;
  keepAlive = false;
  upgrade: string | undefined = undefined;
  acceptsTrailers = false;
  expectContinue = false;
  /** `timeout` of a keep-alive field in milliseconds. */
  keepAliveMs: number | undefined = undefined;
}

/** Index just past the empty line, or -1 while it has not come. */
export function headEnd(bytes: Buffer): number {
  const at = bytes.indexOf('\r\n\r\n', 0, 'latin1');
  return at === -1 ? -1 : at + 4;
}

/** Whether what came so far can no longer become a head: a bare LF or CR is refused as soon as it is seen (S05). */
export function hasBareLineEnd(bytes: Buffer): boolean {
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) if (at === 0 || bytes[at - 1] !== CR) return true;
  for (let at = bytes.indexOf(CR); at !== -1 && at + 1 < bytes.length; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] !== LF) return true;
  }
  return false;
}

/** What of a field parser's owner matters: its limits, and how it treats names. */
export interface FieldRules extends Http1Limits {
  readonly preserveCase: boolean;
  readonly underscores: 'allow' | 'reject' | 'drop';
  readonly source: ErrorSource;
}

/** Parses the lines after the start line; `text` is the head with its last CRLF CRLF. A ProxyError when it must be refused. */
export function parseFields(text: string, start: number, rules: FieldRules): ParsedFields | ProxyError {
  const fields = new ParsedFields();
  const seen = { length: false, coding: false, connection: '', upgrade: '' };
  let count = 0;
  let at = start;
  const end = text.length - 2;
  while (at < end) {
    const lineEnd = text.indexOf('\r\n', at);
    if (++count > rules.headerCountMax) return refuse(rules, 'headers-too-large', 'too_many_headers');
    if (lineEnd - at > rules.headerLineBytesMax) return refuse(rules, 'headers-too-large', 'header_line_too_long');
    const nameEnd = tokenEnd(text, at, lineEnd);
    if (nameEnd === at || text.charCodeAt(nameEnd) !== COLON) return refuse(rules, 'bad-request', 'invalid_header_name');
    let from = nameEnd + 1;
    let to = lineEnd;
    while (from < to && isSpace(text.charCodeAt(from))) from++;
    while (to > from && isSpace(text.charCodeAt(to - 1))) to--;
    if (!isFieldValue(text, from, to)) return refuse(rules, 'bad-request', 'invalid_header_value');
    const wire = text.slice(at, nameEnd);
    const fault = takeField(fields, seen, wire, text.slice(from, to), rules);
    if (fault !== undefined) return fault;
    at = lineEnd + 2;
  }
  return finishFields(fields, seen, rules);
}

interface Seen {
  length: boolean;
  coding: boolean;
  connection: string;
  upgrade: string;
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}

function refuse(rules: FieldRules, kind: ErrorKind, detail: string): ProxyError {
  return new ProxyError(rules.source === 'upstream' ? 'upstream-protocol' : kind, rules.source, detail);
}

/** Sorts one field into its place. */
function takeField(fields: ParsedFields, seen: Seen, wire: string, value: string, rules: FieldRules): ProxyError | undefined {
  const name = lowerName(wire);
  switch (name) {
    case 'content-length': return takeLength(fields, seen, value, rules);
    case 'transfer-encoding': return takeCoding(fields, seen, value, rules);
    case 'host':
      if (fields.host !== undefined) return refuse(rules, 'bad-request', 'multiple_host');
      fields.host = value;
      return undefined;
    case 'connection':
    case 'proxy-connection':
      if (name === 'connection') seen.connection += seen.connection === '' ? value : `,${value}`;
      return undefined;
    case 'keep-alive': fields.keepAliveMs = keepAliveOf(value); return undefined;
    case 'upgrade': seen.upgrade = seen.upgrade === '' ? value : `${seen.upgrade},${value}`; return undefined;
    case 'te': fields.acceptsTrailers ||= listHas(value, 'trailers'); return undefined;
    case 'expect':
      if (value.toLowerCase() === '100-continue') fields.expectContinue = true;
      else return refuse(rules, 'bad-request', 'unknown_expectation');
      return undefined;
    case 'trailer':
    case 'http2-settings': return undefined;
    default: return takeOther(fields, name, wire, value, rules);
  }
}

function takeOther(fields: ParsedFields, name: string, wire: string, value: string, rules: FieldRules): ProxyError | undefined {
  if (rules.underscores !== 'allow' && name.includes('_')) {
    return rules.underscores === 'reject' ? refuse(rules, 'bad-request', 'unexpected_underscore') : undefined;
  }
  const { headers } = fields;
  if (rules.preserveCase && wire !== name) (headers.wireNames ??= [])[headers.count] = wire;
  headers.append(name, value);
  return undefined;
}

/** Names are tokens, so the runtime's folding is ASCII folding here (S96). */
function lowerName(wire: string): string {
  for (let i = 0; i < wire.length; i++) {
    const code = wire.charCodeAt(i);
    if (code >= 65 && code <= 90) return wire.toLowerCase();
  }
  return wire;
}

function takeLength(fields: ParsedFields, seen: Seen, value: string, rules: FieldRules): ProxyError | undefined {
  const length = parseLength(value);
  if (length === -1 || seen.length) return refuse(rules, 'bad-request', 'http1.invalid_content_length');
  seen.length = true;
  fields.contentLength = length;
  return undefined;
}

/** Only the one token `chunked`, once (S03). */
function takeCoding(fields: ParsedFields, seen: Seen, value: string, rules: FieldRules): ProxyError | undefined {
  if (seen.coding) return refuse(rules, 'bad-request', 'http1.invalid_transfer_encoding');
  seen.coding = true;
  if (value.toLowerCase() === 'chunked') {
    fields.chunked = true;
    return undefined;
  }
  const known = value === '' || value.toLowerCase().includes('chunked') || !/^[A-Za-z]+$/.test(value);
  return refuse(rules, known ? 'bad-request' : 'not-implemented', 'http1.invalid_transfer_encoding');
}

/** Connection options; fields that they name are hop-by-hop and end here. */
function finishFields(fields: ParsedFields, seen: Seen, rules: FieldRules): ParsedFields | ProxyError {
  if (fields.chunked && seen.length) return refuse(rules, 'bad-request', 'http1.content_length_and_chunked_not_allowed');
  if (seen.connection === '') return fields;
  let upgrades = false;
  for (const part of seen.connection.split(',')) {
    const option = part.trim().toLowerCase();
    if (option === 'close') fields.close = true;
    else if (option === 'keep-alive') fields.keepAlive = true;
    else if (option === 'upgrade') upgrades = true;
    else if (option !== '' && option !== 'te') fields.headers.remove(option);
  }
  const token = seen.upgrade.trim().toLowerCase();
  if (upgrades && token !== '' && !token.split(',').some((name) => name.trim() === 'h2c')) fields.upgrade = token;
  return fields;
}

function listHas(value: string, token: string): boolean {
  return value.toLowerCase().split(',').some((part) => part.split(';')[0]!.trim() === token);
}

function keepAliveOf(value: string): number | undefined {
  const seconds = /(?:^|[,\s])timeout=([0-9]{1,6})(?:$|[,\s])/i.exec(value)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
