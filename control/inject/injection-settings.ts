// What the mesh says of all injected pods: from Istio's MeshConfig and from Helm values by Istio's names.
import { bool, enumeration, string, uint32 } from '../../proxy/config/scalar.ts';
import { list, map, message, optional, type Static } from '../../proxy/config/schema.ts';
import { opaque } from '../model/scalar.ts';
import { ProxyConfig } from './proxy-config.ts';
import type { Values } from './pod.ts';

/** Which connections pass the sidecar: ports and ranges with commas between, or *; as `weft init` takes them. */
export interface Redirect {
  readonly includeInboundPorts: string;
  readonly excludeInboundPorts: string;
  readonly includeOutboundPorts: string;
  readonly excludeOutboundPorts: string;
  readonly includeOutboundCidrs: string;
  readonly excludeOutboundCidrs: string;
}

export interface InjectionSettings extends Redirect {
  readonly image: string;
  /** Of the container that sets up redirection: with iptables or nft in it. */
  readonly initImage: string;
  readonly imagePullPolicy: string | undefined;
  readonly imagePullSecrets: readonly string[];
  /** Namespace of the control plane; never injected. */
  readonly systemNamespace: string;
  /** HOST:PORT of the control plane and its authority, over TLS. */
  readonly discoveryAddress: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly clusterId: string;
  readonly network: string;
  readonly revision: string;
  readonly proxyConfig: ProxyConfig;
  /** The sidecar is an init container that stays (Kubernetes 1.29). */
  readonly nativeSidecars: boolean;
  readonly rewriteProbes: boolean;
  readonly mergeMetrics: boolean;
  /** Pods that say nothing are injected. */
  readonly injectByDefault: boolean;
  readonly logLevel: string;
  readonly resources: Values;
  readonly initResources: Values;
}

const RESOURCES = { limits: { cpu: '2000m', memory: '1024Mi' }, requests: { cpu: '100m', memory: '128Mi' } };

export const INJECTION_DEFAULTS: InjectionSettings = {
  image: 'weft:latest', initImage: 'weft-init:latest', imagePullPolicy: undefined, imagePullSecrets: [],
    systemNamespace: 'weft-system',
  discoveryAddress: 'weft-control.weft-system.svc:15012',
  trustDomain: 'cluster.local', clusterDomain: 'cluster.local', clusterId: 'Kubernetes', network: '',
  revision: 'default', proxyConfig: {}, nativeSidecars: true, rewriteProbes: true, mergeMetrics: true,
  injectByDefault: true, logLevel: 'warning', resources: RESOURCES, initResources: RESOURCES,
  includeInboundPorts: '*', excludeInboundPorts: '', includeOutboundPorts: '', excludeOutboundPorts: '',
  includeOutboundCidrs: '*', excludeOutboundCidrs: '',
};

const others = (...names: string[]): Record<string, ReturnType<typeof optional<unknown>>> => (
  Object.fromEntries(names.map((name) => [name, optional(opaque(), 'No matter of injection; not read here.')])));

/** Istio's MeshConfig as a file; what the control plane reads of it is its matter. */
export const InjectionMesh = message('istio.mesh.v1alpha1.MeshConfig.Injection', {
  defaultConfig: optional(ProxyConfig, 'For all proxies.'),
  trustDomain: optional(string({ minLength: 1 }), 'SPIFFE trust domain.'),
  enablePrometheusMerge: optional(bool(), 'The application\'s metrics are given with the proxy\'s. Default true.'),
  ...others(
    'trustDomainAliases', 'extensionProviders', 'caCertificates', 'outboundTrafficPolicy', 'rootNamespace',
    'accessLogFile', 'accessLogFormat', 'accessLogEncoding', 'enableTracing', 'defaultProviders', 'discoverySelectors',
    'defaultServiceExportTo', 'defaultVirtualServiceExportTo', 'defaultDestinationRuleExportTo', 'localityLbSetting',
    'defaultHttpRetryPolicy', 'enableAutoMtls', 'ingressService', 'ingressSelector', 'ingressClass',
    'ingressControllerMode', 'pathNormalization', 'protocolDetectionTimeout', 'connectTimeout', 'tcpKeepalive',
    'meshMTLS', 'tlsDefaults', 'dnsRefreshRate', 'h2UpgradePolicy', 'configSources', 'certificates', 'serviceSettings',
    'verifyCertificateAtClient', 'hboneListenPort', 'disableEnvoyListenerLog', 'enableEnvoyAccessLogService',
    'inboundClusterStatName', 'outboundClusterStatName', 'mixerCheckServer', 'ca',
  ),
});

