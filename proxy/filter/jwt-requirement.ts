// Which tokens a request must have (JwtRequirement), compiled into a tree that is asked once, without waiting.
import { ConfigError } from '../base/error.ts';
import type { JwtRequirement as Config } from '../config/jwt-authn.ts';
import type { RequestHead } from '../http/message.ts';
import { JwtFailure } from './jwt-failure.ts';
import type { FoundToken } from './jwt-locations.ts';
import { TokenLocations } from './jwt-locations.ts';
import type { Moment, TokenProvider } from './jwt-provider.ts';
import type { Jwt } from './jwt-token.ts';
import { parseJwt, textClaim } from './jwt-token.ts';

/** More tokens in one request are not looked at (S74). */
const TOKENS_MAX = 8;

export type Providers = ReadonlyMap<string, TokenProvider>;

/** One request while its tokens are judged. */
export interface TokenCheck {
  readonly request: RequestHead;
  readonly moment: Moment;
  /** Hears of each good token, in the order in which they were found. */
  onToken(provider: TokenProvider, jwt: Jwt): void;
}

export interface TokenRequirement {
  /** Undefined: it is met. */
  check(check: TokenCheck): JwtFailure | undefined;
}

/** Undefined: there is no requirement. Throws ConfigError at `path`. */
export function compileRequirement(
  config: Config, providers: Providers, path: string, siblings: readonly TokenProvider[] = [...providers.values()],
): TokenRequirement {
  const { providerName, providerAndAudiences: named, requiresAny, requiresAll } = config;
  const name = providerName ?? named?.providerName;
  if (name !== undefined) {
    const provider = providers.get(name);
    if (provider === undefined) throw new ConfigError(path, `provider '${name}' is not configured`);
    return new ProviderRequirement(provider, named?.audiences?.length ? named.audiences : undefined);
  }
  if (requiresAny !== undefined) return compileAny(requiresAny.requirements, providers, `${path}.requiresAny`);
  if (requiresAll !== undefined) {
    return new AllRequirements(requiresAll.requirements.map((one, i) =>
      compileRequirement(one, providers, `${path}.requiresAll.requirements[${i}]`)));
  }
  if (config.allowMissing !== undefined) return new OptionalToken(siblings, providers, false);
  return config.allowMissingOrFailed === undefined ? NOTHING : new OptionalToken(siblings, providers, true);
}

const NOTHING: TokenRequirement = { check: () => undefined };

/** What is optional comes last, looks where its siblings look, and is the more generous one where there are two. */
function compileAny(configs: readonly Config[], providers: Providers, path: string): TokenRequirement {
  const siblings = configs.flatMap((config) => {
    const provider = providers.get(config.providerName ?? config.providerAndAudiences?.providerName ?? '');
    return provider === undefined ? [] : [provider];
  });
  const isOptional = (config: Config): boolean =>
    config.allowMissing !== undefined || config.allowMissingOrFailed !== undefined;
  const optional = configs.find((config) => config.allowMissingOrFailed !== undefined) ?? configs.find(isOptional);
  const compiled = configs.map((config, i) => (isOptional(config) ? undefined
    : compileRequirement(config, providers, `${path}.requirements[${i}]`))).filter((one) => one !== undefined);
  if (optional !== undefined) compiled.push(compileRequirement(optional, providers, path, siblings));
  return new AnyRequirement(compiled);
}

/** Every token in the provider's places must be one of its own. */
class ProviderRequirement implements TokenRequirement {
  readonly #provider: TokenProvider;
  readonly #audiences: readonly string[] | undefined;

  constructor(provider: TokenProvider, audiences: readonly string[] | undefined) {
    this.#provider = provider;
    this.#audiences = audiences;
  }

  check(check: TokenCheck): JwtFailure | undefined {
    const { locations } = this.#provider;
    locations.sanitize(check.request);
    const tokens = locations.extract(check.request);
    if (tokens.length === 0) return JwtFailure.missing;
    if (tokens.length > TOKENS_MAX) return JwtFailure.tooMany;
    for (const found of tokens) {
      const jwt = this.#provider.verify(found, check.moment, this.#audiences);
      if (typeof jwt === 'string') return jwt;
      accept(this.#provider, jwt, found, check);
    }
    return undefined;
  }
}

function accept(provider: TokenProvider, jwt: Jwt, found: FoundToken, check: TokenCheck): void {
  provider.accept(jwt, found, check.request);
  check.onToken(provider, jwt);
}

/** allow_missing, and allow_missing_or_failed: the latter takes what is good of what is there. */
class OptionalToken implements TokenRequirement {
  readonly #locations: TokenLocations;
  readonly #providers: Providers;
  readonly #mayFail: boolean;

  constructor(siblings: readonly TokenProvider[], providers: Providers, mayFail: boolean) {
    this.#locations = new TokenLocations(siblings.map(({ config }) => config));
    this.#providers = providers;
    this.#mayFail = mayFail;
  }

  check(check: TokenCheck): JwtFailure | undefined {
    this.#locations.sanitize(check.request);
    const tokens = this.#locations.extract(check.request);
    if (tokens.length > TOKENS_MAX && !this.#mayFail) return JwtFailure.tooMany;
    for (const found of tokens.slice(0, TOKENS_MAX)) {
      const failure = this.#take(found, check);
      if (failure !== undefined && !this.#mayFail) return failure;
    }
    return undefined;
  }

  #take(found: FoundToken, check: TokenCheck): JwtFailure | undefined {
    const parsed = parseJwt(found.token);
    if (typeof parsed === 'string') return parsed;
    const provider = this.#providerOf(textClaim(parsed, 'iss'));
    if (provider === undefined) return JwtFailure.unknownIssuer;
    const jwt = provider.verify(found, check.moment);
    if (typeof jwt === 'string') return jwt;
    accept(provider, jwt, found, check);
    return undefined;
  }

  #providerOf(issuer: string): TokenProvider | undefined {
    let any: TokenProvider | undefined;
    for (const provider of this.#providers.values()) {
      if (provider.issuer === issuer) return provider;
      if (provider.issuer === '') any ??= provider;
    }
    return any;
  }
}

class AnyRequirement implements TokenRequirement {
  readonly #requirements: readonly TokenRequirement[];

  constructor(requirements: readonly TokenRequirement[]) {
    this.#requirements = requirements;
  }

  /** That a token is bad says more than that another one is missing. */
  check(check: TokenCheck): JwtFailure | undefined {
    let failure: JwtFailure | undefined;
    for (const requirement of this.#requirements) {
      const own = requirement.check(check);
      if (own === undefined) return undefined;
      if (failure === undefined || !isAbsence(own)) failure = own;
    }
    return failure;
  }
}

function isAbsence(failure: JwtFailure): boolean {
  return failure === JwtFailure.missing || failure === JwtFailure.unknownIssuer;
}

class AllRequirements implements TokenRequirement {
  readonly #requirements: readonly TokenRequirement[];

  constructor(requirements: readonly TokenRequirement[]) {
    this.#requirements = requirements;
  }

  check(check: TokenCheck): JwtFailure | undefined {
    for (const requirement of this.#requirements) {
      const failure = requirement.check(check);
      if (failure !== undefined) return failure;
    }
    return undefined;
  }
}
