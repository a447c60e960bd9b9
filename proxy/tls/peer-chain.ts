// The certificates that a peer showed: how many there may be (S62), and until when they hold together (S58).
import type { X509Certificate } from 'node:crypto';
import { LIMITS } from '../config/limits.ts';

/** The leaf and what came after it, in the peer's order; undefined when those are more than a chain may have. */
export function shownChain(leaf: X509Certificate): X509Certificate[] | undefined {
  const chain = [leaf];
  for (let next = leaf.issuerCertificate; next !== undefined; next = next.issuerCertificate) {
    if (chain.length === LIMITS.peerCertificatesMax) return undefined;
    chain.push(next);
  }
  return chain;
}

/**
 * Unix time in milliseconds at which the first certificate on the way from the leaf upwards ends, of a chain that was
 * found good at `verifiedMs`.
 */
export function chainEndMs(chain: readonly X509Certificate[], verifiedMs: number): number {
  let certificate = chain[0]!;
  let endMs = certificate.validToDate.getTime();
  for (const issuer of chain.slice(1)) {
    // What came beside the way, such as a root's next one, ends nothing.
    if (!certificate.checkIssued(issuer)) continue;
    const issuerEndMs = issuer.validToDate.getTime();
    // It was out of date before, and OpenSSL found another way.
    if (issuerEndMs < verifiedMs) break;
    endMs = Math.min(endMs, issuerEndMs);
    certificate = issuer;
  }
  return endMs;
}

/** Clients whose chains are remembered; past this the oldest is forgotten, and judged by its leaf. */
const CHAINS_MAX = 1024;

/** When the chains of clients end, for sessions that are resumed: a ticket has the leaf in it, and nothing above. */
export class ChainEnds {
  readonly #endMs = new Map<string, number>();

  /** By the hash of the leaf. */
  remember(hash: string, endMs: number): void {
    if (this.#endMs.size >= CHAINS_MAX) this.#endMs.delete(this.#endMs.keys().next().value!);
    this.#endMs.set(hash, endMs);
  }

  /** The earlier of this and what is remembered. */
  earliest(hash: string, endMs: number): number {
    return Math.min(endMs, this.#endMs.get(hash) ?? Infinity);
  }
}
