// Selectors that select nothing, as far as the workloads or the services' selectors of the configuration tell.
import type { KindName } from '../model/kind.ts';
import { findingAt, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { workloadsOf } from '../registry/pod-workload.ts';
import { hasLabels, type Labels } from '../registry/workload.ts';
import type { MeshView } from '../translate/mesh-view.ts';

const POLICIES = ['PeerAuthentication', 'RequestAuthentication', 'AuthorizationPolicy', 'Telemetry', 'OidcLogin',
  'OpenApiPolicy', 'EgressCredential'] as const satisfies readonly KindName[];

export function selectorFindings(view: MeshView): Finding[] {
  const { inventory, settings } = view;
  const known = new KnownLabels(view);
  const policies = POLICIES.flatMap((kind) => inventory.list(kind) as readonly MeshObject<(typeof POLICIES)[number]>[]);
  return [
    ...policies.flatMap((policy) => {
      const isRoot = policy.namespace === settings.rootNamespace;
      const labels = policy.body.spec?.selector?.matchLabels;
      return selectsNothing(known, policy, ['spec', 'selector'], labels, isRoot ? undefined : policy.namespace);
    }),
    ...inventory.list('Sidecar').flatMap((object) => selectsNothing(
      known, object, ['spec', 'workloadSelector'], object.body.spec?.workloadSelector?.labels, object.namespace)),
    ...inventory.list('DestinationRule').flatMap((object) => selectsNothing(
      known, object, ['spec', 'workloadSelector'], object.body.spec.workloadSelector?.matchLabels, object.namespace)),
  ];
}

/** `namespace` is where the workloads would be; undefined is anywhere. */
function selectsNothing(
  known: KnownLabels, object: MeshObject, path: readonly string[], wanted: Readonly<Record<string, string>> = {},
  namespace: string | undefined,
): Finding[] {
  const labels = new Map(Object.entries(wanted));
  if (labels.size === 0 || known.mayExist(namespace, labels)) return [];
  const text = [...labels].map(([key, value]) => `${key}: ${value}`).join(', ');
  return [findingAt(object, path, `has no effect: no workload has the labels ${text}`)];
}

interface Labelled {
  readonly namespace: string;
  readonly labels: Labels;
}

class KnownLabels {
  readonly #workloads: readonly Labelled[];
  /** What services and gateways select by: all that is known of workloads that stand elsewhere. */
  readonly #selected: readonly Labelled[];

  constructor({ inventory }: MeshView) {
    this.#workloads = workloadsOf(inventory).all();
    this.#selected = [
      ...inventory.list('Service').map(({ namespace, body }) => ({ namespace, labels: body.spec.selector ?? {} })),
      ...inventory.list('Gateway').map(({ namespace, body }) => ({ namespace, labels: body.spec.selector ?? {} })),
    ].map(({ namespace, labels }) => ({ namespace, labels: new Map(Object.entries(labels)) }));
  }

  /** Without any workload in the namespace, whether a selector says the same of one of the labels. */
  mayExist(namespace: string | undefined, labels: Labels): boolean {
    const inside = ({ namespace: own }: Labelled): boolean => namespace === undefined || own === namespace;
    const workloads = this.#workloads.filter(inside);
    if (workloads.some((workload) => hasLabels(workload.labels, labels))) return true;
    const selected = this.#selected.filter(inside).filter(({ labels: own }) => own.size > 0);
    const isNamed = (own: Labels): boolean => [...labels].some(([key, value]) => own.get(key) === value);
    // A gateway's own pods are seldom in the folder that says what they serve.
    if (workloads.length > 0) return selected.some(({ labels: own }) => own.has('istio') && isNamed(own));
    return selected.length === 0 || selected.some(({ labels: own }) => isNamed(own));
  }
}
