// The bootstrap of a sidecar in a pod whose connections are redirected.
import { meshBootstrap } from '../../control/inject/mesh-bootstrap.ts';
import { HOST_IP, type Pod } from './pod-network.ts';

/** The authority for its certificate, and what it shows there. */
export interface PodCredentials {
  readonly address: string;
  readonly token: string;
  readonly rootFile: string;
}

/** A workload named as its pod, in namespace default. */
export function redirectedBootstrap(
  { name, ip }: Pod, { address: ca, token, rootFile }: PodCredentials, metadata: Readonly<Record<string, unknown>> = {},
): unknown {
  return meshBootstrap({
    type: 'sidecar', ip, name, namespace: 'default', domain: 'default.svc.cluster.local', cluster: `${name}.default`,
    metadata: {
      NAMESPACE: 'default', NAME: name, SERVICE_ACCOUNT: name, LABELS: { app: name }, INSTANCE_IPS: ip,
      INTERCEPTION_MODE: 'REDIRECT',
      WEFT_CA: { address: ca, token_file: token, root_file: rootFile, trust_domain: 'cluster.local' },
      ...metadata,
    },
  }, { admin: { host: ip, port: 15_000 }, xds: { host: HOST_IP, port: 15_010 } });
}
