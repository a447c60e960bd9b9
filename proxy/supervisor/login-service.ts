// The supervisor's side of logins: loads what speaks OpenID when the first worker asks, and answers it.
import type { LoginAnswer, LoginProvider, LoginQuestion } from '../config/login-exchange.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/error.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import type { ConfigStore } from './config-store.ts';
import type { LoginProviders } from './login-provider.ts';

export class LoginDesk {
  readonly #log: ComponentLog;
  readonly #clock: Clock;
  readonly #store: ConfigStore;
  #providers: Promise<LoginProviders> | undefined = undefined;

  constructor(log: ComponentLog, clock: Clock, store: ConfigStore) {
    this.#store = store;
    this.#log = log;
    this.#clock = clock;
  }

  /** Never rejects. */
  async answer(provider: LoginProvider, question: LoginQuestion): Promise<LoginAnswer> {
    const answer = await this.#ask(provider, question);
    if (answer.kind === 'failed') {
      this.#log.warning(`login by ${nameOf(provider)} (${question.kind}): ${answer.reason}`);
    }
    return answer;
  }

  async stop(): Promise<void> {
    (await this.#providers)?.close();
  }

  async #ask(provider: LoginProvider, question: LoginQuestion): Promise<LoginAnswer> {
    try {
      this.#providers ??= load(this.#clock);
      return await (await this.#providers).answer(provider, question, this.#store);
    } catch (cause) {
      this.#providers = undefined;
      return { kind: 'failed', unreachable: true, reason: messageOf(cause) };
    }
  }
}

async function load(clock: Clock): Promise<LoginProviders> {
  const { LoginProviders } = await import('./login-provider.ts');
  return new LoginProviders(clock);
}

function nameOf({ issuer, endpoints }: LoginProvider): string {
  return issuer === '' ? endpoints?.token ?? '' : issuer;
}
