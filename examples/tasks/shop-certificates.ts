// The certificates by which the gateway shows itself to the world: of an authority that is not the mesh's.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertificateAuthority } from '../../certs/ca.ts';
import { workloadSpiffeId } from '../../certs/spiffe.ts';
import { openStore } from '../../certs/store.ts';
import { systemClock } from '../../proxy/base/clock.ts';

const DOMAIN = 'example.com';

/** A root, and of it a pair for shop.example.com and one for a client, as PEM files with names like `shop.crt`. */
export async function writeShopCertificates(folder: string): Promise<void> {
  await mkdir(folder);
  const store = openStore({ dir: join(folder, 'authority'), trustDomain: DOMAIN });
  const authority = new CertificateAuthority({ store, clock: systemClock, audit: () => undefined });
  await writeFile(join(folder, 'root.crt'), authority.roots);
  for (const name of ['shop', 'client']) {
    const { chain, key } = authority.issueServer(workloadSpiffeId(DOMAIN, 'world', name)!, [`${name}.${DOMAIN}`]);
    await writeFile(join(folder, `${name}.crt`), chain);
    await writeFile(join(folder, `${name}.key`), key, { mode: 0o600 });
  }
}
