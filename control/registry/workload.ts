// A workload: one running instance with its labels, identity and address, whichever kind of object described it.
import type { Origin } from '../model/mesh-object.ts';

export type Labels = ReadonlyMap<string, string>;

/** How peers reach it: `istio` where a sidecar terminates mutual TLS, `disabled` for plaintext. */
export type TlsMode = 'istio' | 'disabled';

export interface Workload {
  /** Pod or WorkloadEntry name; '' for a bare address of an Endpoints object. */
  readonly name: string;
  readonly namespace: string;
  readonly labels: Labels;
  readonly serviceAccount: string;
  /** Name of what runs it (Deployment), for metrics and traces. */
  readonly workloadName: string;
  readonly address: string;
  /** Named ports and service ports to where they are served, as in WorkloadEntry.ports. */
  readonly ports: ReadonlyMap<string, number>;
  readonly tlsMode: TlsMode;
  /** Its ports that are carried as they are. */
  readonly opaquePorts?: ReadonlySet<number> | undefined;
  /** `region/zone/subzone`, '' when unknown. */
  readonly locality: string;
  readonly weight: number;
  readonly origin: Origin;
}

const OPAQUE_PORTS = 'config.weft.dev/opaque-ports';

/** What an object's annotation says; undefined where it has none. */
export function opaquePortsOf(annotations: ReadonlyMap<string, string> | undefined): ReadonlySet<number> | undefined {
  const text = annotations?.get(OPAQUE_PORTS);
  return text === undefined ? undefined : new Set(text.split(',').map((port) => Number(port.trim())));
}

const TLS_MODE_LABEL = 'security.istio.io/tlsMode';

/** A label says it; without one, `hasIdentity` decides (as Istio does for WorkloadEntry). */
export function tlsModeOf(labels: Labels, hasIdentity: boolean): TlsMode {
  const label = labels.get(TLS_MODE_LABEL);
  if (label !== undefined) return label === 'istio' ? 'istio' : 'disabled';
  return hasIdentity ? 'istio' : 'disabled';
}

/** Istio's canonical service of a workload. */
export function canonicalName(workload: Pick<Workload, 'labels' | 'workloadName'>): string {
  const labels = workload.labels;
  const name = labels.get('service.istio.io/canonical-name') ?? labels.get('app.kubernetes.io/name');
  return name ?? labels.get('app') ?? workload.workloadName;
}

/** Istio's canonical revision of a workload. */
export function canonicalRevision(labels: Labels): string {
  const revision = labels.get('service.istio.io/canonical-revision') ?? labels.get('app.kubernetes.io/version');
  return revision ?? labels.get('version') ?? 'latest';
}

/** A pod's name without what Deployment and ReplicaSet append (`reviews-v1-6d8c4f7b9-x2x4z` is reviews-v1). */
export function workloadOfPod(podName: string, labels: Labels): string {
  const hash = labels.get('pod-template-hash');
  const marker = hash === undefined ? -1 : podName.lastIndexOf(`-${hash}-`);
  return marker <= 0 ? podName : podName.slice(0, marker);
}

/** Whether every one of `wanted` is there with the same value; nothing wanted fits all. */
export function hasLabels(labels: Labels, wanted: Labels): boolean {
  for (const [key, value] of wanted) if (labels.get(key) !== value) return false;
  return true;
}
