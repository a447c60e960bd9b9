// The endpoints of a cluster (EDS), with what proxies need to know of each: workload, TLS, locality, weight.
import type { ClusterLoadAssignment, LbEndpoint, LocalityLbEndpoints } from '../../proxy/config/endpoint.ts';
import type { Locality } from '../../proxy/config/node.ts';
import type { ServiceEndpoint } from '../registry/service.ts';
import { canonicalName, canonicalRevision, type TlsMode } from '../registry/workload.ts';
import type { LocalityGroup } from './locality-balancing.ts';
import type { MeshView } from './mesh-view.ts';
import { peerMode } from './peer-authentication.ts';

/** Whether mutual TLS is spoken to an endpoint: it has a sidecar, and its port does not refuse TLS. */
export function endpointTls({ inventory, settings }: MeshView, { workload, port }: ServiceEndpoint): TlsMode {
  if (workload.tlsMode === 'disabled') return 'disabled';
  return peerMode(inventory, settings, workload, port) === 'DISABLE' ? 'disabled' : 'istio';
}

export function loadAssignment(
  view: MeshView, clusterName: string, groups: readonly LocalityGroup[],
): ClusterLoadAssignment {
  return { clusterName, endpoints: groups.map((group) => localityEndpoints(view, group)) };
}

function localityEndpoints(view: MeshView, group: LocalityGroup): LocalityLbEndpoints {
  const { locality, priority, weight, endpoints } = group;
  return {
    ...(locality !== '' && { locality: localityOf(locality) }),
    lbEndpoints: endpoints.map((endpoint) => lbEndpoint(view, endpoint)),
    ...(weight !== undefined && { loadBalancingWeight: weight }),
    ...(priority > 0 && { priority }),
  };
}

function localityOf(text: string): Locality {
  const [region = '', zone = '', subZone = ''] = text.split('/');
  return { region, ...(zone !== '' && { zone }), ...(subZone !== '' && { subZone }) };
}

function lbEndpoint(view: MeshView, endpoint: ServiceEndpoint): LbEndpoint {
  const { address, port, workload } = endpoint;
  const tls = endpointTls(view, endpoint) === 'istio' ? { 'envoy.transport_socket_match': { tlsMode: 'istio' } } : {};
  const names = [
    workload.workloadName, workload.namespace, canonicalName(workload), canonicalRevision(workload.labels),
    view.settings.clusterId,
  ];
  return {
    endpoint: { address: { socketAddress: { address, portValue: port } } },
    metadata: { filterMetadata: { ...tls, istio: { workload: names.join(';') } } },
    loadBalancingWeight: Math.max(1, workload.weight),
  };
}
