// Where the API server and the CRDs that `npm run build:kube-apiserver` makes are kept.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PEER_CACHE, findProgram } from './peers.ts';

export const KUBERNETES_VERSION = 'v1.37.2';
/** Istio's and the Gateway API's CustomResourceDefinitions as their Go modules publish them. */
export const CRD_FOLDER = join(PEER_CACHE, 'crd');

/** WEFT_KUBE_APISERVER, else what the build left in the cache of peers. */
export function cachedApiServer(): { readonly path: string; readonly named: boolean } {
  const named = process.env['WEFT_KUBE_APISERVER'];
  if (named !== undefined) return { path: named, named: true };
  return { path: join(PEER_CACHE, 'go', `kube-apiserver-${KUBERNETES_VERSION}`), named: false };
}

export interface KubePeers {
  readonly apiServer: string;
  readonly etcd: string;
}

/** Both programs, or a string beginning with `skip:` that says what is missing and how to get it. */
export function findKubePeers(): KubePeers | string {
  const { path, named } = cachedApiServer();
  if (!existsSync(path)) {
    if (named) return `skip: WEFT_KUBE_APISERVER names ${path}, which does not exist`;
    return 'skip: no kube-apiserver here; "npm run build:kube-apiserver" builds it with Go (13 minutes on two cores)';
  }
  const etcd = findProgram('etcd');
  return etcd === undefined ? 'skip: no etcd here (Debian: etcd-server)' : { apiServer: path, etcd };
}
