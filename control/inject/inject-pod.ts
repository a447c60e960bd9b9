// A pod with its sidecar: what is added, what is changed, or why it is left alone.
import { Refusal } from '../../proxy/config/schema.ts';
import { LIFE_VOLUME, withLife } from './application-life.ts';
import { FaultList, type InjectionFault } from './fault-list.ts';
import { INIT_NAME, initContainer } from './init-container.ts';
import { reasonNotToInject, STATUS_ANNOTATION } from './injection-decision.ts';
import { planInjection, type InjectionPlan } from './injection-plan.ts';
import type { InjectionSettings } from './injection-settings.ts';
import { metricsOf } from './metrics-merge.ts';
import { isRecord, readPod, type Container, type PodMeta, type PodSpec, type PodTemplate, type Values } from './pod.ts';
import { rewriteProbes, type AppProbes } from './probe-rewrite.ts';
import { SIDECAR_NAME, SIDECAR_USER, sidecarContainer } from './sidecar-container.ts';
import { sidecarVolumes } from './sidecar-volumes.ts';
import { overridden } from './strategic-merge.ts';
import { workloadOf } from './workload-name.ts';

export type Injection =
  | { readonly kind: 'injected'; readonly pod: PodTemplate; readonly warnings: readonly InjectionFault[] }
  | { readonly kind: 'left'; readonly reason: string }
  | { readonly kind: 'refused'; readonly errors: readonly InjectionFault[] };

/** Where the pod comes from. */
export interface PodOrigin {
  readonly namespace: string;
  /** What has it as its template. */
  readonly maker?: { readonly kind: string; readonly name: string };
}

/** `value` is a Pod or a pod template, and is not changed. */
export function injectPod(value: unknown, { namespace, maker }: PodOrigin, settings: InjectionSettings): Injection {
  const pod = readPod(value);
  if (pod instanceof Refusal) return { kind: 'refused', errors: [{ path: pod.at, reason: pod.reason }] };
  const reason = reasonNotToInject(pod, namespace, settings);
  if (reason !== undefined) return { kind: 'left', reason };
  const faults = new FaultList();
  const plan = planInjection(pod, namespace, settings, faults);
  const injected = withSidecar(pod, plan, faults, maker);
  if (faults.errors.length > 0) return { kind: 'refused', errors: faults.errors };
  return { kind: 'injected', pod: injected, warnings: faults.warnings };
}

function withSidecar(
  pod: PodTemplate, plan: InjectionPlan, faults: FaultList, maker: PodOrigin['maker'],
): PodTemplate {
  const { metadata = {} } = pod;
  const probes: AppProbes = {};
  if (plan.template === 'sidecar') checkUsers(pod.spec, faults);
  const rewritten = plan.rewriteProbes ? withProbes(pod.spec, plan, probes, faults) : pod.spec;
  const metrics = plan.template === 'sidecar' ? metricsOf(metadata, plan, faults) : undefined;
  const workload = workloadOf(metadata, plan.namespace, maker);
  const sidecar = sidecarContainer(plan, { pod, workload, probes, metrics: metrics?.application });
  const shared = plan.sharesLife ? withLife(rewritten, isAuthors, faults) : rewritten;
  const spec = withContainers(shared, plan, sidecar);
  const status = statusOf(plan, spec);
  return {
    ...pod,
    metadata: withMetadata(pod, plan, { ...metrics?.annotations, [STATUS_ANNOTATION]: status }, workload.name),
    spec,
  };
}

function withProbes(spec: PodSpec, { statusPort }: InjectionPlan, probes: AppProbes, faults: FaultList): PodSpec {
  const containers = spec.containers.map((container, i) => (container.name === SIDECAR_NAME ? container
    : rewriteProbes(container, statusPort, probes, faults, ['spec', 'containers', i])));
  // Of init containers only those that stay have probes.
  const initContainers = spec.initContainers?.map((container, i) => (container.name === SIDECAR_NAME ? container
    : rewriteProbes(container, statusPort, probes, faults, ['spec', 'initContainers', i])));
  return { ...spec, containers, ...(initContainers && { initContainers }) };
}

