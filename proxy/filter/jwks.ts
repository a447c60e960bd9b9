// A JSON Web Key Set (RFC 7517) as keys that verify: each made once, and good for the algorithms of its type alone.
import { constants, createHmac, createPublicKey, createSecretKey, timingSafeEqual, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { parseStrictJson } from '../base/strict-json.ts';
import type { MetadataStruct } from '../telemetry/dynamic-metadata.ts';
import { isStruct } from '../telemetry/dynamic-metadata.ts';
import { JwtFailure } from './jwt-failure.ts';
import type { Algorithm, Jwt } from './jwt-token.ts';
import { base64urlBytes } from './jwt-token.ts';

/** More keys are left out (S74). */
const KEYS_MAX = 100;
/** Others are too weak to be believed, or cost more than a token is worth. */
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 8192;
const RSA_EXPONENT_BYTES_MAX = 8;

const RSA_ALGORITHMS: readonly Algorithm[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const HMAC_ALGORITHMS: readonly Algorithm[] = ['HS256', 'HS384', 'HS512'];
const EC_ALGORITHM: Readonly<Record<string, Algorithm>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' };
const EC_SIGNATURE_BYTES: Readonly<Record<string, number>> = { 'P-256': 64, 'P-384': 96, 'P-521': 132 };
const ED25519_SIGNATURE_BYTES = 64;

/** What a verification takes, in microseconds of the machine that it was measured on. */
const COST_US = { RSA: 30, EC: 90, OKP: 90, oct: 5 } as const;

interface VerificationKey {
  /** '' without: it is tried for every token. */
  readonly id: string;
  readonly key: KeyObject;
  readonly algorithms: readonly Algorithm[];
  /** Length of its signatures, 0 where the hash says it: OpenSSL takes some that lack their leading zeros. */
  readonly signatureBytes: number;
  readonly costUs: number;
}

/** Immutable. */
export class Jwks {
  readonly #keys: readonly VerificationKey[];
  /** Keys that were left out, since they cannot be used or should not be. */
  readonly refused: number;

  constructor(keys: readonly VerificationKey[], refused: number) {
    this.#keys = keys;
    this.refused = refused;
  }

  get size(): number {
    return this.#keys.length;
  }

  /** Whether a key could be the token's. */
  fits(jwt: Jwt): boolean {
    return this.#keys.some((key) => isCandidate(key, jwt));
  }

  /** What it costs at most to verify the token, in microseconds. */
  costUs(jwt: Jwt): number {
    let cost = 0;
    for (const key of this.#keys) if (isCandidate(key, jwt)) cost += key.costUs;
    return cost;
  }

  /** Undefined: a key has signed it. */
  verify(jwt: Jwt): JwtFailure | undefined {
    if (this.#keys.length === 0) return JwtFailure.noKeys;
    let tried = false;
    for (const candidate of this.#keys) {
      if (!isCandidate(candidate, jwt)) continue;
      tried = true;
      if (isSigned(jwt, candidate)) return undefined;
    }
    return tried ? JwtFailure.verification : JwtFailure.noKey;
  }
}

/** Undefined for what is no key set. Keys that are of no use are left out; a set may be empty. */
export function parseJwks(bytes: Buffer): Jwks | undefined {
  const document = parseStrictJson(bytes);
  const list = isStruct(document) && Object.hasOwn(document, 'keys') ? document['keys'] : undefined;
  if (!Array.isArray(list)) return undefined;
  const keys = list.slice(0, KEYS_MAX).map(readKey).filter((key) => key !== undefined);
  return new Jwks(keys, list.length - keys.length);
}

function isCandidate({ id, algorithms }: VerificationKey, { keyId, algorithm }: Jwt): boolean {
  if (keyId !== '' && id !== '' && id !== keyId) return false;
  return algorithms.includes(algorithm);
}

function readKey(jwk: unknown): VerificationKey | undefined {
  if (!isStruct(jwk)) return undefined;
  const text = (name: string): string => {
    const value = Object.hasOwn(jwk, name) ? jwk[name] : undefined;
    return typeof value === 'string' ? value : '';
  };
  if (!mayVerify(jwk, text('use'))) return undefined;
  const made = makeKey(text('kty'), text);
  if (made === undefined) return undefined;
  const own = text('alg');
  const algorithms = own === '' ? made.algorithms : made.algorithms.filter((algorithm) => algorithm === own);
  return algorithms.length === 0 ? undefined : { ...made, id: text('kid'), algorithms };
}

/** RFC 7517 sections 4.2 and 4.3. */
function mayVerify(jwk: MetadataStruct, use: string): boolean {
  const operations = Object.hasOwn(jwk, 'key_ops') ? jwk['key_ops'] : undefined;
  if (Array.isArray(operations) && !operations.includes('verify')) return false;
  return use === '' || use === 'sig';
}

function makeKey(kty: string, text: (name: string) => string): Omit<VerificationKey, 'id'> | undefined {
  try {
    switch (kty) {
      case 'RSA': return rsaKey(text('n'), text('e'));
      case 'EC': return ecKey(text('crv'), text('x'), text('y'));
      case 'OKP': return ed25519Key(text('crv'), text('x'));
      case 'oct': return secretKey(text('k'));
      default: return undefined;
    }
  } catch {
    return undefined;
  }
}

function rsaKey(n: string, e: string): Omit<VerificationKey, 'id'> | undefined {
  const exponent = base64urlBytes(e);
  if (exponent === undefined || exponent.length > RSA_EXPONENT_BYTES_MAX) return undefined;
  // Its size is looked at before the key is made.
  if (n.length > RSA_BITS_MAX / 6 + 4) return undefined;
  const key = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) return undefined;
  return {
    key, algorithms: RSA_ALGORITHMS, signatureBytes: Math.ceil(bits / 8),
    costUs: COST_US.RSA * (bits / RSA_BITS_MIN) ** 2,
  };
}

function ecKey(crv: string, x: string, y: string): Omit<VerificationKey, 'id'> | undefined {
  const algorithm = Object.hasOwn(EC_ALGORITHM, crv) ? EC_ALGORITHM[crv] : undefined;
  if (algorithm === undefined) return undefined;
  const key = createPublicKey({ key: { kty: 'EC', crv, x, y }, format: 'jwk' });
  return {
    key, algorithms: [algorithm], signatureBytes: EC_SIGNATURE_BYTES[crv]!,
    costUs: crv === 'P-256' ? COST_US.EC : COST_US.EC * 10,
  };
}

function ed25519Key(crv: string, x: string): Omit<VerificationKey, 'id'> | undefined {
  if (crv !== 'Ed25519') return undefined;
  const key = createPublicKey({ key: { kty: 'OKP', crv, x }, format: 'jwk' });
  return { key, algorithms: ['EdDSA'], signatureBytes: ED25519_SIGNATURE_BYTES, costUs: COST_US.OKP };
}

/** As long as the hash at least (RFC 7518 section 3.2). */
function secretKey(k: string): Omit<VerificationKey, 'id'> | undefined {
  const bytes = base64urlBytes(k);
  if (bytes === undefined) return undefined;
  const algorithms = HMAC_ALGORITHMS.filter((algorithm) => bytes.length * 8 >= Number(algorithm.slice(2)));
  return { key: createSecretKey(bytes), algorithms, signatureBytes: 0, costUs: COST_US.oct };
}

function isSigned({ algorithm, signed, signature }: Jwt, { key, signatureBytes }: VerificationKey): boolean {
  if (signatureBytes > 0 && signature.length !== signatureBytes) return false;
  const data = Buffer.from(signed, 'latin1');
  if (algorithm === 'EdDSA') return verify(null, data, key, signature);
  const hash = `sha${algorithm.slice(2)}`;
  switch (algorithm.slice(0, 2)) {
    case 'RS': return verify(hash, data, key, signature);
    case 'PS': return verify(hash, data, {
      key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    }, signature);
    case 'ES': return verify(hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature);
    default: {
      const wanted = createHmac(hash, key).update(data).digest();
      return wanted.length === signature.length && timingSafeEqual(wanted, signature);
    }
  }
}
