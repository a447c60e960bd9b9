// Certificates of the rows with TLS, as files that every proxy and load generator can read.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { testLeaf, testRoot } from '../../test/harness/certificates.ts';

/**
 * Writes `root.pem`; `proxy.crt`, `proxy.key` and `proxy.pem` (both, as HAProxy wants them) for proxies and upstreams,
 * and `client.*` for the load. P-256, valid for an hour.
 */
export async function writeIdentities(folder: string): Promise<void> {
  const root = testRoot();
  await writeFile(join(folder, 'root.pem'), root.cert);
  for (const name of ['proxy', 'client']) {
    const identity = `spiffe://cluster.local/ns/default/sa/${name}`;
    const leaf = testLeaf(root, { identity, more: [{ dns: 'reviews' }] });
    const files = new Map([['crt', leaf.chain], ['key', leaf.key], ['pem', leaf.chain + leaf.key]]);
    for (const [suffix, text] of files) await writeFile(join(folder, `${name}.${suffix}`), text, { mode: 0o600 });
  }
}
