// Which keys the mesh accepts, and the X.509 signature algorithm that goes with each.
import { sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { Oid } from './oid.ts';

/** Smallest and largest RSA keys in bits; larger ones cost the verifier too much. */
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 8192;

/** NIST curves by OpenSSL's names, with the digest that signs at their strength. */
const CURVES: ReadonlyMap<string, readonly [digest: string, algorithm: string]> = new Map([
  ['prime256v1', ['sha256', Oid.ecdsaWithSha256]],
  ['secp384r1', ['sha384', Oid.ecdsaWithSha384]],
  ['secp521r1', ['sha512', Oid.ecdsaWithSha512]],
]);

/** Signature algorithms that are verified: OID -> key type and digest. SHA-1 is not among them. */
const VERIFIED: ReadonlyMap<string, readonly [keyType: string, digest: string]> = new Map([
  [Oid.ecdsaWithSha256, ['ec', 'sha256']],
  [Oid.ecdsaWithSha384, ['ec', 'sha384']],
  [Oid.ecdsaWithSha512, ['ec', 'sha512']],
  [Oid.sha256WithRsa, ['rsa', 'sha256']],
  [Oid.sha384WithRsa, ['rsa', 'sha384']],
  [Oid.sha512WithRsa, ['rsa', 'sha512']],
]);

/** Why a key may not be used in the mesh, in words, or undefined when it may: ECDSA from P-256, RSA from 2048 bits. */
export function keyFault(key: KeyObject): string | undefined {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === 'ec') {
    const curve = details?.namedCurve ?? 'an unnamed curve';
    return CURVES.has(curve) ? undefined : `the key is on ${curve}; use P-256, P-384 or P-521`;
  }
  if (key.asymmetricKeyType !== 'rsa') return `the key is ${key.asymmetricKeyType}; use ECDSA or RSA`;
  const bits = details?.modulusLength ?? 0;
  if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) {
    return `the RSA key has ${bits} bits; use ${RSA_BITS_MIN} to ${RSA_BITS_MAX}`;
  }
  return undefined;
}

/** The algorithm that `key` signs with; its parameters are NULL for RSA and absent for ECDSA (RFC 5758 3.2). */
export function signatureAlgorithm(key: KeyObject): { readonly oid: string; readonly rsa: boolean } {
  if (key.asymmetricKeyType === 'rsa') return { oid: Oid.sha256WithRsa, rsa: true };
  return { oid: curveOf(key)[1], rsa: false };
}

/** Signs as X.509 wants it: ECDSA as the DER sequence of r and s, RSA as PKCS #1. */
export function signDer(key: KeyObject, data: Buffer): Buffer {
  const digest = key.asymmetricKeyType === 'rsa' ? 'sha256' : curveOf(key)[0];
  return sign(digest, data, { key, dsaEncoding: 'der' });
}

/** True when `signature` by the algorithm `oid` is that of `key`; false also for algorithms that are not accepted. */
export function verifyDer(oid: string, key: KeyObject, data: Buffer, signature: Buffer): boolean {
  const algorithm = VERIFIED.get(oid);
  if (algorithm === undefined || algorithm[0] !== key.asymmetricKeyType) return false;
  try {
    return verify(algorithm[1], data, { key, dsaEncoding: 'der' }, signature);
  } catch {
    return false; // OpenSSL throws on some malformed signatures
  }
}

function curveOf(key: KeyObject): readonly [string, string] {
  const curve = CURVES.get(key.asymmetricKeyDetails?.namedCurve ?? '');
  if (curve === undefined) throw new Error(keyFault(key) ?? 'not a signing key');
  return curve;
}
