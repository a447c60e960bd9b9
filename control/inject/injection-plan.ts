// What one pod's sidecar is to be like: the mesh's settings with what the pod says of itself, checked.
import { LIFE_ANNOTATION } from './application-life.ts';
import type { FaultList } from './fault-list.ts';
import { ANNOTATIONS, asNamedList, items, PodAnnotations } from './pod-annotations.ts';
import { INTERCEPTION_DEFAULTS } from './redirect-rules.ts';
import { defined, type InjectionSettings, type Redirect } from './injection-settings.ts';
import type { PodTemplate, Values } from './pod.ts';
import { mergedProxyConfig, type ProxyConfig } from './proxy-config.ts';

/** `sidecar` beside an application; `gateway`: the proxy is the application. */
export type Template = 'sidecar' | 'gateway';
export type InterceptionMode = 'REDIRECT' | 'TPROXY' | 'NONE';

export interface InjectionPlan {
  readonly settings: InjectionSettings;
  readonly template: Template;
  readonly namespace: string;
  readonly proxyConfig: ProxyConfig;
  readonly mode: InterceptionMode;
  readonly statusPort: number;
  /** It stays as an init container; otherwise it stands among the containers. */
  readonly native: boolean;
  readonly holdApplication: boolean;
  readonly rewriteProbes: boolean;
  readonly mergeMetrics: boolean;
  /** The application and its sidecar have a socket for their lives. */
  readonly sharesLife: boolean;
  readonly resources: Values;
  readonly userVolumes: readonly Values[];
  readonly userVolumeMounts: readonly Values[];
  readonly redirect: Redirect;
  readonly readiness: { readonly initialDelaySeconds: number; readonly periodSeconds: number;
    readonly failureThreshold: number };
}

export function planInjection(
  { metadata = {} }: PodTemplate, namespace: string, mesh: InjectionSettings, faults: FaultList,
): InjectionPlan {
  const said = new PodAnnotations(metadata, faults);
  const settings = defined(mesh, {
    image: said.text('sidecar.istio.io/proxyImage'), logLevel: said.text('sidecar.istio.io/logLevel'),
    discoveryAddress: said.text('sidecar.istio.io/discoveryAddress'),
  });
  const proxyConfig = mergedProxyConfig(mesh.proxyConfig, said.proxyConfig());
  const { statusPort = 15_020, interceptionMode = 'REDIRECT' } = proxyConfig;
  const { discoveryAddress = settings.discoveryAddress } = proxyConfig;
  const template = templateOf(said, faults);
  const port = said.number('status.sidecar.istio.io/port') ?? statusPort;
  return {
    settings: { ...settings, discoveryAddress }, template, namespace, proxyConfig, statusPort: port,
    mode: template === 'gateway' ? 'NONE' : modeOf(said.text('sidecar.istio.io/interceptionMode') ?? interceptionMode),
    native: template === 'sidecar' && (said.flag('sidecar.istio.io/nativeSidecar') ?? settings.nativeSidecars),
    holdApplication: proxyConfig.holdApplicationUntilProxyStarts ?? false,
    rewriteProbes: template === 'sidecar'
      && (said.flag('sidecar.istio.io/rewriteAppHTTPProbers') ?? settings.rewriteProbes),
    mergeMetrics: said.flag('prometheus.istio.io/merge-metrics') ?? settings.mergeMetrics,
    sharesLife: sharesLife(said, template, faults),
    resources: resourcesOf(said, settings.resources),
    userVolumes: asNamedList(said.json('sidecar.istio.io/userVolume')),
    userVolumeMounts: asNamedList(said.json('sidecar.istio.io/userVolumeMount')),
    redirect: redirectOf(said, settings, port),
    readiness: {
      initialDelaySeconds: said.number('readiness.status.sidecar.istio.io/initialDelaySeconds') ?? 1,
      periodSeconds: said.number('readiness.status.sidecar.istio.io/periodSeconds') ?? 15,
      failureThreshold: said.number('readiness.status.sidecar.istio.io/failureThreshold') ?? 4,
    },
  };
}

/** Others are refused where they are read. */
function modeOf(text: string): InterceptionMode {
  return text === 'NONE' || text === 'TPROXY' ? text : 'REDIRECT';
}

function templateOf(said: PodAnnotations, faults: FaultList): Template {
  const names = items(said.text('inject.istio.io/templates') ?? 'sidecar');
  const [name] = names;
  if (names.length === 1 && (name === 'sidecar' || name === 'gateway')) return name;
  faults.error([...ANNOTATIONS, 'inject.istio.io/templates'],
    `must be sidecar or gateway, not "${names.join(',')}": templates of one's own are not supported`);
  return 'sidecar';
}

function sharesLife(said: PodAnnotations, template: Template, faults: FaultList): boolean {
  const isAsked = said.flag(LIFE_ANNOTATION) ?? false;
  if (isAsked && template === 'gateway') {
    faults.error([...ANNOTATIONS, LIFE_ANNOTATION], 'is for applications with a sidecar: a gateway is its own');
  }
  return isAsked;
}

/** As in Istio, what is said of one replaces all of it: a request must not be above the mesh's limit. */
function resourcesOf(said: PodAnnotations, mesh: Values): Values {
  const [cpu, memory] = [said.text('sidecar.istio.io/proxyCPU'), said.text('sidecar.istio.io/proxyMemory')];
  const cpuLimit = said.text('sidecar.istio.io/proxyCPULimit');
  const memoryLimit = said.text('sidecar.istio.io/proxyMemoryLimit');
  const [requests, limits] = [amounts(cpu, memory), amounts(cpuLimit, memoryLimit)];
  if (requests === undefined && limits === undefined) return mesh;
  return { ...(requests && { requests }), ...(limits && { limits }) };
}

function amounts(cpu: string | undefined, memory: string | undefined): Values | undefined {
  if (cpu === undefined && memory === undefined) return undefined;
  return { ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory }) };
}

function redirectOf(said: PodAnnotations, settings: InjectionSettings, statusPort: number): Redirect {
  const own = new Set([...INTERCEPTION_DEFAULTS.excludeInboundPorts, statusPort].map(String));
  const excluded = said.text('traffic.sidecar.istio.io/excludeInboundPorts') ?? settings.excludeInboundPorts;
  return {
    includeInboundPorts: said.text('traffic.sidecar.istio.io/includeInboundPorts') ?? settings.includeInboundPorts,
    excludeInboundPorts: [...own.union(new Set(items(excluded)))].join(','),
    includeOutboundPorts: said.text('traffic.sidecar.istio.io/includeOutboundPorts') ?? settings.includeOutboundPorts,
    excludeOutboundPorts: said.text('traffic.sidecar.istio.io/excludeOutboundPorts') ?? settings.excludeOutboundPorts,
    includeOutboundCidrs: said.text('traffic.sidecar.istio.io/includeOutboundIPRanges')
      ?? settings.includeOutboundCidrs,
    excludeOutboundCidrs: said.text('traffic.sidecar.istio.io/excludeOutboundIPRanges')
      ?? settings.excludeOutboundCidrs,
  };
}
