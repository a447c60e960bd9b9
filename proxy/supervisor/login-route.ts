// How a provider is reached that a cluster names: its first endpoint, and whom its TLS trusts.
import type { Cluster } from '../config/cluster.ts';
import { UPSTREAM_TLS_TYPE } from '../config/type-url.ts';
import { readDataSource } from '../tls/data-source.ts';
import { firstEndpoint } from './collector-address.ts';
import type { ConfigStore } from './config-store.ts';

export interface LoginRoute {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** PEM; undefined: the system's roots. */
  readonly ca: string | undefined;
  /** '' where the URI's host is. */
  readonly sni: string;
}

/** Throws where there is no such cluster, or nothing in it. */
export function loginRoute(store: ConfigStore, name: string): LoginRoute {
  const cluster = store.get('cluster', name)?.resource as Cluster | undefined;
  if (cluster === undefined) throw new Error(`there is no cluster ${name}`);
  const first = firstEndpoint(store, cluster, name);
  if (first === undefined) throw new Error(`cluster ${name} has no endpoint`);
  const tls = cluster.transportSocket?.typedConfig;
  if (tls === undefined || tls['@type'] !== UPSTREAM_TLS_TYPE) {
    return { host: first.address, port: first.portValue ?? 0, secure: false, ca: undefined, sni: '' };
  }
  const { validationContext, combinedValidationContext: combined } = tls.commonTlsContext;
  const roots = (validationContext ?? combined?.defaultValidationContext)?.trustedCa;
  return {
    host: first.address, port: first.portValue ?? 0, secure: true, sni: tls.sni ?? '',
    ca: roots === undefined ? undefined : readDataSource(roots, `cluster ${name} trustedCa`).toString('latin1'),
  };
}
