// Protocol versions, ciphers and curves as OpenSSL wants them, from Envoy's TlsParameters.
import { constants } from 'node:crypto';
import type { SecureContextOptions, SecureVersion } from 'node:tls';
import type { TlsParameters } from '../config/tls.ts';

/** OpenSSL's own order; TLS 1.3 suites cannot be chosen in Envoy's configuration either. */
const TLS13_SUITES = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';
const VERSIONS = { TLSv1_2: 'TLSv1.2', TLSv1_3: 'TLSv1.3' } as const;

/** Renegotiation is a flood tool and nothing else today; compression leaks (S62). */
const SECURE_OPTIONS = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION;

/** Defaults: TLS 1.2 to 1.3, the runtime's ciphers and curves. */
export function secureOptions(params: TlsParameters | undefined, tickets: boolean): SecureContextOptions {
  const options: SecureContextOptions = {
    minVersion: versionOf(params?.tlsMinimumProtocolVersion, 'TLSv1.2'),
    maxVersion: versionOf(params?.tlsMaximumProtocolVersion, 'TLSv1.3'),
    secureOptions: tickets ? SECURE_OPTIONS : SECURE_OPTIONS | constants.SSL_OP_NO_TICKET,
  };
  // Envoy groups ciphers of one preference in brackets, which OpenSSL doesn't know: their order is kept.
  const ciphers = params?.cipherSuites?.map((cipher) => cipher.replaceAll(/[[\]]/g, '').replaceAll('|', ':'));
  if (ciphers !== undefined && ciphers.length > 0) options.ciphers = `${TLS13_SUITES}:${ciphers.join(':')}`;
  const { ecdhCurves = [], signatureAlgorithms = [] } = params ?? {};
  if (ecdhCurves.length > 0) options.ecdhCurve = ecdhCurves.join(':');
  if (signatureAlgorithms.length > 0) options.sigalgs = signatureAlgorithms.join(':');
  return options;
}

function versionOf(name: TlsParameters['tlsMinimumProtocolVersion'], fallback: SecureVersion): SecureVersion {
  return name === undefined || name === 'TLS_AUTO' ? fallback : VERSIONS[name];
}
