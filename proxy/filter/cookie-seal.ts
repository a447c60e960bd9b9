// Seals what clients keep for us (AES-256-GCM): they can neither read nor change it, nor use it in another place.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { ConfigError } from '../base/error.ts';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** RFC 5869 wants entropy, which nobody can measure: this much text is the least that may have it. */
const SECRET_LENGTH_MIN = 32;
const SECRETS_MAX = 8;

interface Keys {
  readonly seal: Buffer;
  readonly derive: Buffer;
}

/** What was sealed, by which of the keys; `current` is false for older ones. */
export interface Opened {
  readonly text: string;
  readonly current: boolean;
  readonly key: number;
}

export class CookieSeal {
  readonly #keys: readonly Keys[];

  /** `secrets`: one a line, the newest first. Keys differ by `context`. Throws ConfigError, without the secret. */
  constructor(secrets: string, context: string, path: string, lengthMin = SECRET_LENGTH_MIN) {
    const lines = secrets.split('\n').map((line) => line.trim()).filter((line) => line !== '');
    if (lines.length === 0) throw new ConfigError(path, 'is empty');
    if (lines.length > SECRETS_MAX) throw new ConfigError(path, `has more than ${SECRETS_MAX} lines`);
    if (lines.some((line) => line.length < lengthMin)) {
      throw new ConfigError(path, `has a line of less than ${lengthMin} characters`);
    }
    this.#keys = lines.map((line) => ({ seal: keyOf(line, `seal ${context}`), derive: keyOf(line, `tag ${context}`) }));
  }

  /** In base64url. It opens only for the same `purpose`. */
  seal(text: string, purpose: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, this.#keys[0]!.seal, iv, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(purpose));
    return Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url');
  }

  /** Undefined for what was not sealed by one of the keys, for this purpose, whatever it is. */
  open(sealed: string, purpose: string): Opened | undefined {
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.length < IV_BYTES + TAG_BYTES || bytes.toString('base64url') !== sealed) return undefined;
    const aad = Buffer.from(purpose);
    for (const [key, { seal }] of this.#keys.entries()) {
      const text = decrypt(bytes, seal, aad);
      if (text !== undefined) return { text, current: key === 0, key };
    }
    return undefined;
  }

  /** A value that nobody can guess who does not know the key: 43 characters of base64url. */
  derive(purpose: string, of: string, key = 0): string {
    return createHmac('sha256', this.#keys[key]!.derive).update(`${purpose}\0${of}`).digest('base64url');
  }
}

function keyOf(secret: string, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, 'weft', info, KEY_BYTES));
}

function decrypt(bytes: Buffer, key: Buffer, aad: Buffer): string | undefined {
  const end = bytes.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(aad).setAuthTag(bytes.subarray(end));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, end)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}
