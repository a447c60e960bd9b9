// Revocation lists in PEM, made by an authority that is not ours: openssl's.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { TestCertificate } from './certificates.ts';
import { openssl, temporaryFolder } from './openssl.ts';

/** A list made by openssl ca, which knows nothing of ours. `days` may be negative for one that is over. */
export function crlOf(
  t: TestContext, issuer: TestCertificate, revoked: readonly TestCertificate[], days = 7,
): string {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  mkdirSync(at('new'));
  writeFileSync(at('index.txt'), '');
  writeFileSync(at('crlnumber'), '01\n');
  writeFileSync(at('serial'), '01\n');
  writeFileSync(at('ca.pem'), issuer.cert);
  writeFileSync(at('ca.key'), issuer.key, { mode: 0o600 });
  writeFileSync(at('ca.cnf'), [
    '[ca]', 'default_ca = d', '[d]', `database = ${at('index.txt')}`, `crlnumber = ${at('crlnumber')}`,
    `serial = ${at('serial')}`, `new_certs_dir = ${at('new')}`, `certificate = ${at('ca.pem')}`,
    `private_key = ${at('ca.key')}`, 'default_md = sha256', 'default_crl_days = 7', '',
  ].join('\n'));
  revoked.forEach((certificate, index) => {
    writeFileSync(at(`r${index}.pem`), certificate.cert);
    openssl('ca', '-config', at('ca.cnf'), '-revoke', at(`r${index}.pem`));
  });
  const dates = days > 0 ? [] : ['-crl_lastupdate', '20200101000000Z', '-crl_nextupdate', '20200201000000Z'];
  const said = openssl('ca', '-config', at('ca.cnf'), '-gencrl', '-out', at('crl.pem'), ...dates);
  assert.ok(!said.startsWith('failed:'), said);
  return readFileSync(at('crl.pem'), 'utf8');
}
