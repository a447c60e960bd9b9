// SPIFFE identities: what the mesh calls a workload, as text and in parts.

/** Longest SPIFFE id and longest trust domain, in bytes (SPIFFE-ID 2.3, 2.1). */
export const SPIFFE_ID_BYTES_MAX = 2048;
const TRUST_DOMAIN_BYTES_MAX = 255;
const SCHEME = 'spiffe://';

/**
 * A workload's identity. `path` starts with `/` and is never empty: a bare trust domain names no workload.
 * `namespace` and `serviceAccount` are there when the path is Istio's `/ns/<ns>/sa/<sa>`.
 */
export interface SpiffeId {
  readonly trustDomain: string;
  readonly path: string;
  readonly namespace?: string;
  readonly serviceAccount?: string;
}

/**
 * Reads a SPIFFE id strictly as the SPIFFE-ID standard spells it (section 2): lower-case trust domain, no port, user,
 * query, fragment or percent-encoding, no empty, `.` or `..` segment. All else, and a bare trust domain, is undefined.
 */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  if (text.length > SPIFFE_ID_BYTES_MAX || !text.startsWith(SCHEME)) return undefined;
  const slash = text.indexOf('/', SCHEME.length);
  if (slash === -1) return undefined;
  const trustDomain = text.slice(SCHEME.length, slash);
  const path = text.slice(slash);
  if (!isTrustDomain(trustDomain) || !isPath(path)) return undefined;
  const [, ns, namespace, sa, serviceAccount, more] = path.split('/', 6);
  if (ns !== 'ns' || sa !== 'sa' || namespace === undefined || serviceAccount === undefined || more !== undefined) {
    return { trustDomain, path };
  }
  return { trustDomain, path, namespace, serviceAccount };
}

/** The text of an identity; the inverse of parseSpiffeId. */
export function formatSpiffeId(id: SpiffeId): string {
  return `${SCHEME}${id.trustDomain}${id.path}`;
}

/** Istio's identity of a service account, or undefined when a part has characters that a SPIFFE id cannot hold. */
export function workloadSpiffeId(trustDomain: string, namespace: string, serviceAccount: string): SpiffeId | undefined {
  const id = parseSpiffeId(`${SCHEME}${trustDomain}/ns/${namespace}/sa/${serviceAccount}`);
  return id?.namespace === namespace && id.serviceAccount === serviceAccount ? id : undefined;
}

/** The id of a trust domain itself, which signing certificates carry (X509-SVID 4.1). */
export function trustDomainUri(trustDomain: string): string {
  return SCHEME + trustDomain;
}

/** True for a trust domain name: 1 to 255 of a-z, 0-9, `.`, `-` and `_`. */
export function isTrustDomain(text: string): boolean {
  if (text.length === 0 || text.length > TRUST_DOMAIN_BYTES_MAX) return false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (!isLowerOrDigit(code) && !isMark(code)) return false;
  }
  return true;
}

function isPath(path: string): boolean {
  let start = 1;
  for (let index = 1; index <= path.length; index++) {
    const code = index === path.length ? SLASH : path.charCodeAt(index);
    if (code === SLASH) {
      if (isDotSegment(path, start, index)) return false;
      start = index + 1;
    } else if (!isLowerOrDigit(code) && !isUpper(code) && !isMark(code)) {
      return false;
    }
  }
  return true;
}

/** Empty, `.` and `..` segments are what a path normaliser would rewrite, so no identity may hold them. */
function isDotSegment(path: string, start: number, end: number): boolean {
  if (end - start > 2) return false;
  for (let index = start; index < end; index++) if (path.charCodeAt(index) !== DOT) return false;
  return true;
}

const DOT = 0x2e;
const SLASH = 0x2f;

function isLowerOrDigit(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39);
}

function isUpper(code: number): boolean {
  return code >= 0x41 && code <= 0x5a;
}

/** `.`, `-` and `_`. */
function isMark(code: number): boolean {
  return code === DOT || code === 0x2d || code === 0x5f;
}
