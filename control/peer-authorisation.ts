// Whether a peer may ask for a node's configuration: its certificate names the same workload (S100).
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../proxy/base/clock.ts';
import { chainFault, chainThrough } from '../certs/chain.ts';
import { formatSpiffeId, workloadSpiffeId } from '../certs/spiffe.ts';
import type { CaStore } from '../certs/store.ts';
import { spiffeIdOf } from '../certs/x509.ts';
import type { Peer } from './push/proxy-stream.ts';
import { parseProxyNode, type XdsNode } from './translate/proxy-node.ts';

export interface AuthorisationOptions {
  readonly store: CaStore;
  readonly clock: Clock;
  /** Peers without a certificate are taken from this machine only, unless the plaintext port was opened to others. */
  readonly anonymousFromAnywhere: boolean;
}

/** The reason why not; undefined when it may. */
export function authorise(node: XdsNode, peer: Peer, options: AuthorisationOptions): string | undefined {
  if (peer.certificate === undefined) {
    if (options.anonymousFromAnywhere || isLoopback(peer.address)) return undefined;
    return 'only mesh workloads with their certificate are served from afar';
  }
  const fault = certificateFault(peer.certificate, options);
  if (fault !== undefined) return fault;
  const proxy = parseProxyNode(node);
  // What cannot be served is said by the snapshot's fault; nothing is given away by it.
  if (typeof proxy === 'string') return undefined;
  const expected = workloadSpiffeId(options.store.trustDomain, proxy.namespace, proxy.serviceAccount);
  const actual = spiffeIdOf(peer.certificate);
  const isSame = expected !== undefined && actual !== undefined && formatSpiffeId(expected) === formatSpiffeId(actual);
  return isSame ? undefined : `its certificate does not name ${proxy.namespace}/${proxy.serviceAccount}`;
}

/** The handshake lets in those whom it cannot verify, since callers of the authority have no certificate yet. */
function certificateFault(der: Buffer, { store, clock }: AuthorisationOptions): string | undefined {
  try {
    // During a rotation the issuer may be the one of before the switch.
    return chainFault(chainThrough(new X509Certificate(der), store.issuers), store.roots, clock.wallMs());
  } catch {
    return 'its certificate cannot be read';
  }
}

/** HOST:PORT as gRPC writes peers: `127.0.0.1:5`, `ipv4:127.0.0.1:5`, `[::1]:5`, `::1:5`. */
export function isLoopback(address: string): boolean {
  const host = address.replace(/^ipv[46]:/, '').replace(/:[0-9]+$/, '').replace(/^\[(.*)\]$/, '$1');
  return host === '::1' || host === 'localhost' || /^(::ffff:)?127\.[0-9.]+$/.test(host);
}