const proxyValues = message('istio.values.Proxy', {
  image: optional(string(), 'Name of the image, or all of it.'),
  logLevel: optional(string(), 'Log level.'),
  clusterDomain: optional(string({ minLength: 1 }), 'DNS suffix of services.'),
  autoInject: optional(enumeration(['enabled', 'disabled']), 'Whether pods that say nothing are injected.'),
  resources: optional(map(opaque()), 'Requests and limits of the sidecar.'),
  includeInboundPorts: optional(string(), 'Ports, or *.'), excludeInboundPorts: optional(string(), 'Ports.'),
  includeOutboundPorts: optional(string(), 'Ports.'), excludeOutboundPorts: optional(string(), 'Ports.'),
  includeIPRanges: optional(string(), 'Ranges, or *.'), excludeIPRanges: optional(string(), 'Ranges.'),
  statusPort: optional(uint32({ minimum: 1, maximum: 65_535 }), 'Health, probes, metrics.'),
}, {
  warned: {
    'pods say it': ['readiness_failure_threshold', 'readiness_initial_delay_seconds', 'readiness_period_seconds'],
    'the image and the bootstrap decide': [
      'component_log_level', 'tracer', 'enable_core_dump', 'startup_probe', 'seccomp_profile',
    ],
  },
  refused: {
    'the sidecar has no privileges': ['privileged'], 'its hooks are the injector\'s': ['lifecycle', 'outlier_log_path'],
  },
});

const globalValues = message('istio.values.Global', {
  hub: optional(string(), 'Before the image.'), tag: optional(opaque(), 'After the image.'),
  imagePullPolicy: optional(string(), 'As Kubernetes\'.'),
  imagePullSecrets: optional(list(string()), 'Names of Secrets.'),
  istioNamespace: optional(string(), 'Namespace of the control plane.'),
  network: optional(string(), 'Name of the network.'), meshID: optional(string(), 'Name of the mesh.', 'meshID'),
  caAddress: optional(opaque(), 'The control plane signs; \'\' alone.'),
  multiCluster: optional(message('istio.values.MultiCluster', {
    clusterName: optional(string(), 'Name of the cluster.'), ...others('enabled', 'includeEnvoyFilter'),
  }), 'Which cluster this is.'),
  proxy: optional(proxyValues, 'The sidecar.'),
  // Helm's name has an underscore.
  proxyInit: optional(message('istio.values.ProxyInit', {
    image: optional(string(), 'Name of the image, or all of it.'), resources: optional(map(opaque()),
      'Requests and limits.'),
  }), 'The init container.', 'proxy_init'),
  nativeNftables: optional(bool(), 'The init container finds out itself.'),
  ...others(
    'variant', 'configValidation', 'defaultPodDisruptionBudget', 'defaultResources', 'logAsJson', 'logging',
    'priorityClassName', 'pilotCertProvider', 'sts', 'sds', 'operatorManageWebhooks', 'externalIstiod',
    'remotePilotAddress', 'istiod', 'omitSidecarInjectorConfigMap', 'configCluster', 'waypoint', 'platform',
    'jwtPolicy', 'mountMtlsCerts', 'certSigners', 'defaultNodeSelector', 'defaultTolerations', 'ipFamilies',
    'ipFamilyPolicy', 'agentgateway', 'networkPolicy', 'resourceScope', 'trustBundleName', 'caName', 'meshNetworks',
  ),
});

