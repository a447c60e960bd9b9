// A certificate with its key, checked once when it arrives, so that no handshake finds out that they don't fit.
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { uriSans } from '../../certs/x509.ts';
import { ConfigError, messageOf } from '../base/error.ts';
import type { TlsCertificate } from '../config/tls.ts';
import { readDataSource } from './data-source.ts';

/** PEM texts of one certificate of ours; `chain` begins with the leaf. */
export interface CertificateMaterial {
  readonly chain: string;
  readonly key: string;
  readonly passphrase: string | undefined;
  /** The leaf's URI name when it has exactly one. */
  readonly uriSan: string | undefined;
  /** Unix time in milliseconds of the leaf's end. */
  readonly notAfterMs: number;
}

/**
 * A ConfigError when a part is missing, malformed, or the key isn't the certificate's. No key is ever part of the
 * error.
 */
export function compileCertificate(config: TlsCertificate, path: string): CertificateMaterial {
  const { certificateChain, privateKey, password } = config;
  if (certificateChain === undefined) throw new ConfigError(`${path}.certificateChain`, 'is missing');
  if (privateKey === undefined) throw new ConfigError(`${path}.privateKey`, 'is missing');
  const chain = readDataSource(certificateChain, `${path}.certificateChain`).toString('latin1');
  const key = readDataSource(privateKey, `${path}.privateKey`).toString('latin1');
  const passphrase = password === undefined ? undefined : readDataSource(password, `${path}.password`).toString('utf8');
  const leaf = leafOf(chain, `${path}.certificateChain`);
  checkPair(chain, key, passphrase, path);
  const uris = uriSans(leaf.raw);
  const uriSan = uris.length === 1 ? uris[0] : undefined;
  return { chain, key, passphrase, uriSan, notAfterMs: Date.parse(leaf.validTo) };
}

function leafOf(chain: string, path: string): X509Certificate {
  try {
    return new X509Certificate(chain);
  } catch (cause) {
    throw new ConfigError(path, `is not a PEM certificate chain: ${messageOf(cause)}`);
  }
}

function checkPair(chain: string, key: string, passphrase: string | undefined, path: string): void {
  try {
    createSecureContext({ cert: chain, key, ...(passphrase !== undefined && { passphrase }), ca: [] });
  } catch (cause) {
    throw new ConfigError(path, `the private key cannot be used with the certificate: ${messageOf(cause)}`);
  }
}
