// The secrets of one worker by name, as SDS brings them. Holders of a context are told when a name's secret changes.
import { ConfigError } from '../base/error.ts';
import type { Secret } from '../config/tls.ts';
import { compileCertificate } from './certificate-material.ts';
import type { CertificateMaterial } from './certificate-material.ts';
import { readDataSource } from './data-source.ts';
import { compileValidation } from './validation-material.ts';
import type { ValidationMaterial } from './validation-material.ts';

/** A compiled secret; exactly one of the three is there. */
export interface SecretMaterial {
  readonly certificate: CertificateMaterial | undefined;
  readonly validation: ValidationMaterial | undefined;
  /** A password or key of a filter, without the line's end after it. */
  readonly generic?: string;
}

export interface SecretWatcher {
  /** The secret of this name is there, or another than before. A ConfigError refuses it. */
  onSecret(name: string): void;
}

export class SecretStore {
  readonly #secrets = new Map<string, SecretMaterial>();
  readonly #watchers = new Map<string, Set<SecretWatcher>>();

  get(name: string): SecretMaterial | undefined {
    return this.#secrets.get(name);
  }

  /**
   * Takes a new or changed secret. A ConfigError, also of a context that cannot use it, leaves the one before in use.
   */
  apply(secret: Secret): void {
    const { name } = secret;
    const before = this.#secrets.get(name);
    this.#secrets.set(name, compileSecret(secret));
    try {
      this.#tell(name);
    } catch (cause) {
      if (before === undefined) {
        this.#secrets.delete(name);
      } else {
        this.#secrets.set(name, before);
        this.#tell(name);
      }
      throw cause;
    }
  }

  /** Contexts that have it keep it (a deleted secret must not cut traffic); new ones wait for it to come back. */
  remove(name: string): void {
    this.#secrets.delete(name);
  }

  watch(name: string, watcher: SecretWatcher): void {
    const watchers = this.#watchers.get(name);
    if (watchers === undefined) this.#watchers.set(name, new Set([watcher]));
    else watchers.add(watcher);
  }

  unwatch(name: string, watcher: SecretWatcher): void {
    const watchers = this.#watchers.get(name);
    watchers?.delete(watcher);
    if (watchers?.size === 0) this.#watchers.delete(name);
  }

  /** A copy of the watchers, because one that becomes ready may add others. */
  #tell(name: string): void {
    for (const watcher of [...(this.#watchers.get(name) ?? [])]) watcher.onSecret(name);
  }

  /** Names that somebody waits for or uses; what the agent has to keep fresh. */
  watchedNames(): string[] {
    return [...this.#watchers.keys()];
  }
}

function compileSecret(secret: Secret): SecretMaterial {
  const { tlsCertificate, validationContext, genericSecret } = secret;
  if (tlsCertificate !== undefined) {
    return { certificate: compileCertificate(tlsCertificate, 'tlsCertificate'), validation: undefined };
  }
  if (validationContext !== undefined) {
    return { certificate: undefined, validation: compileValidation(validationContext, 'validationContext') };
  }
  if (genericSecret?.secret !== undefined) {
    const generic = readDataSource(genericSecret.secret, 'genericSecret.secret').toString('utf8').replace(/\r?\n$/, '');
    return { certificate: undefined, validation: undefined, generic };
  }
  const parts = 'tls_certificate, validation_context nor generic_secret';
  throw new ConfigError('', `holds neither ${parts}`, `secret ${secret.name}`);
}
