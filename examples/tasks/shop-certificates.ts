// The certificates by which the gateway shows itself to the world: of an authority that is not the mesh's.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertificateAuthority } from '../../certs/ca.ts';
import { stringify } from 'yaml';
import { workloadSpiffeId } from '../../certs/spiffe.ts';
import { openStore } from '../../certs/store.ts';
import { systemClock } from '../../proxy/base/clock.ts';

const DOMAIN = 'example.com';
const CREDENTIAL = 'credential.yaml';

/**
 * A root, and of it pairs for shop.example.com, outside.example.com and a client, as PEM files with names like
 * `shop.crt`; and the client's once more as a Secret of the gateways, `credential.yaml`.
 */
export async function writeShopCertificates(folder: string): Promise<void> {
  await mkdir(folder);
  const store = openStore({ dir: join(folder, 'authority'), trustDomain: DOMAIN });
  const authority = new CertificateAuthority({ store, clock: systemClock, audit: () => undefined });
  await writeFile(join(folder, 'root.crt'), authority.roots);
  for (const name of ['shop', 'outside', 'client']) {
    const { chain, key } = authority.issueServer(workloadSpiffeId(DOMAIN, 'world', name)!, [`${name}.${DOMAIN}`]);
    await writeFile(join(folder, `${name}.crt`), chain);
    await writeFile(join(folder, `${name}.key`), key, { mode: 0o600 });
    if (name !== 'client') continue;
    await writeFile(join(folder, CREDENTIAL), secret(chain, key, authority.roots), { mode: 0o600 });
  }
}

function secret(chain: string, key: string, roots: string): string {
  return stringify({
    apiVersion: 'v1', kind: 'Secret', metadata: { name: 'client-credential', namespace: 'istio-system' },
    type: 'generic', stringData: { 'tls.crt': chain, 'tls.key': key, 'ca.crt': roots },
  });
}
