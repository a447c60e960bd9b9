// Which roots the agent itself trusts: those of root_file, and what the authority made of them since.
import type { X509Certificate } from 'node:crypto';
import { readCertificates } from '../../certs/chain.ts';

/**
 * The authority is verified by the roots of root_file and those of its bundle, so that a rotation needs no new file; a
 * root that the bundle has dropped is not trusted any more, even while it stands in the file.
 */
export class TrustAnchors {
  #bundle: readonly X509Certificate[] = [];
  readonly #dropped = new Set<string>();

  /** A bundle from the authority, which was verified by the anchors of before. */
  take(bundle: readonly X509Certificate[]): void {
    const now = new Set(bundle.map(({ fingerprint256 }) => fingerprint256));
    for (const { fingerprint256 } of this.#bundle) if (!now.has(fingerprint256)) this.#dropped.add(fingerprint256);
    for (const fingerprint of now) this.#dropped.delete(fingerprint);
    this.#bundle = bundle;
  }

  /** The roots to trust now, of a text of root_file; undefined when it holds none that can be read. */
  with(rootFile: string): X509Certificate[] | undefined {
    const ofFile = readCertificates(rootFile);
    if (ofFile === undefined || ofFile.length === 0) return undefined;
    const all = new Map([...ofFile, ...this.#bundle].map((root) => [root.fingerprint256, root]));
    return [...all.values()].filter(({ fingerprint256 }) => !this.#dropped.has(fingerprint256));
  }
}
