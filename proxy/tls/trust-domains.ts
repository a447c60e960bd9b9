// SPIFFE federation: a bundle of roots for each trust domain, which vouches for no other (S52).
import type { X509Certificate } from 'node:crypto';
import { chainFault, readCertificates, rootOf } from '../../certs/chain.ts';
import { constraintFault } from '../../certs/path-constraint.ts';
import { isTrustDomain } from '../../certs/spiffe.ts';
import type { SpiffeId } from '../../certs/spiffe.ts';
import { ConfigError } from '../base/error.ts';
import type { SpiffeValidator } from '../config/tls.ts';
import { readDataSource } from './data-source.ts';

/** Roots by trust domain. */
export type TrustDomains = ReadonlyMap<string, readonly X509Certificate[]>;

export function compileTrustDomains(config: SpiffeValidator, path: string): TrustDomains {
  const domains = new Map<string, readonly X509Certificate[]>();
  for (const [i, { name, trustBundle }] of config.trustDomains.entries()) {
    const where = `${path}.trustDomains[${i}]`;
    if (!isTrustDomain(name)) throw new ConfigError(`${where}.name`, 'is not a trust domain, such as cluster.local');
    if (domains.has(name)) throw new ConfigError(`${where}.name`, 'has a bundle already');
    const roots = readCertificates(readDataSource(trustBundle, `${where}.trustBundle`).toString('latin1'));
    if (roots === undefined || roots.length === 0) {
      throw new ConfigError(`${where}.trustBundle`, 'is not a PEM bundle of 1 to 100 certificates');
    }
    domains.set(name, roots);
  }
  return domains;
}

/** All roots as PEM, for OpenSSL, which knows no trust domains: what it believes is judged again by `bundleFault`. */
export function allRoots(domains: TrustDomains): string[] {
  return [...new Set([...domains.values()].flat().map(String))];
}

/** Why a peer with this id, which showed `chain`, is not believed by the bundle of its trust domain. */
export function bundleFault(
  domains: TrustDomains, { trustDomain }: SpiffeId, chain: readonly X509Certificate[], nowMs: number,
): string | undefined {
  const roots = domains.get(trustDomain);
  if (roots === undefined) return `there is no bundle of trust domain ${trustDomain}`;
  const fault = chainFault(chain, roots, nowMs);
  if (fault !== undefined) return `by the bundle of trust domain ${trustDomain}: ${fault}`;
  return constraintFault(pathOf(chain, roots), trustDomain);
}

/** The part of the chain that leads to a root, and that root. */
function pathOf(chain: readonly X509Certificate[], roots: readonly X509Certificate[]): X509Certificate[] {
  const path: X509Certificate[] = [];
  for (const certificate of chain) {
    path.push(certificate);
    const root = rootOf([certificate], roots);
    if (root !== undefined) return [...path, root];
  }
  return path;
}
