// Workloads from Pods and WorkloadEntries, found by address, by name and by label.
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { atOnce, type Steps } from '../model/steps.ts';
import { localityOf } from './node-locality.ts';
import { hasLabels, opaquePortsOf, tlsModeOf, workloadOfPod, type Labels, type Workload } from './workload.ts';

/** A pod as a workload; undefined when it has no address or is over. */
export function podWorkload(pod: MeshObject<'Pod'>, inventory: Inventory): Workload | undefined {
  const status = pod.body.status;
  const address = status?.podIP ?? status?.podIPs?.[0]?.ip;
  if (address === undefined || status?.phase === 'Succeeded' || status?.phase === 'Failed') return undefined;
  const ports = new Map<string, number>();
  for (const container of pod.body.spec?.containers ?? []) {
    for (const port of container.ports ?? []) if (port.name !== undefined) ports.set(port.name, port.containerPort);
  }
  return {
    name: pod.name,
    namespace: pod.namespace,
    labels: pod.labels,
    serviceAccount: pod.body.spec?.serviceAccountName ?? 'default',
    workloadName: workloadOfPod(pod.name, pod.labels),
    address,
    ports,
    opaquePorts: opaquePortsOf(pod.annotations),
    tlsMode: tlsModeOf(pod.labels, pod.annotations.has('sidecar.istio.io/status')),
    locality: localityOf(inventory, pod.body.spec?.nodeName, pod.labels),
    weight: 1,
    origin: pod.origin,
  };
}

/** Whether a pod takes traffic: its Ready condition, true where no controller wrote one. */
export function isPodReady(pod: MeshObject<'Pod'>): boolean {
  const ready = pod.body.status?.conditions?.find(({ type }) => type === 'Ready');
  return ready === undefined || ready.status === 'True';
}

/** Istio's annotation of entries that belong to a WorkloadGroup of their namespace. */
export const GROUP_ANNOTATION = 'istio.io/autoRegistrationGroup';

/** What the entry does not say its group says. */
export function entryWorkload(
  entry: MeshObject<'WorkloadEntry'>, group?: MeshObject<'WorkloadGroup'>,
): Workload {
  const { template = {}, metadata } = group?.body.spec ?? {};
  const spec = { ...template, ...entry.body.spec };
  const labels = new Map([
    ...Object.entries(metadata?.labels ?? {}), ...Object.entries(template.labels ?? {}),
    ...entry.labels, ...Object.entries(entry.body.spec.labels ?? {}),
  ]);
  return {
    name: entry.name,
    namespace: entry.namespace,
    labels,
    serviceAccount: spec.serviceAccount ?? 'default',
    workloadName: workloadNameOf(labels, group?.name ?? entry.name),
    address: spec.address,
    ports: new Map(Object.entries({ ...template.ports, ...spec.ports })),
    opaquePorts: opaquePortsOf(entry.annotations),
    tlsMode: tlsModeOf(labels, spec.serviceAccount !== undefined),
    locality: spec.locality ?? '',
    weight: spec.weight ?? 1,
    origin: entry.origin,
  };
}

/** `service.istio.io/workload-name` names what a WorkloadEntry is an instance of. */
function workloadNameOf(labels: Labels, name: string): string {
  return labels.get('service.istio.io/workload-name') ?? name;
}

/** The workloads of an inventory. */
export class WorkloadIndex {
  readonly #pods: PodWorkload[] = [];
  readonly #entries: Workload[] = [];
  readonly #podsByLabel = new LabelIndex<PodWorkload>(({ workload }) => workload);
  readonly #entriesByLabel = new LabelIndex<Workload>((workload) => workload);
  readonly #podsByName = new Map<string, Workload>();
  readonly #podsByAddress = new Map<string, Workload[]>();

