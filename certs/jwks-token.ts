// Workload tokens that another issuer signs, such as a Kubernetes cluster: verified by its published keys.
import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import type { JSONWebKeySet, JWTPayload } from 'jose';
import type { Clock } from '../proxy/base/clock.ts';
import { parseSpiffeId, workloadSpiffeId } from './spiffe.ts';
import type { SpiffeId } from './spiffe.ts';
import { CLOCK_TOLERANCE_S, TOKEN_BYTES_MAX, tokenFault } from './token.ts';
import type { Authenticator, TokenResult } from './token.ts';

export interface JwksTokenOptions {
  /** The only `iss` that is taken. */
  readonly issuer: string;
  /** One of these must be in `aud`. */
  readonly audiences: readonly string[];
  /** File with the key set. */
  readonly jwksFile: string;
  readonly trustDomain: string;
  readonly clock: Clock;
}

/** Keys that anybody who knows the public half could not sign with. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

/** The file is read again after this time, so that rotated keys are taken. */
const KEYS_MS = 10_000;

const ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;

export class JwksTokens implements Authenticator {
  readonly #options: JwksTokenOptions;
  #keys: ReturnType<typeof createLocalJWKSet> | undefined = undefined;
  #readAtMs = 0;

  constructor(options: JwksTokenOptions) {
    this.#options = options;
  }

  /** Never rejects; the fault quotes nothing of the token. */
  async authenticate(token: string): Promise<TokenResult> {
    if (token.length > TOKEN_BYTES_MAX) return { fault: `the token is longer than ${TOKEN_BYTES_MAX} bytes` };
    const { issuer, audiences, clock, jwksFile } = this.#options;
    const keys = await this.#keySet();
    if (keys === undefined) return { fault: `the keys of ${issuer} cannot be read from ${jwksFile}` };
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ALGORITHMS, issuer, audience: [...audiences], requiredClaims: ['exp', 'sub', 'aud'],
        clockTolerance: CLOCK_TOLERANCE_S, currentDate: new Date(clock.wallMs()),
      });
      const identity = this.#identityOf(payload);
      return identity === undefined ? { fault: 'the subject of the token is no workload of the mesh' } : { identity };
    } catch (cause) {
      return { fault: tokenFault(cause) };
    }
  }

  #identityOf({ sub = '' }: JWTPayload): SpiffeId | undefined {
    const { trustDomain } = this.#options;
    const [, namespace, account] = ACCOUNT.exec(sub) ?? [];
    if (namespace !== undefined && account !== undefined) return workloadSpiffeId(trustDomain, namespace, account);
    const identity = parseSpiffeId(sub);
    return identity?.trustDomain === trustDomain ? identity : undefined;
  }

  /** Keys that were read once stay in use while the file cannot be read. */
  async #keySet(): Promise<ReturnType<typeof createLocalJWKSet> | undefined> {
    const { clock, jwksFile } = this.#options;
    if (this.#keys !== undefined && clock.nowMs() - this.#readAtMs < KEYS_MS) return this.#keys;
    this.#readAtMs = clock.nowMs();
    try {
      this.#keys = createLocalJWKSet(JSON.parse(await readFile(jwksFile, 'utf8')) as JSONWebKeySet);
    } catch {
      // Told by the caller's refusal where there are none from before.
    }
    return this.#keys;
  }
}

/** Asks the one whose issuer the token names; the last is asked about all others. */
export class TokensByIssuer implements Authenticator {
  readonly #byIssuer: ReadonlyMap<string, Authenticator>;
  readonly #others: Authenticator | undefined;

  constructor(byIssuer: ReadonlyMap<string, Authenticator>, others: Authenticator | undefined) {
    this.#byIssuer = byIssuer;
    this.#others = others;
  }

  async authenticate(token: string): Promise<TokenResult> {
    const issuer = token.length > TOKEN_BYTES_MAX ? undefined : issuerOf(token);
    const authenticator = this.#byIssuer.get(issuer ?? '') ?? this.#others;
    if (authenticator === undefined) return { fault: 'the token is of no issuer that is known here' };
    return authenticator.authenticate(token);
  }
}

/** Unverified: it chooses who verifies. */
function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}
