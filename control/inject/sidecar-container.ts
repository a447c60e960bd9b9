// The proxy as a container of the pod: what it runs, what it may do, what it knows, and when it is ready.
import { sidecarLife } from './application-life.ts';
import type { AppProbes } from './probe-rewrite.ts';
import type { InjectionPlan } from './injection-plan.ts';
import type { Container, PodSpec, PodTemplate, Values } from './pod.ts';
import { sidecarMounts } from './sidecar-volumes.ts';
import type { Workload } from './workload-name.ts';

export const SIDECAR_NAME = 'istio-proxy';
/** User and group whose connections `weft init` leaves alone. */
export const SIDECAR_USER = 1337;
const HEALTH_PORT = 15_021;
/** Kubernetes' own, and the least that leaves a proxy time to drain. */
const GRACE_SECONDS = 30;
const GRACE_SECONDS_MIN = 2;
/** The program in its image, for hooks: they know no entry point. */
const WEFT = ['node', '/weft/cli/weft.mjs'];

/** What the pod's own containers have that the sidecar must be told. */
export interface PodFacts {
  readonly pod: PodTemplate;
  readonly workload: Workload;
  readonly probes: AppProbes;
  /** prometheus.io/scrape, port, path of the application. */
  readonly metrics: Values | undefined;
}

export function sidecarContainer(plan: InjectionPlan, facts: PodFacts): Container {
  const { settings, template, native } = plan;
  const { image, imagePullPolicy } = settings;
  return {
    name: SIDECAR_NAME,
    image,
    ...(imagePullPolicy !== undefined && { imagePullPolicy }),
    args: [
      'proxy', template === 'gateway' ? 'router' : 'sidecar',
      '--domain', `$(POD_NAMESPACE).svc.${settings.clusterDomain}`, '--log-level', settings.logLevel,
    ],
    ...(native && { restartPolicy: 'Always' }),
    ports: [{ name: 'http-envoy-prom', containerPort: 15_090, protocol: 'TCP' }],
    env: environment(plan, facts),
    resources: plan.resources,
    ...healthOf(plan),
    ...lifecycleOf(plan),
    securityContext: securityContext(plan),
    volumeMounts: sidecarMounts(plan),
  };
}

/** Kubernetes starts the application when a native sidecar's startup probe has passed. */
function healthOf({ native, holdApplication, readiness, template }: InjectionPlan): Values {
  const httpGet = { path: '/healthz/ready', port: HEALTH_PORT };
  const readinessProbe = { ...readiness, httpGet, timeoutSeconds: 3 };
  const startupProbe = { httpGet, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 600 };
  return { ...(template === 'sidecar' && (native || holdApplication) && { startupProbe }), readinessProbe };
}

function lifecycleOf({ native, holdApplication, template, statusPort }: InjectionPlan): Values {
  if (template === 'gateway') return {};
  // Callers are led elsewhere while the application still ends what it has begun.
  if (native) {
    const command = [...WEFT, 'proxy', 'drain', ...portOption(statusPort)];
    return { lifecycle: { preStop: { exec: { command } } } };
  }
  // Kubernetes starts a pod's containers one after the other, and waits for a hook of each.
  const url = `http://127.0.0.1:${statusPort}/healthz/ready`;
  const command = [...WEFT, 'wait', '--url', url];
  return holdApplication ? { lifecycle: { postStart: { exec: { command } } } } : {};
}

function portOption(statusPort: number): string[] {
  return statusPort === 15_020 ? [] : ['--status-port', String(statusPort)];
}

/** It needs no right at all, but to have other hosts' addresses: containers have such a right as root only. */
function securityContext({ template, mode }: InjectionPlan): Values {
  const isTransparent = mode === 'TPROXY';
  return {
    allowPrivilegeEscalation: false,
    capabilities: { ...(isTransparent && { add: ['NET_ADMIN'] }), drop: ['ALL'] },
    privileged: false,
    readOnlyRootFilesystem: true,
    runAsGroup: SIDECAR_USER,
    runAsNonRoot: !isTransparent,
    runAsUser: isTransparent ? 0 : SIDECAR_USER,
    ...(template === 'sidecar' && { seccompProfile: { type: 'RuntimeDefault' } }),
  };
}

/** By when the kubelet ends what has not ended. */
function graceOf({ terminationGracePeriodSeconds: seconds }: PodSpec): string {
  return `${Math.max(GRACE_SECONDS_MIN, seconds ?? GRACE_SECONDS)}s`;
}

function environment(plan: InjectionPlan, { pod, workload, probes, metrics }: PodFacts): Values[] {
  const { settings, proxyConfig, mode, template, statusPort, sharesLife } = plan;
  const life = { grace_period: graceOf(pod.spec), ...(sharesLife && sidecarLife()) };
  const value = (name: string, text: string): Values[] => (text === '' ? [] : [{ name, value: text }]);
  const field = (name: string, fieldPath: string): Values => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const json = (name: string, object: object | undefined): Values[] => (
    object === undefined || Object.keys(object).length === 0 ? [] : [{ name, value: JSON.stringify(object) }]);
  const resource = 'limits.cpu';
  const ports = pod.spec.containers.flatMap((container) => container.ports ?? []);
  const names = pod.spec.containers.map(({ name }) => name).filter((name) => name !== SIDECAR_NAME);
  const { proxyMetadata = {}, meshId = settings.trustDomain } = proxyConfig;
  return [
    ...value('CA_ADDR', settings.discoveryAddress),
    field('POD_NAME', 'metadata.name'), field('POD_NAMESPACE', 'metadata.namespace'),
    field('INSTANCE_IP', 'status.podIP'), field('INSTANCE_IPS', 'status.podIPs'),
    field('SERVICE_ACCOUNT', 'spec.serviceAccountName'), field('HOST_IP', 'status.hostIP'),
    { name: 'ISTIO_CPU_LIMIT', valueFrom: { resourceFieldRef: { resource, divisor: '1' } } },
    ...json('ISTIO_METAJSON_WEFT', { WEFT_LIFECYCLE: life }),
    ...json('PROXY_CONFIG', { ...proxyConfig, discoveryAddress: settings.discoveryAddress, statusPort }),
    ...(ports.length > 0 ? [{ name: 'ISTIO_META_POD_PORTS', value: JSON.stringify(ports) }] : []),
    ...value('ISTIO_META_APP_CONTAINERS', names.join(',')),
    ...value('ISTIO_META_CLUSTER_ID', settings.clusterId), ...value('ISTIO_META_NETWORK', settings.network),
    field('ISTIO_META_NODE_NAME', 'spec.nodeName'),
    ...(template === 'sidecar' ? value('ISTIO_META_INTERCEPTION_MODE', mode) : []),
    ...value('ISTIO_META_WORKLOAD_NAME', workload.name), ...value('ISTIO_META_OWNER', workload.owner),
    ...value('ISTIO_META_MESH_ID', meshId), ...value('TRUST_DOMAIN', settings.trustDomain),
    ...json('ISTIO_KUBE_APP_PROBERS', probes), ...json('ISTIO_PROMETHEUS_ANNOTATIONS', metrics),
    ...Object.entries(proxyMetadata).map(([name, text]) => ({ name, value: text })),
  ];
}