/** Helm values by Istio's names, as far as injection knows them. */
export const InjectionValues = message('istio.values.Values', {
  global: optional(globalValues, 'Sidecar, image, cluster.'),
  revision: optional(string(), 'Of this control plane.'),
  meshConfig: optional(InjectionMesh, 'In place of --mesh-config.'),
  nativeSidecars: optional(bool(), 'Ours: false where Kubernetes is older than 1.29.'),
  sidecarInjectorWebhook: optional(message('istio.values.SidecarInjectorWebhook', {
    rewriteAppHTTPProbe: optional(bool(), 'Probes go through the sidecar. Default true.', 'rewriteAppHTTPProbe'),
    enableNamespacesByDefault: optional(opaque(), 'The webhook\'s selectors say it.'),
    reinvocationPolicy: optional(opaque(), 'The webhook says it.'),
  }, {
    refused: {
      'templates are not programmed; sidecar and gateway are there': ['templates', 'default_templates'],
      'labels of pods and namespaces say it': ['never_inject_selector', 'always_inject_selector'],
      'pods are not annotated by it': ['injected_annotations', 'inject_annotations'],
    },
  }), 'The injector.'),
  ...others(
    'pilot', 'base', 'telemetry', 'gateways', 'istiodRemote', 'experimental', 'ztunnel', 'defaultRevision', 'profile',
    'compatibilityVersion', 'ownerName', 'autoscaleMin', 'revisionTags', 'tag', 'hub',
  ),
}, {
  refused: { 'redirection is set up by an init container': ['istio_cni', 'cni'] },
});

type MeshValue = Static<typeof InjectionMesh>;
type HelmValue = Static<typeof InjectionValues>;

export function settingsOf(
  mesh: MeshValue = {}, values: HelmValue = {}, defaults: InjectionSettings = INJECTION_DEFAULTS,
): InjectionSettings {
  const { global = {}, revision, sidecarInjectorWebhook: webhook = {}, nativeSidecars } = values;
  const { proxy = {} } = global;
  const { defaultConfig = {}, trustDomain, enablePrometheusMerge } = { ...values.meshConfig, ...mesh };
  const { statusPort = defaultConfig.statusPort } = proxy;
  const { meshID } = global as { meshID?: string };
  const namespace = global.istioNamespace;
  return defined(defaults, {
    image: imageOf(global, 'weft', proxy.image), initImage: imageOf(global, 'weft-init', global.proxyInit?.image),
    imagePullPolicy: global.imagePullPolicy,
    imagePullSecrets: global.imagePullSecrets, systemNamespace: namespace,
    discoveryAddress: defaultConfig.discoveryAddress
      ?? (namespace === undefined ? undefined : `weft-control.${namespace}.svc:15012`),
    trustDomain, clusterDomain: proxy.clusterDomain, clusterId: global.multiCluster?.clusterName || undefined,
    network: global.network, revision: revision === '' ? undefined : revision,
    proxyConfig: {
      ...defaults.proxyConfig, ...defaultConfig, ...(statusPort !== undefined && { statusPort }),
      ...(meshID !== undefined && meshID !== '' && { meshId: meshID }),
    },
    nativeSidecars, rewriteProbes: webhook.rewriteAppHTTPProbe, mergeMetrics: enablePrometheusMerge,
    injectByDefault: proxy.autoInject === undefined ? undefined : proxy.autoInject === 'enabled',
    logLevel: proxy.logLevel, resources: proxy.resources, initResources: global.proxyInit?.resources,
    includeInboundPorts: proxy.includeInboundPorts, excludeInboundPorts: proxy.excludeInboundPorts,
    includeOutboundPorts: proxy.includeOutboundPorts, excludeOutboundPorts: proxy.excludeOutboundPorts,
    includeOutboundCidrs: proxy.includeIPRanges, excludeOutboundCidrs: proxy.excludeIPRanges,
  });
}

type Given = { readonly [K in keyof InjectionSettings]?: InjectionSettings[K] | undefined };

/** `defaults` with what is given. */
export function defined(defaults: InjectionSettings, given: Given): InjectionSettings {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(entries) };
}

/** `hub/image:tag`, unless the image is written out. */
function imageOf(
  { hub, tag }: { hub?: string; tag?: unknown }, usual: string, image: string | undefined,
): string | undefined {
  if (image !== undefined && /[/:]/.test(image)) return image;
  if (hub === undefined && image === undefined && tag === undefined) return undefined;
  const version = typeof tag === 'string' || typeof tag === 'number' ? `:${tag}` : ':latest';
  return `${hub === undefined || hub === '' ? '' : `${hub}/`}${image ?? usual}${version}`;
}
