// What a peer's certificate must be: trust roots, accepted names, pins; compiled from a CertificateValidationContext.
import { X509Certificate } from 'node:crypto';
import { createSecureContext, getCACertificates } from 'node:tls';
import { ConfigError, messageOf } from '../base/error.ts';
import type { CertificateValidationContext } from '../config/tls.ts';
import { readDataSource } from './data-source.ts';
import { compileSanMatcher } from './san-matcher.ts';
import type { SanMatcher } from './san-matcher.ts';
import { allRoots, compileTrustDomains } from './trust-domains.ts';
import type { TrustDomains } from './trust-domains.ts';

export interface ValidationMaterial {
  /** PEM roots; undefined: the chain is not verified, only pins are, as in Envoy without trusted_ca. */
  readonly trustedCa: readonly string[] | undefined;
  /** Bundles by trust domain, whose roots `trustedCa` then has together; peers must be SVIDs. */
  readonly trustDomains: TrustDomains | undefined;
  readonly crl: string | undefined;
  /** One must match; none: any name. */
  readonly sanMatchers: readonly SanMatcher[];
  /** SHA-256 pins of the SubjectPublicKeyInfo (base64) and of the certificate (lower-case hex). */
  readonly spkiPins: ReadonlySet<string>;
  readonly certificatePins: ReadonlySet<string>;
}

/** Without roots and pins there is nothing to verify by, and no certificate is asked for. */
export function verifies({ trustedCa, spkiPins, certificatePins }: ValidationMaterial): boolean {
  return trustedCa !== undefined || spkiPins.size > 0 || certificatePins.size > 0;
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

export function compileValidation(config: CertificateValidationContext, path: string): ValidationMaterial {
  const { customValidatorConfig: validator } = config;
  const trustDomains = validator === undefined ? undefined
    : compileTrustDomains(validator.typedConfig, `${path}.customValidatorConfig.typedConfig`);
  return {
    trustedCa: trustDomains === undefined ? rootsOf(config, path) : allRoots(trustDomains),
    trustDomains,
    crl: crlOf(config, path),
    sanMatchers: (config.matchTypedSubjectAltNames ?? []).map((matcher, i) => (
      compileSanMatcher(matcher, `${path}.matchTypedSubjectAltNames[${i}]`)
    )),
    spkiPins: setOf(config.verifyCertificateSpki),
    certificatePins: setOf(config.verifyCertificateHash?.map((hash) => hash.replaceAll(':', '').toLowerCase())),
  };
}

/** Of thousands of clusters few pin anything. */
const NONE: ReadonlySet<string> = new Set<string>();

function setOf(values: readonly string[] | undefined): ReadonlySet<string> {
  return values === undefined || values.length === 0 ? NONE : new Set(values);
}

function unionOf(base: ReadonlySet<string>, over: ReadonlySet<string>): ReadonlySet<string> {
  if (over.size === 0) return base;
  return base.size === 0 ? over : base.union(over);
}

/**
 * combined_validation_context: what came by SDS is merged over the default; lists add up, as protobuf messages merge.
 */
export function mergeValidation(base: ValidationMaterial, over: ValidationMaterial): ValidationMaterial {
  // Whoever names trust domains wants no other roots, wherever it is said, as in Envoy.
  const domains = over.trustDomains !== undefined || base.trustDomains === undefined ? over : base;
  return {
    trustedCa: domains.trustedCa ?? base.trustedCa,
    trustDomains: domains.trustDomains,
    crl: over.crl ?? base.crl,
    sanMatchers: [...base.sanMatchers, ...over.sanMatchers],
    spkiPins: unionOf(base.spkiPins, over.spkiPins),
    certificatePins: unionOf(base.certificatePins, over.certificatePins),
  };
}

const PEM_CRL = /-----BEGIN X509 CRL-----[\s\S]*?-----END X509 CRL-----/g;

/** OpenSSL skips lists that it cannot read, and revoked peers would get in. */
function crlOf({ crl }: CertificateValidationContext, path: string): string | undefined {
  if (crl === undefined) return undefined;
  const text = readDataSource(crl, `${path}.crl`).toString('latin1');
  const lists = text.match(PEM_CRL) ?? [];
  if (lists.length === 0) throw new ConfigError(`${path}.crl`, 'holds no PEM revocation list');
  lists.forEach((list, i) => checkCrl(list, `${path}.crl`, i));
  return text;
}

function checkCrl(pem: string, path: string, index: number): void {
  try {
    createSecureContext({ ca: [], crl: pem });
  } catch (cause) {
    throw new ConfigError(path, `list ${index + 1} is malformed: ${messageOf(cause)}`);
  }
}

function rootsOf(config: CertificateValidationContext, path: string): readonly string[] | undefined {
  if (config.trustedCa === undefined) return config.systemRootCerts === undefined ? undefined : systemRoots(path);
  const pem = readDataSource(config.trustedCa, `${path}.trustedCa`).toString('latin1');
  const roots = pem.match(PEM_CERTIFICATE) ?? [];
  if (roots.length === 0) throw new ConfigError(`${path}.trustedCa`, 'holds no PEM certificate');
  roots.forEach((root, i) => checkRoot(root, `${path}.trustedCa`, i));
  return roots;
}

/** Those that the runtime read and kept at the first call. */
function systemRoots(path: string): readonly string[] {
  const roots = getCACertificates('system');
  if (roots.length === 0) throw new ConfigError(`${path}.systemRootCerts`, 'the system has none; name a file of roots');
  return roots;
}

/** OpenSSL skips roots that it cannot read; a bundle that is partly lost would refuse peers one by one. */
function checkRoot(pem: string, path: string, index: number): void {
  try {
    new X509Certificate(pem);
  } catch (cause) {
    throw new ConfigError(path, `certificate ${index + 1} of the bundle is malformed: ${messageOf(cause)}`);
  }
}
