// What is in force as digests, for the audit log; of secrets only what their certificates say to everybody.
import { createHash, X509Certificate } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { canonicalJson, type Json } from '../base/canonical-json.ts';
import type { Secret } from '../config/tls.ts';
import type { NamedResource, ResourceKind } from './messages.ts';

/** A resource that came into force, as records name it. */
export interface Digested {
  readonly name: string;
  /** SHA-256 of its canonical JSON; absent for secrets, and for what was not there before. */
  readonly before?: string;
  readonly after?: string;
  /** Of a secret: its certificates, first the leaf. */
  readonly certificates?: readonly Json[];
}

/** Resources between turns of the event loop. */
const SLICE = 20;
const CERTIFICATES_MAX = 10;

export class ConfigDigests {
  readonly #byKind = new Map<ResourceKind, Map<string, string>>();

  of(kind: ResourceKind, name: string): string | undefined {
    return this.#byKind.get(kind)?.get(name);
  }

  forget(kind: ResourceKind, name: string): string | undefined {
    const before = this.of(kind, name);
    this.#byKind.get(kind)?.delete(name);
    return before;
  }

  async update(kind: ResourceKind, resources: readonly NamedResource[]): Promise<Digested[]> {
    const known = this.#byKind.get(kind) ?? new Map<string, string>();
    this.#byKind.set(kind, known);
    const digested: Digested[] = [];
    for (const [at, { name, resource }] of resources.entries()) {
      if (at % SLICE === SLICE - 1) await turn();
      if (kind === 'secret') {
        digested.push({ name, certificates: certificatesOf(resource as Secret) });
        continue;
      }
      const before = known.get(name);
      const after = createHash('sha256').update(canonicalJson(resource as Json)).digest('hex');
      known.set(name, after);
      digested.push({ name, ...(before !== undefined && { before }), after });
    }
    return digested;
  }
}

function certificatesOf({ tlsCertificate, validationContext }: Secret): Json[] {
  const source = tlsCertificate?.certificateChain ?? validationContext?.trustedCa;
  const pem = source?.inlineString ?? Buffer.from(source?.inlineBytes ?? '', 'base64').toString('latin1');
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return found.slice(0, CERTIFICATES_MAX).map(certificateFacts);
}

function certificateFacts(pem: string): Json {
  try {
    const { fingerprint256, serialNumber, subjectAltName, validToDate } = new X509Certificate(pem);
    return {
      sha256: fingerprint256.replaceAll(':', '').toLowerCase(), serial: serialNumber.toLowerCase(),
      notAfter: validToDate.toISOString(), ...(subjectAltName !== undefined && { names: subjectAltName.slice(0, 512) }),
    };
  } catch {
    return 'unreadable';
  }
}
