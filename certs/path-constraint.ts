// What the authorities of a chain may sign, beyond names and signatures: how deep below them, and whose ids
// (RFC 5280 4.2.1.9, 4.2.1.10).
import type { X509Certificate } from 'node:crypto';
import { DerTag, childrenOf, contentsOf, itemsOf, readWhole } from './der.ts';
import { readCertificate } from './x509.ts';

/**
 * Why an authority of `path` (leaf first, the root last) may not stand above the leaf, whose SPIFFE id is of
 * `trustDomain`; in words, or undefined when all may.
 */
export function constraintFault(path: readonly X509Certificate[], trustDomain: string): string | undefined {
  for (let depth = 1; depth < path.length; depth++) {
    const fields = readCertificate(path[depth]!.raw);
    if (fields === undefined) return `certificate ${depth + 1} of the chain is not readable as DER`;
    // Authorities between this one and the leaf; those that sign themselves anew are not told apart.
    if (fields.pathLength !== undefined && depth - 1 > fields.pathLength) {
      return `certificate ${depth + 1} of the chain may not have so many below it`;
    }
    if (fields.nameConstraints !== undefined && !permits(fields.nameConstraints, trustDomain)) {
      return `certificate ${depth + 1} of the chain may not sign for ${trustDomain}`;
    }
  }
  return undefined;
}

const PERMITTED = 0xa0;
const EXCLUDED = 0xa1;
const URI = 0x86;

/** Only what it says of URIs is looked at, by their host; what cannot be read permits nothing. */
function permits(der: Buffer, host: string): boolean {
  const parts = itemsOf(readWhole(der, DerTag.sequence));
  if (parts === undefined) return false;
  for (const part of parts) {
    const hosts = uriHosts(part);
    if (hosts === undefined || (part.tag !== PERMITTED && part.tag !== EXCLUDED)) return false;
    const isNamed = hosts.some((constraint) => isWithin(host, constraint));
    if (part.tag === PERMITTED ? hosts.length > 0 && !isNamed : isNamed) return false;
  }
  return true;
}

/** The URI bases of GeneralSubtrees; undefined when they cannot be read, or have the distances that nobody may use. */
function uriHosts(subtrees: Parameters<typeof childrenOf>[0]): string[] | undefined {
  const hosts: string[] = [];
  for (const subtree of childrenOf(subtrees) ?? [undefined]) {
    const [base, ...distances] = itemsOf(subtree) ?? [];
    if (base === undefined || distances.length > 0) return undefined;
    if (base.tag === URI) hosts.push(contentsOf(base).toString('latin1').toLowerCase());
  }
  return hosts;
}

/** `.example.com` is all hosts below, `example.com` that host alone. */
function isWithin(host: string, constraint: string): boolean {
  return constraint.startsWith('.') ? host.endsWith(constraint) && host.length > constraint.length
    : host === constraint;
}
