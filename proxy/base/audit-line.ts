// The lines of an audit log: each carries the hash of the one before, and the last one that is written at a time a
// signature.
import { createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { canonicalJson, type Json } from './canonical-json.ts';

/** What a record says beside its place in the chain; `type` comes first in what people read. */
export type AuditFields = { readonly type: string } & { readonly [name: string]: Json | undefined };

/** A record as it stands in the file. */
export type AuditRecord = AuditFields & {
  readonly seq: number;
  /** SHA-256 of the line before, in hex; of nothing for the first. */
  readonly prev: string;
  /** RFC 3339, UTC, milliseconds. */
  readonly time: string;
  /** ECDSA P-256 over the line without this, in base64url. */
  readonly sig?: string;
};

/** What comes before the first line. */
export const CHAIN_START = '0'.repeat(64);

/** Longest line; records are clipped far below it. */
export const LINE_BYTES_MAX = 65_536;

/** So that a signature of something else cannot stand here. */
const LINE_CONTEXT = 'weft audit line\n';
const HEAD_CONTEXT = 'weft audit head\n';

/** Of the latest line: beside the file, so that lines cut from its end are missed. */
export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
  /** Name of the file, without its folder. */
  readonly file: string;
}

export function hashOf(line: string): string {
  return createHash('sha256').update(line).digest('hex');
}

/** The text of a record, without the line's end; signed where a key is given. */
export function lineOf(record: Omit<AuditRecord, 'sig'>, key?: KeyObject): string {
  const text = canonicalJson(record as Json);
  return key === undefined ? text : canonicalJson({ ...record, sig: signed(LINE_CONTEXT + text, key) } as Json);
}

export function headText(head: AuditHead, key: KeyObject): string {
  const sig = signed(HEAD_CONTEXT + canonicalJson({ ...head }), key);
  return `${canonicalJson({ ...head, sig })}\n`;
}

/** The record of a line in its one form; a text says what is wrong with it. */
export function readLine(line: string): AuditRecord | string {
  const record = parsed(line);
  if (record === undefined) return 'is no JSON';
  const { seq, prev, time, type, sig } = record;
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || typeof prev !== 'string' || typeof time !== 'string'
    || typeof type !== 'string' || (sig !== undefined && typeof sig !== 'string')) return 'is no record of a log';
  return canonicalJson(record) === line ? record as AuditRecord : 'is not written as the log writes';
}

/** The head of a file's text; undefined when it is none, or not of this key. */
export function readHead(text: string, key: KeyObject): AuditHead | undefined {
  const head = parsed(text.trimEnd());
  if (head === undefined) return undefined;
  const { sig, ...rest } = head;
  const { seq, hash, file } = rest;
  if (typeof seq !== 'number' || typeof hash !== 'string' || typeof file !== 'string') return undefined;
  return typeof sig === 'string' && isSigned(HEAD_CONTEXT + canonicalJson(rest), sig, key)
    ? { seq, hash, file } : undefined;
}

export function isSignedLine({ sig, ...record }: AuditRecord, key: KeyObject): boolean {
  return sig !== undefined && isSigned(LINE_CONTEXT + canonicalJson(record as Json), sig, key);
}

/** A public key as records carry it: SPKI in base64url. */
export function keyText(key: KeyObject): string {
  const open = key.type === 'private' ? createPublicKey(key) : key;
  return open.export({ type: 'spki', format: 'der' }).toString('base64url');
}

/** Undefined for what is no P-256 key. */
export function keyOfText(text: string): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(text, 'base64url'), format: 'der', type: 'spki' });
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Short name of a key: the start of its SHA-256. */
export function keyId(key: KeyObject): string {
  return hashOf(keyText(key)).slice(0, 32);
}

function signed(text: string, key: KeyObject): string {
  return sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
}

/** A signature has one spelling. */
function isSigned(text: string, sig: string, key: KeyObject): boolean {
  const bytes = Buffer.from(sig, 'base64url');
  return bytes.toString('base64url') === sig
    && verify('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }, bytes);
}

function parsed(text: string): { [name: string]: Json } | undefined {
  if (text.length > LINE_BYTES_MAX) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as never : undefined;
  } catch {
    return undefined;
  }
}