/** The author's own `istio-proxy` and `istio-init` are wishes about ours. */
function withContainers(spec: PodSpec, plan: InjectionPlan, template: Container): PodSpec {
  const { containers, initContainers = [], volumes = [], imagePullSecrets = [] } = spec;
  const both = [...containers, ...initContainers];
  const sidecar = wished(template, both);
  const init = plan.mode === 'NONE' ? [] : [wished(initContainer(plan), both)];
  const own = containers.filter(isAuthors);
  const inits = initContainersOf(initContainers.filter(isAuthors), init, sidecar, plan);
  const given = new Set(imagePullSecrets.map(({ name }) => name));
  const secrets = plan.settings.imagePullSecrets.filter((name) => !given.has(name)).map((name) => ({ name }));
  return {
    ...spec,
    containers: plan.native ? own : plan.holdApplication ? [sidecar, ...own] : [...own, sidecar],
    ...(inits.length > 0 && { initContainers: inits }),
    volumes: [...volumes, ...newVolumes(volumes, plan)],
    ...(secrets.length > 0 && { imagePullSecrets: [...imagePullSecrets, ...secrets] }),
    ...podSecurity(spec, plan),
  };
}

function isAuthors({ name }: Container): boolean {
  return name !== SIDECAR_NAME && name !== INIT_NAME;
}

function wished(template: Container, authors: readonly Container[]): Container {
  const wish = authors.find(({ name }) => name === template.name);
  return wish === undefined ? template : overridden(template, wish);
}

/** A native sidecar serves the author's init containers too; before a classic one runs, they must reach the network. */
function initContainersOf(
  own: readonly Container[], init: readonly Container[], sidecar: Container, { native }: InjectionPlan,
): Container[] {
  return native ? [...init, sidecar, ...own] : [...own, ...init];
}

function newVolumes(volumes: readonly Values[], plan: InjectionPlan): Values[] {
  const names = new Set(volumes.map((volume) => volume['name']));
  return sidecarVolumes(plan).filter((volume) => !names.has(volume['name']));
}

/** Gateways bind ports below 1024 without a right. */
function podSecurity({ securityContext = {} }: PodSpec, { template }: InjectionPlan): Values {
  if (template === 'sidecar') return {};
  const sysctls = [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }];
  return { securityContext: { sysctls, ...securityContext } };
}

/** What runs as the sidecar's user would pass no sidecar, and by no rule. */
function checkUsers({ containers, initContainers = [], securityContext = {} }: PodSpec, faults: FaultList): void {
  const fault = 'is the sidecar\'s own user, whose connections pass no sidecar; choose another';
  if (securityContext['runAsUser'] === SIDECAR_USER) {
    faults.error(['spec', 'securityContext', 'runAsUser'], `${SIDECAR_USER} ${fault}`);
  }
  for (const [list, all] of [['containers', containers], ['initContainers', initContainers]] as const) {
    for (const [i, container] of all.entries()) {
      const context = container['securityContext'];
      if (!isAuthors(container) || !isRecord(context) || context['runAsUser'] !== SIDECAR_USER) continue;
      faults.error(['spec', list, i, 'securityContext', 'runAsUser'], `${SIDECAR_USER} ${fault}`);
    }
  }
}

function statusOf({ settings, template, native, mode }: InjectionPlan, { volumes = [] }: PodSpec): string {
  const initContainers = [...(mode === 'NONE' ? [] : [INIT_NAME]), ...(native ? [SIDECAR_NAME] : [])];
  const names = new Set(['istio-envoy', 'istio-data', 'istio-podinfo', 'istio-token', 'istiod-ca-cert', LIFE_VOLUME]);
  return JSON.stringify({
    initContainers, containers: native ? [] : [SIDECAR_NAME],
    volumes: volumes.map((volume) => volume['name']).filter((name) => names.has(String(name))),
    imagePullSecrets: null, revision: settings.revision, template,
  });
}

function withMetadata(
  { metadata = {}, spec }: PodTemplate, plan: InjectionPlan, annotations: Readonly<Record<string, string>>,
  name: string,
): PodMeta {
  const { labels = {}, annotations: own = {} } = metadata;
  const revision = labels['app.kubernetes.io/version'] ?? labels['version'] ?? 'latest';
  const canonical = (labels['app.kubernetes.io/name'] ?? labels['app'] ?? name).slice(0, 63);
  const application = spec.containers.find(isAuthors)?.name;
  return {
    ...metadata,
    labels: {
      'security.istio.io/tlsMode': 'istio', ...(canonical !== '' && { 'service.istio.io/canonical-name': canonical }),
      'service.istio.io/canonical-revision': revision, ...labels,
    },
    annotations: {
      // Whom `kubectl logs` and `kubectl exec` mean.
      ...(application !== undefined && {
        'kubectl.kubernetes.io/default-container': application,
        'kubectl.kubernetes.io/default-logs-container': application,
      }),
      'istio.io/rev': plan.settings.revision, ...own, ...annotations,
    },
  };
}
