// One maker of tokens (JwtProvider), compiled: which of its tokens are good, and what becomes of them in a request.
import { wireText } from '../base/ascii.ts';
import { ConfigError } from '../base/error.ts';
import type { StringMatch } from '../base/string-match.ts';
import { compileStringMatch } from '../base/string-match.ts';
import { durationMs } from '../config/duration.ts';
import type { JwtProvider as Config } from '../config/jwt-authn.ts';
import type { Headers } from '../http/headers.ts';
import type { RequestHead } from '../http/message.ts';
import { readDataSource } from '../tls/data-source.ts';
import type { MetadataStruct } from '../telemetry/dynamic-metadata.ts';
import { isStruct } from '../telemetry/dynamic-metadata.ts';
import type { Counter } from '../telemetry/stats.ts';
import { parseJwks } from './jwks.ts';
import type { Jwks } from './jwks.ts';
import { LocalKeys } from './jwks-source.ts';
import type { KeySource } from './jwks-source.ts';
import { JwtFailure } from './jwt-failure.ts';
import type { FoundToken } from './jwt-locations.ts';
import { TokenLocations, removeToken } from './jwt-locations.ts';
import { TokenMemory } from './jwt-memory.ts';
import type { VerifyBudget } from './jwt-memory.ts';
import type { Jwt } from './jwt-token.ts';
import { parseJwt, textClaim, timeClaim } from './jwt-token.ts';

const CLOCK_SKEW_SECONDS = 60;
/** Verified tokens that are remembered where configuration does not say how many. */
const MEMORY_DEFAULT = 500;
const REFUSED_MEMORY = 1000;

export interface JwtCounters {
  readonly cacheHit: Counter;
  readonly cacheMiss: Counter;
  readonly overload: Counter;
  readonly keysRefused: Counter;
}

/** When a request came: by a clock that only runs forward, and by the calendar. */
export interface Moment {
  readonly startMs: number;
  readonly startWallMs: number;
}

export class TokenProvider {
  readonly name: string;
  /** '' takes any. */
  readonly issuer: string;
  readonly config: Config;
  readonly locations: TokenLocations;
  readonly source: KeySource;
  readonly #subjects: StringMatch | undefined;
  readonly #skewSeconds: number;
  readonly #lifetimeSeconds: number | undefined;
  readonly #good: TokenMemory;
  readonly #bad = new TokenMemory(REFUSED_MEMORY);
  readonly #budget: VerifyBudget;
  readonly #counters: JwtCounters;
  #keys: Jwks | undefined = undefined;

  /** `source` is that of remote_jwks. Throws ConfigError below `path`. */
  constructor(
    name: string, config: Config, source: KeySource | undefined, budget: VerifyBudget, counters: JwtCounters,
    path: string,
  ) {
    this.name = name;
    this.issuer = config.issuer ?? '';
    this.config = config;
    this.locations = new TokenLocations([config]);
    this.source = source ?? localKeys(config, counters, `${path}.localJwks`);
    this.#subjects = config.subjects === undefined ? undefined
      : compileStringMatch(config.subjects, `${path}.subjects`);
    this.#skewSeconds = config.clockSkewSeconds || CLOCK_SKEW_SECONDS;
    this.#lifetimeSeconds = config.maxLifetime === undefined ? undefined : durationMs(config.maxLifetime)! / 1000;
    this.#good = new TokenMemory(config.jwtCacheConfig?.jwtCacheSize ?? MEMORY_DEFAULT);
    this.#budget = budget;
    this.#counters = counters;
  }

  /** Verified before, by keys that still hold. */
  knows(token: string, nowMs: number): boolean {
    return this.#currentKeys(nowMs) !== undefined && this.#good.get(token) !== undefined;
  }

