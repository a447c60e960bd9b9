// The Envoy v3 bootstrap of a demo sidecar: who it is, where its control plane and its certificate authority are.
import { meshBootstrap } from '../../control/inject/mesh-bootstrap.ts';
import type { HostPort } from '../../proxy/base/host-port.ts';
import type { Workload } from './workloads.ts';
import { TRUST_DOMAIN } from './workloads.ts';

const CONTROL = `spiffe://${TRUST_DOMAIN}/ns/weft-system/sa/weft-control`;

/** Addresses of the mesh's servers, and this workload's credentials. */
export interface MeshAddresses {
  readonly xds: HostPort;
  readonly ca: HostPort;
  readonly rootFile: string;
  /** Zipkin v2 collectors that get the spans as well (`--zipkin`). */
  readonly extraCollectors: readonly string[];
  /** Where the gateway takes requests for a Gateway's port. */
  readonly gatewayPorts: Readonly<Record<number, number>>;
}

/** A JSON bootstrap; YAML readers read it too. */
export function sidecarBootstrap(
  workload: Workload, mesh: MeshAddresses, tokenFile: string, auditFolder: string,
): unknown {
  const { pod, app, name, namespace, locality, isGateway } = workload;
  const metadata = { ...metadataOf(workload, mesh, tokenFile), WEFT_AUDIT: { folder: auditFolder } };
  const domain = `${namespace}.svc.${TRUST_DOMAIN}`;
  return meshBootstrap({
    type: isGateway ? 'router' : 'sidecar', ip: pod.ip, name, namespace, domain, cluster: `${app}.${namespace}`,
    locality, metadata,
  }, {
    admin: { host: pod.ip, port: pod.adminPort },
    // Gateways show who they are, and so are given their Secrets.
    ...(isGateway ? { xds: mesh.ca, controlNames: [{ type: 'URI', name: CONTROL }] } : { xds: mesh.xds }),
  });
}

function metadataOf(workload: Workload, mesh: MeshAddresses, tokenFile: string): Record<string, unknown> {
  const { pod, app, version, name, serviceAccount, isGateway } = workload;
  const redirected = pod.namespace !== undefined && !isGateway;
  return {
    NAMESPACE: workload.namespace,
    NAME: name,
    WORKLOAD_NAME: workload.deployment,
    SERVICE_ACCOUNT: serviceAccount,
    LABELS: isGateway ? { app, istio: app, version } : { app, version },
    CLUSTER_ID: 'Kubernetes',
    MESH_ID: TRUST_DOMAIN,
    INSTANCE_IPS: pod.ip,
    ...(redirected ? { INTERCEPTION_MODE: 'REDIRECT', DNS_CAPTURE: 'true', DNS_AUTO_ALLOCATE: 'true' }
      : { INTERCEPTION_MODE: 'NONE' }),
    WEFT_CA: {
      address: `${mesh.ca.host}:${mesh.ca.port}`, token_file: tokenFile, root_file: mesh.rootFile,
      trust_domain: TRUST_DOMAIN,
    },
    ...(mesh.extraCollectors.length > 0 && { WEFT_ZIPKIN: mesh.extraCollectors }),
    ...(isGateway
      ? workload.place === 'egress'
        ? { WEFT_GATEWAY_LISTEN: pod.ip, WEFT_GATEWAY_PORTS: { 80: pod.inboundPort, 443: pod.appPort } }
        : { WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: mesh.gatewayPorts }
      : !redirected && {
        WEFT_OUTBOUND_LISTEN: `${pod.ip}:${pod.outboundPort}`,
        WEFT_APP_PORTS: { [pod.inboundPort]: `${pod.ip}:${pod.appPort}` },
      }),
  };
}