  /** Of an inventory, a workload at a time. */
  static * steps(inventory: Inventory): Steps<WorkloadIndex> {
    const index = new WorkloadIndex();
    for (const pod of inventory.list('Pod')) {
      const workload = podWorkload(pod, inventory);
      if (workload !== undefined) index.#addPod({ pod, workload });
      yield;
    }
    for (const entry of inventory.list('WorkloadEntry')) {
      const group = entry.annotations.get(GROUP_ANNOTATION) ?? '';
      const workload = entryWorkload(entry, inventory.get('WorkloadGroup', entry.namespace, group));
      index.#entries.push(workload);
      index.#entriesByLabel.add(workload);
      yield;
    }
    return index;
  }

  all(): Workload[] {
    return [...this.#pods.map(({ workload }) => workload), ...this.#entries];
  }

  pod(namespace: string, name: string): Workload | undefined {
    return this.#podsByName.get(keyOf(namespace, name));
  }

  /** The one pod with this address; undefined when several share it (host network). */
  podAt(namespace: string, address: string): Workload | undefined {
    const found = this.#podsByAddress.get(keyOf(namespace, address)) ?? [];
    return found.length === 1 ? found[0] : undefined;
  }

  podsWith(namespace: string, labels: Labels, notReadyToo = false): Workload[] {
    return this.#podsByLabel.with(namespace, labels)
      .filter(({ pod }) => notReadyToo || isPodReady(pod))
      .map(({ workload }) => workload);
  }

  entriesWith(namespace: string, labels: Labels): Workload[] {
    return this.#entriesByLabel.with(namespace, labels);
  }

  #addPod(found: PodWorkload): void {
    const { workload } = found;
    this.#pods.push(found);
    this.#podsByLabel.add(found);
    const name = keyOf(workload.namespace, workload.name);
    if (!this.#podsByName.has(name)) this.#podsByName.set(name, workload);
    appendTo(this.#podsByAddress, keyOf(workload.namespace, workload.address), workload);
  }
}

/** Made once for an inventory. */
export function workloadsOf(inventory: Inventory): WorkloadIndex {
  return inventory.derived(allWorkloads);
}

/** The same, a little at a time. */
export function workloadSteps(inventory: Inventory): Steps<WorkloadIndex> {
  return inventory.derivedSteps(allWorkloads, WorkloadIndex.steps, ['Pod', 'WorkloadEntry', 'WorkloadGroup', 'Node']);
}

function allWorkloads(inventory: Inventory): WorkloadIndex {
  return atOnce(WorkloadIndex.steps(inventory));
}

interface PodWorkload {
  readonly pod: MeshObject<'Pod'>;
  readonly workload: Workload;
}

/** Things by the namespace and each label of their workload, in their order. */
class LabelIndex<T> {
  readonly #workloadOf: (thing: T) => Workload;
  readonly #byNamespace = new Map<string, T[]>();
  readonly #byLabel = new Map<string, T[]>();

  constructor(workloadOf: (thing: T) => Workload) {
    this.#workloadOf = workloadOf;
  }

  add(thing: T): void {
    const { namespace, labels } = this.#workloadOf(thing);
    appendTo(this.#byNamespace, namespace, thing);
    for (const [key, value] of labels) appendTo(this.#byLabel, keyOf(namespace, key, value), thing);
  }

  /** Those with all labels; with none of them all of the namespace. */
  with(namespace: string, labels: Labels): T[] {
    let fewest = this.#byNamespace.get(namespace) ?? [];
    for (const [key, value] of labels) {
      const found = this.#byLabel.get(keyOf(namespace, key, value)) ?? [];
      if (found.length < fewest.length) fewest = found;
    }
    return fewest.filter((thing) => hasLabels(this.#workloadOf(thing).labels, labels));
  }
}

function keyOf(...parts: readonly string[]): string {
  return parts.join('\u0000');
}

function appendTo<T>(map: Map<string, T[]>, key: string, thing: T): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [thing]);
  else known.push(thing);
}
