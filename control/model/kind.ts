// Every kind that may stand in the configuration: what it is decoded with, or why it is refused or left alone.
import type { Schema } from '../../proxy/config/schema.ts';
import { AuthorizationPolicy } from './authorization-policy.ts';
import { DestinationRule } from './destination-rule.ts';
import { EgressCredential } from './egress-credential.ts';
import { ConfigMap } from './gateway-api/config-map.ts';
import { TcpRoute, TlsRoute } from './gateway-api/connection-route.ts';
import { GatewayClass, KubernetesGateway, ListenerSet } from './gateway-api/gateway.ts';
import { BackendTlsPolicy, ReferenceGrant } from './gateway-api/policy.ts';
import { GATEWAY_GROUP } from './gateway-api/reference.ts';
import { GrpcRoute, HttpRoute } from './gateway-api/route.ts';
import { Gateway } from './gateway.ts';
import { Endpoints, EndpointSlice, Namespace, Node, Pod, Service, ServiceAccount } from './kubernetes.ts';
import { MeshConfig } from './mesh-config.ts';
import { NetworkPolicy } from './network-policy.ts';
import { OidcLogin } from './oidc-login.ts';
import { OpenApiPolicy } from './openapi-policy.ts';
import { PeerAuthentication } from './peer-authentication.ts';
import { RequestAuthentication } from './request-authentication.ts';
import { Secret } from './secret.ts';
import { ServiceEntry, WorkloadEntry, WorkloadGroup } from './service-entry.ts';
import { Sidecar } from './sidecar.ts';
import { Telemetry } from './telemetry.ts';
import { VirtualService } from './virtual-service.ts';

/** What each kind decodes to. */
export interface Documents {
  Service: Service;
  Endpoints: Endpoints;
  EndpointSlice: EndpointSlice;
  Pod: Pod;
  ServiceAccount: ServiceAccount;
  Namespace: Namespace;
  Node: Node;
  Secret: Secret;
  ConfigMap: ConfigMap;
  GatewayClass: GatewayClass;
  KubernetesGateway: KubernetesGateway;
  ListenerSet: ListenerSet;
  HTTPRoute: HttpRoute;
  GRPCRoute: GrpcRoute;
  TLSRoute: TlsRoute;
  TCPRoute: TcpRoute;
  ReferenceGrant: ReferenceGrant;
  BackendTLSPolicy: BackendTlsPolicy;
  NetworkPolicy: NetworkPolicy;
  VirtualService: VirtualService;
  DestinationRule: DestinationRule;
  Gateway: Gateway;
  ServiceEntry: ServiceEntry;
  Sidecar: Sidecar;
  WorkloadEntry: WorkloadEntry;
  WorkloadGroup: WorkloadGroup;
  PeerAuthentication: PeerAuthentication;
  RequestAuthentication: RequestAuthentication;
  AuthorizationPolicy: AuthorizationPolicy;
  Telemetry: Telemetry;
  OidcLogin: OidcLogin;
  EgressCredential: EgressCredential;
  MeshConfig: MeshConfig;
  OpenApiPolicy: OpenApiPolicy;
}

export type KindName = keyof Documents;

/** `group` is '' for Kubernetes' core; `versions` are those that Istio or Kubernetes serve with these fields. */
export interface Kind<T = unknown> {
  readonly group: string;
  readonly versions: readonly string[];
  /** The word in documents, where another group has a kind of that word too. */
  readonly word?: string;
  /** It is in no namespace. */
  readonly clusterScoped?: true;
  readonly schema: Schema<T>;
}

const NETWORKING = { group: 'networking.istio.io', versions: ['v1', 'v1beta1', 'v1alpha3'] };
const SECURITY = { group: 'security.istio.io', versions: ['v1', 'v1beta1'] };
const WEFT = { group: 'security.weft.dev', versions: ['v1'] };
const GATEWAY_API = { group: GATEWAY_GROUP, versions: ['v1', 'v1beta1'] };
const ROUTE_VERSIONS = ['v1', 'v1alpha3', 'v1alpha2'];
const CORE = { group: '', versions: ['v1'] };

