// How far this proxy is with a change of roots, as its workers have it: what an operator waits for between two steps.
import type { X509Certificate } from 'node:crypto';
import { bundleNumber, readCertificates, rootOf } from '../../certs/chain.ts';
import type { Secret } from '../config/tls.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { Gauge, Stats } from '../telemetry/stats.ts';
import { AGENT_SCOPE } from './agent-stats.ts';

/**
 * `agent.bundle` is the number that `weft ca root list` shows for the bundle in use, `agent.trusted_roots` how many it
 * holds, `agent.issued_by_first_root` 1 when the certificate in use leads to its first, which signs.
 */
export class RotationGauges {
  readonly #bundle: Gauge;
  readonly #trustedRoots: Gauge;
  readonly #byFirstRoot: Gauge;
  #roots: readonly X509Certificate[] = [];
  #chain: readonly X509Certificate[] = [];

  constructor(stats: Stats) {
    this.#bundle = stats.gauge(statName(AGENT_SCOPE, 'bundle'));
    this.#trustedRoots = stats.gauge(statName(AGENT_SCOPE, 'trusted_roots'));
    this.#byFirstRoot = stats.gauge(statName(AGENT_SCOPE, 'issued_by_first_root'));
  }

  /** A secret of the agent is in force. */
  inForce({ tlsCertificate, validationContext }: Secret): void {
    this.#chain = certificatesOf(tlsCertificate?.certificateChain?.inlineString) ?? this.#chain;
    this.#roots = certificatesOf(validationContext?.trustedCa?.inlineString) ?? this.#roots;
    const root = rootOf(this.#chain, this.#roots);
    this.#bundle.set(bundleNumber(this.#roots));
    this.#trustedRoots.set(this.#roots.length);
    this.#byFirstRoot.set(root !== undefined && root === this.#roots[0] ? 1 : 0);
  }
}

function certificatesOf(pem: string | undefined): readonly X509Certificate[] | undefined {
  return pem === undefined ? undefined : readCertificates(pem);
}
