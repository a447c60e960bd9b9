// Whether a pod gets a sidecar: by Istio's rules, in their order.
import type { InjectionSettings } from './injection-settings.ts';
import type { PodTemplate } from './pod.ts';

/** What runs here must run before there is a mesh. */
export const IGNORED_NAMESPACES: ReadonlySet<string> = new Set([
  'kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage',
]);
const YES: ReadonlySet<string> = new Set(['y', 'yes', 'true', 'on', 'enabled']);
export const STATUS_ANNOTATION = 'sidecar.istio.io/status';

/** Why it gets none, in words for its owner; undefined: it gets one. */
export function reasonNotToInject(
  { metadata = {}, spec }: PodTemplate, namespace: string, settings: InjectionSettings,
): string | undefined {
  const { labels = {}, annotations = {} } = metadata;
  if (annotations[STATUS_ANNOTATION] !== undefined) return 'it has its sidecar already';
  if (IGNORED_NAMESPACES.has(namespace)) return `pods of namespace ${namespace} get no sidecar`;
  if (spec.hostNetwork === true) return 'it is in its host\'s network (hostNetwork), whose connections are not its own';
  if (spec.os?.name === 'windows') return 'it is a Windows pod';
  if (labels['istio.io/dataplane-mode'] === 'ambient') return 'its label istio.io/dataplane-mode is "ambient"';
  const said = labels['sidecar.istio.io/inject'] ?? annotations['sidecar.istio.io/inject'];
  if (said !== undefined && said !== '') {
    return YES.has(said.toLowerCase()) ? otherRevision(labels, settings) : `sidecar.istio.io/inject is "${said}"`;
  }
  if (!settings.injectByDefault) return 'pods that do not ask (sidecar.istio.io/inject) get no sidecar';
  return otherRevision(labels, settings);
}

function otherRevision(
  labels: Readonly<Record<string, string>>, { revision }: InjectionSettings,
): string | undefined {
  const wanted = labels['istio.io/rev'];
  return wanted === undefined || wanted === revision ? undefined : `it is of revision ${wanted}, this is ${revision}`;
}
