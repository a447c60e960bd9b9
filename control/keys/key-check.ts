// Whether a text is a key set that can verify anything: proxies refuse a whole listener for one that cannot.
import { createPublicKey } from 'node:crypto';
import { parseStrictJson } from '../../proxy/base/strict-json.ts';

/** Why it is none; undefined when it is one. */
export function keySetFault(text: string | Buffer): string | undefined {
  const set = parseStrictJson(Buffer.from(text));
  const keys = isObject(set) && Object.hasOwn(set, 'keys') ? set['keys'] : undefined;
  if (!Array.isArray(keys)) return 'is no JSON Web Key Set: {"keys": […]}';
  return keys.some(isUsable) ? undefined : 'has no key that could verify a token';
}

function isUsable(jwk: unknown): boolean {
  if (!isObject(jwk)) return false;
  if (jwk['kty'] === 'oct') return typeof jwk['k'] === 'string' && jwk['k'] !== '';
  try {
    createPublicKey({ key: jwk as never, format: 'jwk' });
    return true;
  } catch {
    return false;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
