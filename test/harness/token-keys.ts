// Keys that sign tokens, one of each type, their public halves as a key set, and tokens as jose makes them.
import { constants, createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export const ISSUER = 'https://issuer.test';

/** One of each that a provider may have. */
export const KEY_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA',
  'HS256', 'HS384', 'HS512'] as const;
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number];

export interface TokenKey {
  readonly id: string;
  readonly algorithm: KeyAlgorithm;
  /** Private, or the secret. */
  readonly key: KeyObject | Buffer;
  /** What verifies. */
  readonly jwk: Record<string, unknown>;
}

const CURVES = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' } as const;

export function makeKey(algorithm: KeyAlgorithm, id: string = algorithm): TokenKey {
  if (algorithm.startsWith('HS')) {
    const key = randomBytes(64);
    return { id, algorithm, key, jwk: { kty: 'oct', k: key.toString('base64url'), kid: id, alg: algorithm } };
  }
  const pair = algorithm.startsWith('ES')
    ? generateKeyPairSync('ec', { namedCurve: CURVES[algorithm as keyof typeof CURVES] })
    : algorithm === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: id, alg: algorithm };
  return { id, algorithm, key: pair.privateKey, jwk };
}

export function keySet(...keys: readonly Pick<TokenKey, 'jwk'>[]): string {
  return JSON.stringify({ keys: keys.map(({ jwk }) => jwk) });
}

export function base64url(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return Buffer.from(text).toString('base64url');
}

/** Signed as the algorithm says, whatever the header says. Texts stand as they are. */
export function signed(key: TokenKey, header: unknown, claims: unknown): string {
  const data = `${base64url(header)}.${base64url(claims)}`;
  return `${data}.${signature(key, data).toString('base64url')}`;
}

export function signature({ algorithm, key }: TokenKey, text: string): Buffer {
  const data = Buffer.from(text);
  if (Buffer.isBuffer(key)) return createHmac(`sha${algorithm.slice(2)}`, key).update(data).digest();
  if (algorithm === 'EdDSA') return sign(null, data, key);
  const hash = `sha${algorithm.slice(2)}`;
  if (algorithm.startsWith('ES')) return sign(hash, data, { key, dsaEncoding: 'ieee-p1363' });
  if (algorithm.startsWith('RS')) return sign(hash, data, key);
  return sign(hash, data, {
    key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  });
}

export const nowSeconds = (): number => Math.floor(performance.timeOrigin / 1000 + performance.now() / 1000);

/** Good for an hour. */
export function claimsOf(more: Record<string, unknown> = {}): Record<string, unknown> {
  return { iss: ISSUER, sub: 'amy', iat: nowSeconds(), exp: nowSeconds() + 3600, ...more };
}

/** A good token of the key, with other claims and header fields where they are given. */
export function tokenOf(key: TokenKey, claims: Record<string, unknown> = {}, header: Record<string, unknown> = {},
): string {
  return signed(key, { alg: key.algorithm, typ: 'JWT', kid: key.id, ...header }, claimsOf(claims));
}
