// A token taken apart (RFC 7519, compact form of RFC 7515), and nothing of it believed yet.
import { parseStrictJson } from '../base/strict-json.ts';
import type { MetadataStruct } from '../telemetry/dynamic-metadata.ts';
import { isStruct } from '../telemetry/dynamic-metadata.ts';
import { JwtFailure, notInteger, notText, outOfRange } from './jwt-failure.ts';

/** Longer ones are refused unread (threats.md S74). */
export const TOKEN_BYTES_MAX = 16 * 1024;

/** What signs tokens; `none` is not among it (S70). */
export const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256',
  'PS384', 'PS512', 'EdDSA'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

const TEXTS = ['iss', 'sub', 'jti'] as const;
const TIMES = ['iat', 'nbf', 'exp'] as const;

export interface Jwt {
  readonly algorithm: Algorithm;
  /** '' without. */
  readonly keyId: string;
  readonly header: MetadataStruct;
  readonly claims: MetadataStruct;
  /** As it came, in base64url. */
  readonly payload: string;
  readonly audiences: readonly string[];
  /** What the signature is of. */
  readonly signed: string;
  readonly signature: Buffer;
}

/** The claim, where it is a text; '' without. */
export function textClaim({ claims }: Jwt, name: (typeof TEXTS)[number]): string {
  return Object.hasOwn(claims, name) ? claims[name] as string : '';
}

/** In seconds since 1970; undefined without. */
export function timeClaim({ claims }: Jwt, name: (typeof TIMES)[number]): number | undefined {
  return Object.hasOwn(claims, name) ? claims[name] as number : undefined;
}

/** A text is why it is none. The order of the checks is Envoy's, since the first that fails is what the client sees. */
export function parseJwt(token: string): Jwt | JwtFailure {
  if (token.length > TOKEN_BYTES_MAX) return JwtFailure.tooLong;
  const [head = '', payload = '', signature = '', ...more] = token.split('.');
  if (more.length > 0 || head === '' || payload === '' || signature === '') return JwtFailure.badFormat;
  const headBytes = base64urlBytes(head);
  if (headBytes === undefined) return JwtFailure.headerBase64;
  const header = parseStrictJson(headBytes);
  if (!isStruct(header)) return JwtFailure.headerJson;
  const keyed = readHeader(header);
  if (typeof keyed === 'string') return keyed;
  const payloadBytes = base64urlBytes(payload);
  if (payloadBytes === undefined) return JwtFailure.payloadBase64;
  const claims = parseStrictJson(payloadBytes);
  if (!isStruct(claims)) return JwtFailure.payloadJson;
  const audiences = readClaims(claims);
  if (typeof audiences === 'string') return audiences;
  const signatureBytes = base64urlBytes(signature);
  if (signatureBytes === undefined) return JwtFailure.signatureBase64;
  return { ...keyed, header, claims, payload, audiences, signed: token.slice(0, -signature.length - 1),
    signature: signatureBytes };
}

/** No padding, no other alphabet, no stray bits: each text stands for other bytes (S70). */
export function base64urlBytes(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

function readHeader(header: MetadataStruct): Pick<Jwt, 'algorithm' | 'keyId'> | JwtFailure {
  const alg = Object.hasOwn(header, 'alg') ? header['alg'] : undefined;
  if (typeof alg !== 'string') return JwtFailure.badAlg;
  const algorithm = ALGORITHMS.find((known) => known === alg);
  if (algorithm === undefined) return JwtFailure.unknownAlg;
  const keyId = Object.hasOwn(header, 'kid') ? header['kid'] : '';
  if (typeof keyId !== 'string') return JwtFailure.badKid;
  // What must be understood is not (RFC 7515 section 4.1.11), an unencoded payload among it (RFC 7797).
  if (Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) return JwtFailure.critical;
  return { algorithm, keyId };
}

/** The audiences, or what is wrong with a registered claim. */
function readClaims(claims: MetadataStruct): readonly string[] | JwtFailure {
  const has = (name: string): boolean => Object.hasOwn(claims, name);
  const [iss, sub, jti] = TEXTS.map((name) => (has(name) && typeof claims[name] !== 'string' ? notText(name) : ''));
  if (iss || sub) return iss || sub || '';
  for (const name of TIMES) {
    const fault = has(name) ? timeFault(name, claims[name]) : undefined;
    if (fault !== undefined) return fault;
  }
  if (jti) return jti;
  const aud = has('aud') ? claims['aud'] : [];
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return audiences.every((one) => typeof one === 'string') ? audiences : JwtFailure.audNotText;
}

function timeFault(name: string, value: unknown): JwtFailure | undefined {
  if (typeof value !== 'number') return notInteger(name);
  return value < 0 || value > Number.MAX_SAFE_INTEGER ? outOfRange(name) : undefined;
}
