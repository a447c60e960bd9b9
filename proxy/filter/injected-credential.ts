// What the credential injector attaches: a header's value, which is there, is awaited, or cannot be had.
import type { GenericCredential } from '../config/credential-injector.ts';
import { isFieldValue } from '../http/char-class.ts';
import type { SecretStore } from '../tls/secret-store.ts';

/** Hears once that a credential has come, or that none will for now. */
export interface CredentialWaiter {
  onCredential(): void;
}

export interface InjectedCredential {
  /** Lower case. */
  readonly header: string;
  /** Undefined: there is none. */
  value(): string | undefined;
  /** True: `waiter` will hear of the one that is being fetched. */
  waits(waiter: CredentialWaiter): boolean;
  forget(waiter: CredentialWaiter): void;
}

/** A secret as it is; a changed one holds at once. */
export class SecretCredential implements InjectedCredential {
  readonly header: string;
  readonly #secrets: SecretStore;
  readonly #name: string;
  readonly #prefix: string;
  /** The secret that `#value` was made of. */
  #secret: string | undefined = undefined;
  #value: string | undefined = undefined;

  constructor({ credential, header, headerValuePrefix = '' }: GenericCredential, secrets: SecretStore) {
    this.header = (header || 'authorization').toLowerCase();
    this.#secrets = secrets;
    this.#name = credential.name;
    this.#prefix = headerValuePrefix;
  }

  value(): string | undefined {
    const secret = this.#secrets.get(this.#name)?.generic;
    if (secret !== this.#secret) {
      this.#secret = secret;
      const text = secret?.replace(/[\r\n]+$/, '') ?? '';
      this.#value = text !== '' && isFieldValue(text) ? this.#prefix + text : undefined;
    }
    return this.#value;
  }

  waits(): boolean {
    return false;
  }

  forget(): void {}
}
