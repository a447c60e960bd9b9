// The certificates that the mesh issues: root, workload and server, each with its lifetime and usages.
import type { KeyObject } from 'node:crypto';
import { keyIdOf } from './certificate.ts';
import type { CertificateTemplate, SubjectName } from './certificate.ts';
import { Oid } from './oid.ts';
import { formatSpiffeId, trustDomainUri } from './spiffe.ts';
import type { SpiffeId } from './spiffe.ts';
import { KeyUsage } from './x509.ts';

const DAY_MS = 86_400_000;

/** Lifetime of a root made by us: 10 years, as Istio's self-signed root. */
export const ROOT_TTL_MS: number = 3650 * DAY_MS;

/** Lifetime of an intermediate that an offline root signs: a year, cut to what the root has left. */
export const INTERMEDIATE_TTL_MS: number = 365 * DAY_MS;

/** Default lifetime of a leaf, as Istio's SECRET_TTL. */
export const LEAF_TTL_MS: number = DAY_MS;

/** A new certificate is valid from a minute ago, for peers whose clocks are behind; a tenth of a short life. */
export const BACKDATE_MS = 60_000;
const BACKDATE_LIFE_MAX = 1 / 10;

/** A self-signed root; its URI name keeps the trust domain it was made for (X509-SVID 4.1). */
export function rootTemplate(publicKey: KeyObject, trustDomain: string, nowMs: number): CertificateTemplate {
  // The key's id is in the name, so that two roots of one mesh never share a name.
  const name = `weft root CA ${keyIdOf(publicKey).toString('hex', 0, 4)}`;
  return {
    subject: [[Oid.organization, 'weft'], [Oid.commonName, name]],
    publicKey,
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: nowMs + ROOT_TTL_MS,
    names: [{ uri: trustDomainUri(trustDomain) }],
    ca: true,
    keyUsage: KeyUsage.keyCertSign | KeyUsage.crlSign,
    extendedKeyUsage: [],
  };
}

/** An authority under a root, for signing leaves alone. */
export function intermediateTemplate(
  publicKey: KeyObject, trustDomain: string, nowMs: number, rootNotAfterMs: number,
): CertificateTemplate {
  const name = `weft intermediate CA ${keyIdOf(publicKey).toString('hex', 0, 4)}`;
  return {
    ...rootTemplate(publicKey, trustDomain, nowMs),
    subject: [[Oid.organization, 'weft'], [Oid.commonName, name]],
    notAfterMs: Math.min(nowMs + INTERMEDIATE_TTL_MS, rootNotAfterMs),
    pathLength: 0,
  };
}

/** A workload's SVID: empty subject, its SPIFFE id as the only URI; `more` are a server's DNS names and addresses. */
export function leafTemplate(
  publicKey: KeyObject, identity: SpiffeId, nowMs: number, ttlMs: number, more: readonly SubjectName[] = [],
): CertificateTemplate {
  return {
    subject: [],
    publicKey,
    // More than half of a short life in the past would be renewed on and on.
    notBeforeMs: nowMs - Math.min(BACKDATE_MS, ttlMs * BACKDATE_LIFE_MAX),
    notAfterMs: nowMs + ttlMs,
    names: [{ uri: formatSpiffeId(identity) }, ...more],
    ca: false,
    keyUsage: KeyUsage.digitalSignature,
    extendedKeyUsage: [Oid.serverAuth, Oid.clientAuth],
  };
}
