// One login configuration at work: the provider with its secrets, and what it last said of itself.
import type { LoginAnswer, LoginEndpoints, LoginProvider, LoginQuestion } from '../config/login-exchange.ts';
import type { SecretMaterial, SecretStore } from '../tls/secret-store.ts';
import { CookieSeal } from './cookie-seal.ts';
import type { LoginService } from './login-link.ts';
import { Sessions } from './login-session.ts';

export interface LoginClientConfig {
  readonly provider: Omit<LoginProvider, 'clientSecret'>;
  /** Names of secrets; at least one is there. */
  readonly clientSecret: string | undefined;
  readonly cookieSecret: string | undefined;
}

/** What requests need, of one generation of secrets. */
export interface LoginKeys {
  readonly provider: LoginProvider;
  readonly seal: CookieSeal;
  readonly sessions: Sessions;
}

/** A provider that moves is found again after so long. */
const ENDPOINTS_KEPT_MS = 600_000;
/** A client secret is random, or cookies must have a key of their own. */
const CLIENT_SECRET_LENGTH_MIN = 16;

export class LoginClient {
  readonly #config: LoginClientConfig;
  readonly #secrets: SecretStore;
  readonly #service: LoginService;
  #made: readonly (SecretMaterial | undefined)[] = [];
  #keys: LoginKeys | undefined = undefined;
  #endpoints: LoginEndpoints | undefined;
  #endpointsMs = 0;

  constructor(config: LoginClientConfig, secrets: SecretStore, service: LoginService) {
    this.#config = config;
    this.#secrets = secrets;
    this.#service = service;
    this.#endpoints = config.provider.endpoints;
  }

  /** Undefined while a secret is missing, or one cannot be used: nobody is let in. */
  get keys(): LoginKeys | undefined {
    const { clientSecret, cookieSecret } = this.#config;
    const client = clientSecret === undefined ? undefined : this.#secrets.get(clientSecret);
    const cookie = cookieSecret === undefined ? undefined : this.#secrets.get(cookieSecret);
    if (this.#made[0] !== client || this.#made[1] !== cookie) {
      this.#made = [client, cookie];
      this.#keys = this.#make(client?.generic, cookie?.generic);
    }
    return this.#keys;
  }

  /** False where too many wait already; then `done` is not called. */
  ask(keys: LoginKeys, question: LoginQuestion, done: (answer: LoginAnswer) => void): boolean {
    return this.#service.ask(keys.provider, question, done);
  }

  /** Where users log in and out, as far as it is known and not too old. */
  endpoints(nowMs: number): LoginEndpoints | undefined {
    const fixed = this.#config.provider.endpoints !== undefined;
    return fixed || nowMs - this.#endpointsMs < ENDPOINTS_KEPT_MS ? this.#endpoints : undefined;
  }

  learn(endpoints: LoginEndpoints, nowMs: number): void {
    this.#endpoints = endpoints;
    this.#endpointsMs = nowMs;
  }

  #make(client: string | undefined, cookie: string | undefined): LoginKeys | undefined {
    const { provider, clientSecret, cookieSecret } = this.#config;
    if (clientSecret !== undefined && client === undefined) return undefined;
    const secret = cookieSecret === undefined ? client : cookie;
    if (secret === undefined) return undefined;
    const context = JSON.stringify([provider.issuer, provider.endpoints?.token, provider.clientId]);
    // Envoy's operators have keys for its cookies; weft's own filter asks for longer ones.
    const lengthMin = cookieSecret === undefined || provider.issuer === '' ? CLIENT_SECRET_LENGTH_MIN : undefined;
    try {
      const seal = new CookieSeal(secret, context, 'cookieSecret', lengthMin);
      return { provider: { ...provider, clientSecret: client }, seal, sessions: new Sessions(seal) };
    } catch {
      return undefined;
    }
  }
}
