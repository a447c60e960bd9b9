// The credential injector: requests are given a header by which the server outside knows who sends them.
import type { CredentialInjector } from '../config/credential-injector.ts';
import { GENERIC_CREDENTIAL_TYPE } from '../config/type-url.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { Counter } from '../telemetry/stats.ts';
import type { FilterStream, HttpFilter, LocalReply, Verdict } from './filter.ts';
import { SecretCredential } from './injected-credential.ts';
import type { CredentialWaiter, InjectedCredential } from './injected-credential.ts';
import { OAuthCredential } from './oauth-credential.ts';
import type { OAuthDeps } from './oauth-credential.ts';
import { FILTER_ON } from './route-filter-config.ts';
import { routeFilterConfig } from './route-filter-lookup.ts';

const UNAUTHORIZED = 401;
/** Sources of tokens that outlive a change of configuration; the one that is longest unused goes first. */
const SOURCES_MAX = 256;

export interface CredentialInjectorDeps extends OAuthDeps {
  /** What filters keep from one configuration to the next. */
  readonly kept: Map<string, unknown>;
  /** Routes turn it on. */
  readonly isDisabled: boolean;
}

export class CredentialInjectorFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #credential: InjectedCredential;
  readonly #overwrites: boolean;
  readonly #isOptional: boolean;
  readonly #isDisabled: boolean;
  readonly #injected: Counter;
  readonly #failed: Counter;
  readonly #alreadyExists: Counter;

  constructor(name: string, config: CredentialInjector, deps: CredentialInjectorDeps) {
    this.name = name;
    this.#credential = credentialOf(config, deps);
    this.#overwrites = config.overwrite === true;
    this.#isOptional = config.allowRequestWithoutCredential === true;
    this.#isDisabled = deps.isDisabled;
    const counter = (what: string): Counter =>
      deps.stats.counter(statName(deps.scope, `credential_injector.${what}`));
    [this.#injected, this.#failed] = [counter('injected'), counter('failed')];
    this.#alreadyExists = counter('already_exists');
  }

  onRequestHead(stream: FilterStream): Verdict {
    if (this.#isDisabled && routeFilterConfig(stream, this.name) !== FILTER_ON) return 'continue';
    if (!this.#overwrites && stream.request.headers.get(this.#credential.header) !== undefined) {
      this.#alreadyExists.inc();
      return 'continue';
    }
    const value = this.#credential.value();
    if (value !== undefined) return this.#inject(stream, value);
    const waiting = new Waiting(this, stream);
    if (!this.#credential.waits(waiting)) return this.#refuse(stream);
    stream.setState(this.index, waiting);
    return 'pause';
  }

  onComplete(stream: FilterStream): void {
    const waiting = stream.getState(this.index);
    if (waiting !== undefined) this.#credential.forget(waiting as Waiting);
  }

  /** The fetch that a request waited for is over. */
  resume(stream: FilterStream): void {
    stream.setState(this.index, undefined);
    const value = this.#credential.value();
    const verdict = value === undefined ? this.#refuse(stream) : this.#inject(stream, value);
    if (verdict === 'continue') stream.resumeRequest();
  }

  #inject({ request }: FilterStream, value: string): Verdict {
    request.headers.set(this.#credential.header, value);
    this.#injected.inc();
    return 'continue';
  }

  #refuse(stream: FilterStream): Verdict {
    this.#failed.inc();
    if (this.#isOptional) return 'continue';
    stream.sendLocalReply(REFUSAL);
    return 'replied';
  }
}

const REFUSAL: LocalReply = {
  status: UNAUTHORIZED, body: 'Failed to inject credential.', detail: 'failed_to_inject_credential', flags: 0,
};

class Waiting implements CredentialWaiter {
  readonly #filter: CredentialInjectorFilter;
  readonly #stream: FilterStream;

  constructor(filter: CredentialInjectorFilter, stream: FilterStream) {
    this.#filter = filter;
    this.#stream = stream;
  }

  onCredential(): void {
    this.#filter.resume(this.#stream);
  }
}

/** A source of tokens is fetched from at once, so that few requests wait. */
function credentialOf({ credential: { typedConfig } }: CredentialInjector, deps: CredentialInjectorDeps):
InjectedCredential {
  if (typedConfig['@type'] === GENERIC_CREDENTIAL_TYPE) return new SecretCredential(typedConfig, deps.secrets);
  const { kept, scope } = deps;
  const sources = (kept.get('oauth2 tokens') ?? new Map<string, OAuthCredential>()) as Map<string, OAuthCredential>;
  kept.set('oauth2 tokens', sources);
  const key = JSON.stringify([scope, typedConfig]);
  const source = sources.get(key) ?? new OAuthCredential(typedConfig, deps);
  sources.delete(key);
  sources.set(key, source);
  const [oldest] = sources.keys();
  if (sources.size > SOURCES_MAX && oldest !== undefined) sources.delete(oldest);
  source.value();
  return source;
}
