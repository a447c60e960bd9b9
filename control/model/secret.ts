// Kubernetes Secrets, of which the mesh reads certificates, keys and roots (`kubernetes.io/tls`, or Istio's own names),
// and what gateways log users in with, or attach to requests on their way out.
import { string } from '../../proxy/config/scalar.ts';
import { message, optional, Refusal, schemaOf, secret, type Schema, type Static } from '../../proxy/config/schema.ts';
import { objectHead } from './object-meta.ts';
import { opaque } from './scalar.ts';

/** What is read of a Secret; the rest is not kept. */
const KEYS = ['tls.crt', 'tls.key', 'ca.crt', 'ca.crl', 'cert', 'key', 'cacert', 'crl', 'client-secret',
  'cookie-secret', 'credential'] as const;
export type SecretTexts = Readonly<Partial<Record<(typeof KEYS)[number], string>>>;

interface Leaf {
  readonly kind: 'leaf';
  read(input: unknown): unknown;
}

/** No message shows a value. */
function texts(read: (text: string) => string | undefined, form: string): Schema<SecretTexts> {
  return schemaOf<SecretTexts, Leaf>({ type: 'object' }, {
    kind: 'leaf',
    read: (input) => {
      if (typeof input !== 'object' || input === null || Array.isArray(input)) return new Refusal('must be an object');
      const found: Partial<Record<string, string>> = {};
      for (const [key, value] of Object.entries(input)) {
        if (!KEYS.some((known) => known === key)) continue;
        const text = typeof value === 'string' ? read(value) : undefined;
        if (text === undefined) return new Refusal(`must be ${form}`, [key]);
        found[key] = text;
      }
      return found;
    },
  });
}

function fromBase64(text: string): string | undefined {
  const compact = text.replaceAll(/\s/g, '');
  return /^[A-Za-z0-9+/]*={0,2}$/.test(compact) ? Buffer.from(compact, 'base64').toString('latin1') : undefined;
}

/** As it is written. */
export function plainTexts(): Schema<SecretTexts> {
  return texts((text) => text, 'text');
}

export const Secret = message('k8s.v1.Secret', {
  ...objectHead,
  type: optional(string(), 'Not read: the keys of data say what it holds.'),
  data: secret(optional(texts(fromBase64, 'base64'), 'Values in base64, of which tls.crt, tls.key, ca.crt, ca.crl '
    + '(or cert, key, cacert and crl) are read.')),
  stringData: secret(optional(texts((text) => text, 'text'), 'The same as they are; goes before data.')),
  immutable: optional(opaque(), 'Kubernetes acts on it; not read here.'),
});
export interface Secret extends Static<typeof Secret> {}
