// Whether a certificate that was just issued belongs to a root: names, signatures, validity and CA flags.
import { X509Certificate, createHash } from 'node:crypto';
import { pemBlocks } from './pem.ts';

/** Longest chain from leaf to root, as the data plane's handshakes allow (S62). */
export const CHAIN_DEPTH_MAX = 10;

/** Certificates of a PEM text, in its order; undefined when a block cannot be read or there are over 100. */
export function readCertificates(pem: string): X509Certificate[] | undefined {
  const blocks = pemBlocks(pem, 'CERTIFICATE');
  if (blocks === undefined || blocks.length > 100) return undefined;
  try {
    return blocks.map((der) => new X509Certificate(der));
  } catch {
    return undefined;
  }
}

/**
 * Why `chain` (leaf first, then its issuers) does not lead to one of `roots` at `nowMs`, in words; undefined when it
 * does. It finds a mixed-up CA before peers do; handshakes still get OpenSSL's full path validation.
 */
export function chainFault(
  chain: readonly X509Certificate[], roots: readonly X509Certificate[], nowMs: number,
): string | undefined {
  if (chain.length === 0) return 'there is no certificate';
  if (chain.length > CHAIN_DEPTH_MAX) return `the chain is longer than ${CHAIN_DEPTH_MAX} certificates`;
  for (let depth = 0; depth < chain.length; depth++) {
    const certificate = chain[depth]!;
    const fault = validityFault(certificate, nowMs);
    if (fault !== undefined) return `certificate ${depth + 1} of the chain ${fault}`;
    const root = roots.find((candidate) => isIssuer(certificate, candidate));
    if (root !== undefined) return rootFault(root, nowMs);
    const issuer = chain[depth + 1];
    if (issuer !== undefined && !isIssuer(certificate, issuer)) {
      return `certificate ${depth + 1} of the chain was not issued by the next one`;
    }
  }
  return 'the chain does not lead to a trusted root';
}

/** The root to which a chain leads (leaf first), whatever the time; undefined when it leads to none of them. */
export function rootOf(
  chain: readonly X509Certificate[], roots: readonly X509Certificate[],
): X509Certificate | undefined {
  for (const certificate of chain) {
    const root = roots.find((candidate) => isIssuer(certificate, candidate));
    if (root !== undefined) return root;
  }
  return undefined;
}

/** Tells one bundle from another in 32 bits, by its certificates in their order: authority and sidecars agree on it. */
export function bundleNumber(roots: readonly X509Certificate[]): number {
  const digest = createHash('sha256');
  for (const { raw } of roots) digest.update(raw);
  return digest.digest().readUInt32BE(0);
}

/** A leaf with those of `issuers` that lead upward from it, without a root. */
export function chainThrough(leaf: X509Certificate, issuers: readonly X509Certificate[]): X509Certificate[] {
  const chain = [leaf];
  while (chain.length < CHAIN_DEPTH_MAX) {
    const last = chain.at(-1)!;
    const issuer = issuers.find((candidate) => !chain.includes(candidate) && isIssuer(last, candidate));
    if (issuer === undefined || issuer.checkIssued(issuer)) break;
    chain.push(issuer);
  }
  return chain;
}

/** Why a certificate is not valid at this time, in words. */
export function validityFault(certificate: X509Certificate, nowMs: number): string | undefined {
  if (nowMs < certificate.validFromDate.getTime()) {
    return `is not valid before ${certificate.validFromDate.toISOString()}; compare the clocks`;
  }
  if (nowMs > certificate.validToDate.getTime()) return `expired at ${certificate.validToDate.toISOString()}`;
  return undefined;
}

function rootFault(root: X509Certificate, nowMs: number): string | undefined {
  const fault = validityFault(root, nowMs);
  return fault === undefined ? undefined : `the root ${fault}`;
}

function isIssuer(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