export const KINDS: { readonly [K in KindName]: Kind<Documents[K]> } = {
  Service: { ...CORE, schema: Service },
  Endpoints: { ...CORE, schema: Endpoints },
  EndpointSlice: { group: 'discovery.k8s.io', versions: ['v1', 'v1beta1'], schema: EndpointSlice },
  Pod: { ...CORE, schema: Pod },
  ServiceAccount: { ...CORE, schema: ServiceAccount },
  Namespace: { ...CORE, clusterScoped: true, schema: Namespace },
  Node: { ...CORE, clusterScoped: true, schema: Node },
  Secret: { ...CORE, schema: Secret },
  ConfigMap: { ...CORE, schema: ConfigMap },
  GatewayClass: { ...GATEWAY_API, clusterScoped: true, schema: GatewayClass },
  KubernetesGateway: { ...GATEWAY_API, word: 'Gateway', schema: KubernetesGateway },
  ListenerSet: { ...GATEWAY_API, versions: ['v1'], schema: ListenerSet },
  HTTPRoute: { ...GATEWAY_API, schema: HttpRoute },
  GRPCRoute: { ...GATEWAY_API, versions: ['v1'], schema: GrpcRoute },
  TLSRoute: { ...GATEWAY_API, versions: ROUTE_VERSIONS, schema: TlsRoute },
  TCPRoute: { ...GATEWAY_API, versions: ['v1', 'v1alpha2'], schema: TcpRoute },
  ReferenceGrant: { ...GATEWAY_API, schema: ReferenceGrant },
  BackendTLSPolicy: { ...GATEWAY_API, versions: ['v1', 'v1alpha3'], schema: BackendTlsPolicy },
  NetworkPolicy: { group: 'networking.k8s.io', versions: ['v1'], schema: NetworkPolicy },
  VirtualService: { ...NETWORKING, schema: VirtualService },
  DestinationRule: { ...NETWORKING, schema: DestinationRule },
  Gateway: { ...NETWORKING, schema: Gateway },
  ServiceEntry: { ...NETWORKING, schema: ServiceEntry },
  Sidecar: { ...NETWORKING, schema: Sidecar },
  WorkloadEntry: { ...NETWORKING, schema: WorkloadEntry },
  WorkloadGroup: { ...NETWORKING, schema: WorkloadGroup },
  PeerAuthentication: { ...SECURITY, schema: PeerAuthentication },
  RequestAuthentication: { ...SECURITY, schema: RequestAuthentication },
  AuthorizationPolicy: { ...SECURITY, schema: AuthorizationPolicy },
  MeshConfig: { group: 'mesh.istio.io', versions: ['v1alpha1'], schema: MeshConfig },
  OidcLogin: { ...WEFT, schema: OidcLogin },
  OpenApiPolicy: { ...WEFT, schema: OpenApiPolicy },
  EgressCredential: { ...WEFT, schema: EgressCredential },
  Telemetry: { group: 'telemetry.istio.io', versions: ['v1', 'v1alpha1'], schema: Telemetry },
};

/** Groups that share a word with another one. */
const BY_WORD = new Map(Object.entries(KINDS).flatMap(([name, { word, group }]) =>
  (word === undefined ? [] : [[`${group} ${word}`, name as KindName] as const])));

/** The kind that a document of this `kind` and `apiVersion` is of. */
export function kindNamed(word: string, apiVersion: string): KindName | undefined {
  const [group = ''] = apiVersion.split('/');
  const found = BY_WORD.get(`${group} ${word}`);
  if (found !== undefined) return found;
  return Object.hasOwn(KINDS, word) && KINDS[word as KindName].word === undefined ? word as KindName : undefined;
}

/** Kinds that people keep beside the mesh's own and that have no bearing on it: skipped with a warning. */
export const SKIPPED_KINDS: ReadonlySet<string> = new Set([
  'Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob',
  'PersistentVolumeClaim',
  'PersistentVolume', 'StorageClass', 'HorizontalPodAutoscaler', 'PodDisruptionBudget', 'Role', 'RoleBinding',
  'ClusterRole', 'ClusterRoleBinding', 'LimitRange', 'ResourceQuota', 'CustomResourceDefinition',
  'ServiceMonitor',
  'PodMonitor',
]);

/** Kinds that are known and would change traffic or security if they were ignored, with what to do instead. */
export const REFUSED_KINDS: ReadonlyMap<string, string> = new Map([
  ['EnvoyFilter', 'configuration is not patched; what it does must be said in another way'],
  ['WasmPlugin', 'extensions are not loaded'],
  ['TrafficExtension', 'extensions are not loaded'],
  ['ProxyConfig', 'proxies are configured where they are started'],
  ['Ingress', 'write a Gateway and a VirtualService'],
  ['UDPRoute', 'UDP is not carried'],
]);

/** Every name that is known, to find the one that was meant. */
export function knownKinds(): string[] {
  return [...Object.keys(KINDS), ...SKIPPED_KINDS, ...REFUSED_KINDS.keys()];
}
