// Leaves that Kubernetes and Istio objects have beside protobuf's: Go durations, int-or-string, names, opaque parts.
import { isIP } from 'node:net';
import { getCiphers } from 'node:tls';
import { parseCidr } from '../../proxy/base/cidr.ts';
import { compileRegex } from '../../proxy/base/regex.ts';
import { ConfigError } from '../../proxy/base/error.ts';
import { formatDuration } from '../../proxy/config/duration.ts';
import { Refusal, schemaOf, type Schema } from '../../proxy/config/schema.ts';

function leaf<T>(keywords: object, read: (input: unknown) => unknown): Schema<T> {
  return schemaOf<T, { kind: 'leaf'; read: typeof read }>(keywords, { kind: 'leaf', read });
}

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['h', 3_600_000], ['m', 60_000], ['s', 1000], ['ms', 1], ['us', 0.001], ['µs', 0.001], ['ns', 0.000001],
]);

/** Milliseconds of Go's `1h30m`, `1.5s`, `250ms`; undefined when malformed or negative. */
export function goDurationMs(text: string): number | undefined {
  if (!/^([0-9]{1,12}(\.[0-9]{1,9})?(h|ms|m|s|us|µs|ns)){1,6}$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9.]+)(h|ms|m|s|us|µs|ns)/g)) {
    total += Number(amount) * (UNIT_MS.get(unit ?? '') ?? 0);
  }
  return total;
}

/** A duration as Istio takes it (`7s`, `500ms`, `1h`); becomes protobuf's form (`0.5s`). */
export function goDuration(rules: { readonly atLeastMs?: number } = {}): Schema<string> {
  const { atLeastMs = 0 } = rules;
  return leaf({ type: 'string' }, (input) => {
    const ms = typeof input === 'string' ? goDurationMs(input) : undefined;
    if (ms === undefined) return new Refusal(`must be a duration like '1.5s', '500ms' or '1h', is ${show(input)}`);
    return ms < atLeastMs ? new Refusal(`must be at least ${atLeastMs}ms`) : formatDuration(ms);
  });
}

/** A port by number or by name (Service.targetPort). */
export function intOrString(): Schema<number | string> {
  return leaf({ type: ['integer', 'string'] }, (input) => {
    const isPort = typeof input === 'number' && Number.isInteger(input) && input > 0 && input < 65_536;
    if (isPort || (typeof input === 'string' && input.length > 0)) return input;
    return new Refusal(`must be a port number or the name of a port, is ${show(input)}`);
  });
}

/** A part of an object that has no bearing on the mesh (a container's image): taken as it is and not looked at. */
export function opaque(): Schema<unknown> {
  return leaf({}, (input) => input);
}

/** DNS-1123 label: names of services, service accounts and namespaces. */
export function label(): Schema<string> {
  return matching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "a name of lower-case letters, digits and '-'");
}

/** DNS-1123 subdomain: names of most objects. */
export function objectName(): Schema<string> {
  return matching(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, "a name of lower-case letters, digits, '-' and '.'");
}

/** A host as rules name it: short, fully qualified, `*`, or with a wildcard as its first label. Becomes lower case. */
export function hostPattern(): Schema<string> {
  const form = /^(\*|(\*\.)?[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?)*)$/;
  return leaf({ type: 'string' }, (input) => {
    if (typeof input === 'string' && input.length <= 253 && form.test(input.toLowerCase())) return input.toLowerCase();
    return new Refusal(`must be a host name, which may start with '*.', is ${show(input)}`);
  });
}

/** RE2, compiled once here so that a bad one is refused where it is written and not by every proxy. */
export function regex(): Schema<string> {
  return leaf({ type: 'string', format: 're2' }, (input) => {
    if (typeof input !== 'string') return new Refusal(`must be a regular expression, is ${show(input)}`);
    // Istio's word for `whatever is there`.
    return input === '*' ? input : regexFault(input) ?? input;
  });
}

function regexFault(source: string): Refusal | undefined {
  try {
    compileRegex(source, '');
    return undefined;
  } catch (cause) {
    if (cause instanceof ConfigError) return new Refusal(cause.reason);
    throw cause;
  }
}

/** An IP address, without a port. */
export function ipAddress(): Schema<string> {
  return leaf({ type: 'string' }, (input) => (typeof input === 'string' && isIP(input) !== 0 ? input
    : new Refusal(`must be an IP address, is ${show(input)}`)));
}

/** `10.0.0.1` or `10.0.0.0/8`. */
export function addressRange(): Schema<string> {
  return leaf({ type: 'string' }, (input) => {
    if (typeof input === 'string' && isIP(input.split('/', 1)[0] ?? '') !== 0 && isCidr(input)) return input;
    return new Refusal(`must be an IP address or a range like 10.0.0.0/8, is ${show(input)}`);
  });
}

function isCidr(text: string): boolean {
  try {
    parseCidr(text);
    return true;
  } catch {
    return false;
  }
}

/** OpenSSL's name of a cipher suite that the runtime has. */
export function cipherSuite(): Schema<string> {
  const known = new Set(getCiphers());
  return leaf({ type: 'string' }, (input) => {
    if (typeof input === 'string' && known.has(input.toLowerCase())) return input;
    return new Refusal(`must be a cipher suite of OpenSSL, such as ECDHE-RSA-AES256-GCM-SHA384, is ${show(input)}`);
  });
}

/** Any text that fits `form`; V8's engine, since the forms are this file's and linear. */
export function matching(form: RegExp, what: string): Schema<string> {
  return leaf({ type: 'string', pattern: form.source }, (input) => {
    if (typeof input === 'string' && form.test(input)) return input;
    return new Refusal(`must be ${what}, is ${show(input)}`);
  });
}

function show(input: unknown): string {
  if (typeof input === 'string') return `'${input.slice(0, 40)}'`;
  if (Array.isArray(input)) return 'a list';
  return typeof input === 'object' && input !== null ? 'an object' : String(input);
}
