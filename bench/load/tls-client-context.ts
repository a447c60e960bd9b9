// What a client of the loads shows and accepts in TLS.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';

/** TLS 1.3 with the certificates that identities.ts wrote to the folder. */
export function clientContext(folder: string): SecureContext {
  const pem = (name: string): Buffer => readFileSync(join(folder, name));
  return createSecureContext({
    ca: pem('root.pem'), cert: pem('client.crt'), key: pem('client.key'), minVersion: 'TLSv1.3',
    // What all proxies have: a client with newer groups would make them do different work.
    ecdhCurve: 'X25519', ciphers: 'TLS_AES_128_GCM_SHA256',
  });
}
