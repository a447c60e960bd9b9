// What a CommonTlsContext needs before it can make a handshake: inline certificates at once, SDS ones when they arrive.
import { ConfigError } from '../base/error.ts';
import type { CommonTlsContext } from '../config/tls.ts';
import { compileCertificate } from './certificate-material.ts';
import type { CertificateMaterial } from './certificate-material.ts';
import type { SecretStore, SecretWatcher } from './secret-store.ts';
import { compileValidation, mergeValidation, verifies } from './validation-material.ts';
import type { ValidationMaterial } from './validation-material.ts';

/** Everything of one generation of a context. */
export interface TlsMaterial {
  readonly certificates: readonly CertificateMaterial[];
  /** Undefined: peers are not verified. */
  readonly validation: ValidationMaterial | undefined;
}

/** Follows the secrets that a context names and tells `onChange` whenever all are there and one of them is new. */
export class MaterialSource implements SecretWatcher {
  readonly #path: string;
  readonly #store: SecretStore;
  readonly #onChange: (material: TlsMaterial) => void;
  readonly #inline: readonly CertificateMaterial[];
  readonly #certificateNames: readonly string[];
  readonly #validation: ValidationMaterial | undefined;
  readonly #validationName: string | undefined;

  /** A ConfigError when an inline part is malformed. */
  constructor(config: CommonTlsContext, path: string, store: SecretStore, onChange: (material: TlsMaterial) => void) {
    this.#path = path;
    this.#store = store;
    this.#onChange = onChange;
    const combined = config.combinedValidationContext;
    const inline = config.validationContext ?? combined?.defaultValidationContext;
    this.#inline = (config.tlsCertificates ?? []).map((certificate, i) => (
      compileCertificate(certificate, `${path}.tlsCertificates[${i}]`)
    ));
    this.#certificateNames = (config.tlsCertificateSdsSecretConfigs ?? []).map(({ name }) => name);
    this.#validation = inline === undefined ? undefined : compileValidation(inline, `${path}.validationContext`);
    const fetched = config.validationContextSdsSecretConfig ?? combined?.validationContextSdsSecretConfig;
    this.#validationName = fetched?.name;
    if (this.#inline.length > 0 && this.#certificateNames.length > 0) {
      throw new ConfigError(`${path}.tlsCertificates`, 'excludes SDS certificates');
    }
  }

  /** Begins to follow; `onChange` is called before this returns when nothing is missing. */
  start(): void {
    for (const name of this.#names()) this.#store.watch(name, this);
    try {
      this.onSecret();
    } catch (cause) {
      this.close();
      throw cause;
    }
  }

  close(): void {
    for (const name of this.#names()) this.#store.unwatch(name, this);
  }

  /** Names of secrets that are not there yet, for errors and /listeners. */
  missing(): string[] {
    return this.#names().filter((name) => this.#store.get(name) === undefined);
  }

  onSecret(): void {
    const certificates = [...this.#inline];
    for (const name of this.#certificateNames) {
      const certificate = this.#store.get(name)?.certificate;
      if (certificate === undefined) return;
      certificates.push(certificate);
    }
    const validation = this.#currentValidation();
    if (validation === 'missing') return;
    const verified = validation !== undefined && verifies(validation);
    if (!verified && validation !== undefined && validation.sanMatchers.length > 0) {
      throw new ConfigError(`${this.#path}.validationContext`, 'matches names but verifies none: add trusted_ca');
    }
    if (validation?.crl !== undefined && validation.trustedCa === undefined) {
      throw new ConfigError(`${this.#path}.validationContext.crl`, 'needs trusted_ca, whose authorities it is of');
    }
    this.#onChange({ certificates, validation: verified ? validation : undefined });
  }

  #currentValidation(): ValidationMaterial | undefined | 'missing' {
    if (this.#validationName === undefined) return this.#validation;
    const received = this.#store.get(this.#validationName)?.validation;
    if (received === undefined) return 'missing';
    return this.#validation === undefined ? received : mergeValidation(this.#validation, received);
  }

  #names(): string[] {
    const names = [...this.#certificateNames];
    if (this.#validationName !== undefined) names.push(this.#validationName);
    return names;
  }
}
