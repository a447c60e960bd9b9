// Workload tokens: what a proxy shows to get its first certificate. ES256 JWTs whose subject is the SPIFFE id.
import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { SignJWT, errors, jwtVerify } from 'jose';
import type { JWTPayload } from 'jose';
import type { Clock } from '../proxy/base/clock.ts';
import { replacePrivateFile } from '../proxy/base/private-file.ts';
import { formatSpiffeId, parseSpiffeId, trustDomainUri } from './spiffe.ts';
import type { SpiffeId } from './spiffe.ts';

export const TOKEN_AUDIENCE_DEFAULT = 'weft-ca';

/** Longest life of a token, also the default: 1 h. */
export const TOKEN_TTL_MS_MAX = 3_600_000;

/** Longest token that is looked at (S74). */
export const TOKEN_BYTES_MAX = 16_384;

/** How far clocks may differ. */
export const CLOCK_TOLERANCE_S = 5;

export interface TokenOptions {
  /** An EC P-256 private key; CaStore.tokenKey. */
  readonly key: KeyObject;
  readonly trustDomain: string;
  readonly clock: Clock;
  /** Default weft-ca. */
  readonly audience?: string;
}

export type TokenResult = { readonly identity: SpiffeId } | { readonly fault: string };

/** Says who shows a token. Another one may ask Kubernetes instead. */
export interface Authenticator {
  authenticate(token: string): Promise<TokenResult>;
}

/** Mints and checks the tokens of one trust domain with one key. */
export class TokenAuthority implements Authenticator {
  readonly #key: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #trustDomain: string;
  readonly #audience: string;
  readonly #clock: Clock;

  constructor(options: TokenOptions) {
    this.#key = options.key;
    this.#publicKey = createPublicKey(options.key);
    this.#trustDomain = options.trustDomain;
    this.#audience = options.audience ?? TOKEN_AUDIENCE_DEFAULT;
    this.#clock = options.clock;
  }

  /** A token for an identity of the trust domain; `ttlMs` is cut to an hour. Rejects for another trust domain. */
  async mint(identity: SpiffeId, ttlMs: number = TOKEN_TTL_MS_MAX): Promise<string> {
    if (identity.trustDomain !== this.#trustDomain) {
      throw new RangeError(`${formatSpiffeId(identity)} is not of trust domain ${this.#trustDomain}`);
    }
    const now = Math.floor(this.#clock.wallMs() / 1000);
    return new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
      .setIssuer(trustDomainUri(this.#trustDomain))
      .setSubject(formatSpiffeId(identity))
      .setAudience(this.#audience)
      .setIssuedAt(now)
      .setExpirationTime(now + Math.floor(Math.min(ttlMs, TOKEN_TTL_MS_MAX) / 1000))
      .sign(this.#key);
  }

  /** Never rejects; the fault is in plain words and quotes nothing of the token. */
  async authenticate(token: string): Promise<TokenResult> {
    if (token.length > TOKEN_BYTES_MAX) return { fault: `the token is longer than ${TOKEN_BYTES_MAX} bytes` };
    try {
      const { payload } = await jwtVerify(token, this.#publicKey, {
        algorithms: ['ES256'], // named here, so that the token cannot choose
        audience: this.#audience,
        issuer: trustDomainUri(this.#trustDomain),
        requiredClaims: ['exp', 'sub'],
        maxTokenAge: TOKEN_TTL_MS_MAX / 1000,
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: new Date(this.#clock.wallMs()),
      });
      return this.#identityOf(payload);
    } catch (cause) {
      return { fault: tokenFault(cause) };
    }
  }

  #identityOf(payload: JWTPayload): TokenResult {
    const identity = typeof payload.sub === 'string' ? parseSpiffeId(payload.sub) : undefined;
    if (identity === undefined) return { fault: 'the subject of the token is not the SPIFFE id of a workload' };
    const ours = identity.trustDomain === this.#trustDomain;
    return ours ? { identity } : { fault: 'the subject of the token is of another trust domain' };
  }
}

/** Puts a token where a proxy reads it, for this user alone, in place of an older one. */
export function writeTokenFile(path: string, token: string): void {
  replacePrivateFile(path, `${token}\n`);
}

const WRONG_KEY = 'the token is not signed by a key that is believed here';

/** What jose refuses, in words that quote nothing of the token. */
export function tokenFault(cause: unknown): string {
  if (cause instanceof errors.JWTExpired) return 'the token has expired; mint a new one';
  if (cause instanceof errors.JWSSignatureVerificationFailed) return WRONG_KEY;
  if (cause instanceof errors.JWKSNoMatchingKey) return WRONG_KEY;
  if (cause instanceof errors.JOSEAlgNotAllowed) return 'the token is not signed with an accepted algorithm';
  if (cause instanceof errors.JWTClaimValidationFailed) {
    if (cause.claim === 'aud') return 'the token is for another audience';
    return `the claim "${cause.claim}" of the token is missing or wrong`;
  }
  return 'the token is not a JWT that can be read';
}
