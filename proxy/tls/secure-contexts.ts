// TLS contexts by what they are made from: thousands of clusters with one identity share one, because each takes
// 50 kB and half a millisecond.
import type { SecureContext } from 'node:tls';
import type { UpstreamTlsContext } from '../config/tls.ts';
import type { TlsMaterial } from './tls-material.ts';

export type MakeContext = (config: UpstreamTlsContext, material: TlsMaterial, tickets: boolean) => SecureContext;

/** Of one worker. Kept as long as the certificate, or without one the roots, that they were made for. */
export class SecureContexts {
  readonly #make: MakeContext;
  readonly #byAnchor = new WeakMap<object, Map<string, SecureContext>>();
  readonly #ids = new WeakMap<object, number>();
  #nextId = 0;

  constructor(make: MakeContext) {
    this.#make = make;
  }

  /** The same material, by object, and the same parameters give the same context. Throws as `make` does. */
  for(config: UpstreamTlsContext, material: TlsMaterial, tickets: boolean): SecureContext {
    const { certificates, validation } = material;
    const roots = validation?.trustedCa;
    const anchor = certificates[0] ?? roots;
    if (anchor === undefined) return this.#make(config, material, tickets);
    let known = this.#byAnchor.get(anchor);
    if (known === undefined) this.#byAnchor.set(anchor, known = new Map());
    const ids = [...certificates, ...(roots === undefined ? [] : [roots])].map((part) => this.#idOf(part));
    const key = JSON.stringify([ids, config.commonTlsContext.tlsParams, validation?.crl, tickets]);
    let context = known.get(key);
    if (context === undefined) known.set(key, context = this.#make(config, material, tickets));
    return context;
  }

  #idOf(part: object): number {
    let id = this.#ids.get(part);
    if (id === undefined) this.#ids.set(part, id = this.#nextId++);
    return id;
  }
}
