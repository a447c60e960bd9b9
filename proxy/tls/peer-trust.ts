// The connections that were let in by a context's roots: told to finish when a root by which they came in is removed
// (F05). New handshakes go by the new roots at once.
import { X509Certificate } from 'node:crypto';
import { rootOf } from '../../certs/chain.ts';
import type { PeerTrust, TrustHolder } from '../telemetry/stream-info.ts';

export class PeerTrustLedger implements PeerTrust {
  readonly #holders = new Set<TrustHolder>();
  #roots: readonly string[] = [];
  /** The same, read when a root has been removed. */
  #trusted: readonly X509Certificate[] = [];
  #removals = 0;

  /** How often roots have been removed: a handshake remembers it. */
  get removals(): number {
    return this.#removals;
  }

  hold(holder: TrustHolder): void {
    this.#holders.add(holder);
  }

  release(holder: TrustHolder): void {
    this.#holders.delete(holder);
  }

  /** These are trusted from now on, in PEM; undefined: nobody is verified any more. */
  trust(roots: readonly string[] | undefined): void {
    const before = this.#roots;
    this.#roots = roots ?? [];
    // A renewed leaf comes with the same roots, and a new root takes nothing away: both are nearly all changes.
    if (roots === undefined || before === roots) return;
    const now = new Set(roots);
    if (before.every((root) => now.has(root))) return;
    this.#removals++;
    this.#trusted = roots.map((root) => new X509Certificate(root));
    this.#tell();
  }

  /** Whether a peer that was found good at `removals` is that still: a handshake may be overtaken by a change. */
  stillTrusts(removals: number, chain: readonly X509Certificate[]): boolean {
    return removals === this.#removals || rootOf(chain, this.#trusted) !== undefined;
  }

  /** Peers of one issuer are all judged alike: a signature is verified once for each. */
  #tell(): void {
    const verdicts = new Map<string, boolean>();
    for (const holder of [...this.#holders]) {
      const [leaf, issuer = leaf] = holder.certificates;
      const key = issuer?.fingerprint256 ?? '';
      let isTrusted = verdicts.get(key);
      if (isTrusted === undefined) {
        isTrusted = rootOf(holder.certificates, this.#trusted) !== undefined;
        verdicts.set(key, isTrusted);
      }
      if (!isTrusted) holder.untrusted();
    }
  }
}
