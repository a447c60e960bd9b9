// Sidecar: what the sidecars of a namespace, or of some workloads, know of the mesh (networking.istio.io).
import { enumeration, string, uint32 } from '../../proxy/config/scalar.ts';
import { list, map, message, optional, Refusal, required, type Static } from '../../proxy/config/schema.ts';
import { Destination } from './destination.ts';
import { badTls, GatewayTls, portProtocols } from './gateway.ts';
import { objectHead } from './object-meta.ts';
import { ipAddress, matching } from './scalar.ts';
import { ConnectionPoolSettings } from './traffic-policy.ts';

function importedHost(): ReturnType<typeof matching> {
  return matching(/^(\*|\.|~|[a-z0-9][-a-z0-9]*)\/(\*|(\*\.)?[a-z0-9_][-a-z0-9_.]*)$/,
    "'namespace/host', lower case, as in './*' or 'team/reviews.team.svc.cluster.local'");
}

const captureMode = () => optional(enumeration(['DEFAULT', 'NONE'], {
  refused: { IPTABLES: 'what is redirected goes by the egress without a port; with one, NONE listens where bind says' },
  numbers: { DEFAULT: 0, IPTABLES: 1, NONE: 2 },
}), 'NONE: the application, or its clients, call the address itself, which holds for DEFAULT too.');

const bind = (what: string) => optional(ipAddress(), what);

export const SidecarPort = message('istio.networking.v1.SidecarPort', {
  number: required(uint32({ minimum: 1, maximum: 65_535 }), 'Port.'),
  protocol: required(portProtocols(), 'What is spoken: HTTP, HTTP2, GRPC, GRPC-WEB, or bytes.'),
  name: optional(string(), 'Name.'),
}, { refused: { 'Istio does not read it': ['target_port'] } });
export interface SidecarPort extends Static<typeof SidecarPort> {}

export const SidecarEgress = message('istio.networking.v1.IstioEgressListener', {
  hosts: required(list(importedHost(), { min: 1 }), "What is known: namespace is a name, '*', '.' (own), '~' (none)."),
  port: optional(SidecarPort, 'A listener of its own, for services of the hosts that have this port; without it what '
    + 'the application calls through the common listener.'),
  bind: bind('Address of that listener. Default 127.0.0.1.'),
  captureMode: captureMode(),
}, {
  check: ({ port, bind: address }) => (address === undefined || port !== undefined ? undefined
    : new Refusal('needs a port: without one there is the common listener', ['bind'])),
});
export interface SidecarEgress extends Static<typeof SidecarEgress> {}

export const SidecarIngress = message('istio.networking.v1.IstioIngressListener', {
  port: required(SidecarPort, 'Port at which clients reach the workload.'),
  bind: bind("Address of the listener; the workload's own when absent."),
  captureMode: captureMode(),
  defaultEndpoint: optional(
    matching(/^(127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):[0-9]{1,5}$/, "'127.0.0.1:PORT' or '0.0.0.0:PORT'"),
    'Where the application listens: 0.0.0.0 is the address of the workload. Default 127.0.0.1 and the same port.',
  ),
  tls: optional(GatewayTls, 'TLS that ends at the sidecar, where a PeerAuthentication DISABLEs that of the mesh.'),
  connectionPool: optional(ConnectionPoolSettings, 'Limits towards the application; goes before all others.'),
}, {
  check: ({ port, tls }) => {
    if (tls === undefined) return undefined;
    const named = (['credentialName', 'credentialNames', 'caCertCredentialName'] as const).find((key) => key in tls);
    if (named !== undefined) return new Refusal('is for gateways: a sidecar has files', ['tls', named]);
    if (tls.mode === 'SIMPLE' || tls.mode === 'MUTUAL') return badTls(port.protocol, tls);
    return new Refusal('must be SIMPLE or MUTUAL', ['tls', 'mode']);
  },
});
export interface SidecarIngress extends Static<typeof SidecarIngress> {}

export const OutboundTrafficPolicy = message('istio.networking.v1.OutboundTrafficPolicy', {
  mode: optional(enumeration(['REGISTRY_ONLY', 'ALLOW_ANY'], { numbers: { REGISTRY_ONLY: 0, ALLOW_ANY: 1 } }),
    'REGISTRY_ONLY (default): unknown hosts are answered 502, other connections closed. ALLOW_ANY: they go on to where '
    + 'they wanted, where connections are redirected; an explicit HTTP proxy knows of no such place and answers 502.'),
  egressProxy: optional(Destination, 'With ALLOW_ANY, where what is for unknown hosts goes.'),
}, {
  check: ({ mode = 'REGISTRY_ONLY', egressProxy }) => {
    return mode === 'REGISTRY_ONLY' && egressProxy !== undefined
      ? new Refusal('is for ALLOW_ANY', ['egressProxy']) : undefined;
  },
});
export interface OutboundTrafficPolicy extends Static<typeof OutboundTrafficPolicy> {}

export const SidecarSpec = message('istio.networking.v1.Sidecar', {
  workloadSelector: optional(message('istio.networking.v1.Sidecar.WorkloadSelector', {
    labels: optional(map(string()), 'Labels that the workload has.'),
  }), 'Workloads of the namespace; all of it when absent, all of the mesh in the root namespace.'),
  ingress: optional(list(SidecarIngress), "Listeners for clients; made of the workload's services when absent."),
  egress: optional(list(SidecarEgress), 'Services that the application may call; all when absent.'),
  inboundConnectionPool: optional(ConnectionPoolSettings, "Limits towards the application; goes before the service's."),
  outboundTrafficPolicy: optional(OutboundTrafficPolicy, 'What becomes of unknown hosts.'),
}, {
  check: ({ ingress = [] }) => {
    const places = ingress.map(({ port, bind: address = '' }) => `${address} ${port.number}`);
    const twice = places.findIndex((place, at) => places.indexOf(place) !== at);
    return twice < 0 ? undefined : new Refusal('is used twice', ['ingress', twice, 'port']);
  },
});
export interface SidecarSpec extends Static<typeof SidecarSpec> {}

export const Sidecar = message('istio.Sidecar', {
  ...objectHead,
  spec: optional(SidecarSpec, 'The scope.'),
});
export interface Sidecar extends Static<typeof Sidecar> {}
