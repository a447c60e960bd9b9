// Sidecar: what the sidecars of a namespace, or of some workloads, know of the mesh (networking.istio.io).
import { enumeration, string } from '../../proxy/config/scalar.ts';
import { list, map, message, optional, required, type Static } from '../../proxy/config/schema.ts';
import { objectHead } from './object-meta.ts';
import { matching } from './scalar.ts';

function importedHost(): ReturnType<typeof matching> {
  return matching(/^(\*|\.|~|[a-z0-9][-a-z0-9]*)\/(\*|(\*\.)?[a-z0-9_][-a-z0-9_.]*)$/,
    "'namespace/host', lower case, as in './*' or 'team/reviews.team.svc.cluster.local'");
}

export const SidecarEgress = message('istio.networking.v1.IstioEgressListener', {
  hosts: required(list(importedHost(), { min: 1 }), "What is known: namespace is a name, '*', '.' (own), '~' (none)."),
}, {
  refused: { 'there is one listener for all that the application calls': ['port', 'bind', 'capture_mode'] },
});
export interface SidecarEgress extends Static<typeof SidecarEgress> {}

export const SidecarSpec = message('istio.networking.v1.Sidecar', {
  workloadSelector: optional(message('istio.networking.v1.Sidecar.WorkloadSelector', {
    labels: optional(map(string()), 'Labels that the workload has.'),
  }), 'Workloads of the namespace; all of it when absent, all of the mesh in the root namespace.'),
  egress: optional(list(SidecarEgress), 'Services that the application may call; all when absent.'),
  outboundTrafficPolicy: optional(message('istio.networking.v1.OutboundTrafficPolicy', {
    mode: optional(enumeration(['REGISTRY_ONLY'], {
      refused: { ALLOW_ANY: 'unknown hosts are answered 502, since connections are not redirected' },
      numbers: { REGISTRY_ONLY: 0, ALLOW_ANY: 1 },
    }), 'REGISTRY_ONLY: unknown hosts are answered 502, which holds without it too.'),
  }, { refused: { 'unknown hosts have no proxy of their own': ['egress_proxy'] } }), 'What becomes of unknown hosts.'),
}, {
  refused: {
    'inbound listeners are made of the services': ['ingress'],
    'connections to the application have no limits of their own': ['inbound_connection_pool'],
  },
});
export interface SidecarSpec extends Static<typeof SidecarSpec> {}

export const Sidecar = message('istio.Sidecar', {
  ...objectHead,
  spec: optional(SidecarSpec, 'The scope.'),
});
export interface Sidecar extends Static<typeof Sidecar> {}