  /** A token of its own, or why it is none. `audiences` replaces those of the configuration. */
  verify(
    { token, location }: FoundToken, { startMs, startWallMs }: Moment, audiences?: readonly string[],
  ): Jwt | JwtFailure {
    const keys = this.#currentKeys(startMs);
    const known = this.#good.get(token) as Jwt | undefined;
    (known === undefined ? this.#counters.cacheMiss : this.#counters.cacheHit).inc();
    const jwt = known ?? parseJwt(token);
    if (typeof jwt === 'string') return jwt;
    const issuer = textClaim(jwt, 'iss');
    if (location.issuers !== undefined && !location.issuers.has(issuer)) return JwtFailure.unknownIssuer;
    if (this.issuer !== '' && issuer !== this.issuer) return JwtFailure.unknownIssuer;
    const fault = this.#claimFault(jwt, Math.floor(startWallMs / 1000), audiences ?? this.config.audiences ?? []);
    if (fault !== undefined) return fault;
    return known ?? this.#verifySignature(token, jwt, keys, startMs);
  }

  /** Writes what the provider's configuration says of a good token into the request. */
  accept(jwt: Jwt, found: FoundToken, request: RequestHead): void {
    const { forwardPayloadHeader, padForwardPayloadHeader, claimToHeaders = [], forward } = this.config;
    const { headers } = request;
    if (forwardPayloadHeader) {
      const padding = padForwardPayloadHeader === true ? '='.repeat((4 - jwt.payload.length % 4) % 4) : '';
      headers.append(forwardPayloadHeader.toLowerCase(), jwt.payload + padding);
    }
    for (const { headerName, claimName } of claimToHeaders) addClaim(headers, headerName, claimName, jwt.claims);
    if (forward !== true) removeToken(request, found);
  }

  /** What others may know of the token, by the keys that configuration gives it. */
  describe(jwt: Jwt): [key: string, value: MetadataStruct][] {
    const { payloadInMetadata, headerInMetadata, normalizePayloadInMetadata } = this.config;
    const spaced = normalizePayloadInMetadata?.spaceDelimitedClaims ?? [];
    return [
      ...(headerInMetadata ? [[headerInMetadata, jwt.header] satisfies [string, MetadataStruct]] : []),
      ...(payloadInMetadata ? [[payloadInMetadata, normalized(jwt.claims, spaced)] satisfies [string, MetadataStruct]]
        : []),
    ];
  }

  /** Keys that have changed judge all tokens anew. */
  #currentKeys(nowMs: number): Jwks | undefined {
    const keys = this.source.keys(nowMs);
    if (keys === this.#keys) return keys;
    this.#keys = keys;
    this.#good.clear();
    this.#bad.clear();
    return keys;
  }

  #claimFault(jwt: Jwt, nowSeconds: number, audiences: readonly string[]): JwtFailure | undefined {
    const notBefore = timeClaim(jwt, 'nbf');
    const expires = timeClaim(jwt, 'exp');
    if (notBefore !== undefined && nowSeconds + this.#skewSeconds < notBefore) return JwtFailure.notYetValid;
    if (expires !== undefined && nowSeconds > expires + this.#skewSeconds) return JwtFailure.expired;
    if (!this.#livesShort(expires, nowSeconds)) return JwtFailure.verification;
    if (this.#subjects?.matches(wireText(textClaim(jwt, 'sub'))) === false) return JwtFailure.verification;
    if (audiences.length === 0 || isForOneOf(jwt, audiences)) return undefined;
    return JwtFailure.audience;
  }

  #livesShort(expires: number | undefined, nowSeconds: number): boolean {
    const most = this.#lifetimeSeconds;
    if (expires === undefined) return most === undefined && this.config.requireExpiration !== true;
    return most === undefined || expires - nowSeconds <= most;
  }

  #verifySignature(token: string, jwt: Jwt, keys: Jwks | undefined, nowMs: number): Jwt | JwtFailure {
    if (keys === undefined) return JwtFailure.fetch;
    const refused = this.#bad.get(token);
    if (refused !== undefined) return refused;
    if (!this.#budget.has(nowMs)) {
      this.#counters.overload.inc();
      return JwtFailure.overload;
    }
    const failure = keys.verify(jwt);
    if (failure === undefined) {
      const kept = { ...jwt, signed: '', signature: Buffer.alloc(0) };
      this.#good.put(token, kept);
      return kept;
    }
    this.#budget.pay(keys.costUs(jwt));
    this.#bad.put(token, failure);
    return failure;
  }
}

function localKeys({ localJwks }: Config, counters: JwtCounters, path: string): KeySource {
  if (localJwks === undefined) throw new ConfigError(path, 'must be given, or remoteJwks');
  const keys = parseJwks(readDataSource(localJwks, path));
  if (keys === undefined) throw new ConfigError(path, 'is no JSON Web Key Set: an object with a list of keys');
  counters.keysRefused.add(keys.refused);
  return new LocalKeys(keys);
}

/** As Envoy: also with or without a scheme before it and a slash behind it. */
function isForOneOf({ audiences }: Jwt, allowed: readonly string[]): boolean {
  return audiences.some((audience) => allowed.some((one) => bareAudience(one) === bareAudience(audience)));
}

function bareAudience(audience: string): string {
  let text = audience;
  if (text.startsWith('https://')) text = text.slice(8);
  else if (text.startsWith('http://')) text = text.slice(7);
  return text.endsWith('/') ? text.slice(0, -1) : text;
}

function normalized(claims: MetadataStruct, spaced: readonly string[]): MetadataStruct {
  const lists = spaced.filter((name) => Object.hasOwn(claims, name) && typeof claims[name] === 'string')
    .map((name): [string, unknown] => [name, (claims[name] as string).split(' ').filter((word) => word !== '')]);
  return lists.length === 0 ? claims : { ...claims, ...Object.fromEntries(lists) };
}

/** Of an object in an object too. Lists and objects as JSON in base64, as in Envoy. */
function addClaim(headers: Headers, header: string, claim: string, claims: MetadataStruct): void {
  let value: unknown = claims;
  for (const name of claim.split('.')) {
    if (!isStruct(value) || !Object.hasOwn(value, name)) return;
    value = value[name];
  }
  const text = claimText(value);
  if (text !== '') headers.append(header.toLowerCase(), wireText(text));
}

function claimText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'object' && value !== null) return Buffer.from(JSON.stringify(value)).toString('base64');
  if (typeof value !== 'number') return '';
  return Number.isInteger(value) && value >= 0 && value < 2 ** 64 ? BigInt(value).toString() : value.toFixed(6);
}
