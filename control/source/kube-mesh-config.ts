// The ConfigMap `istio` of the root namespace, whose key `mesh` is Istio's MeshConfig as YAML.
import { parseYaml } from '../../proxy/config/yaml-file.ts';
import type { Finding } from '../model/mesh-object.ts';
import { MeshConfigSpec } from '../model/mesh-config.ts';
import type { KubeDocument } from './kube-document.ts';

/** Read elsewhere: by the source itself, and by what injects sidecars. */
const READ_ELSEWHERE: ReadonlySet<string> = new Set(['discoverySelectors', 'defaultConfig']);
/** Settled where the control plane is started; Istio's installations write them with these values. */
const SETTLED = new Map<string, readonly [usual: string, instead: string]>([
  ['rootNamespace', ['istio-system', 'the root namespace is the one of this ConfigMap']],
  ['trustDomain', ['cluster.local', 'the authority\'s own holds; it is given by --trust-domain']],
]);

/**
 * A MeshConfig object, with what of it is not read; or undefined with what is wrong with the text. A field that weft
 * does not have is left out with a warning: every installation of Istio writes some.
 */
export function meshConfigDocument(configMap: KubeDocument, file: string): [KubeDocument | undefined, Finding[]] {
  const { spec, errors } = meshConfigText(configMap, file);
  if (errors.length > 0) return [undefined, errors];
  const fields = new Set((MeshConfigSpec as unknown as { '~node': SpecNode })['~node'].spellings.keys());
  const kept = Object.entries(spec).filter(([name]) => fields.has(name));
  const unread = Object.keys(spec).filter((name) => !fields.has(name) && !READ_ELSEWHERE.has(name)
    && spec[name] !== SETTLED.get(name)?.[0]);
  const warnings = unread.map((name) => ({
    where: file, object: 'MeshConfig', path: name.slice(0, 100),
    reason: `has no effect: ${SETTLED.get(name)?.[1] ?? 'weft has no such setting'}`,
  }));
  const document = {
    apiVersion: 'mesh.istio.io/v1alpha1', kind: 'MeshConfig', metadata: configMap['metadata'],
    spec: Object.fromEntries(kept),
  };
  return [document, warnings];
}

interface SpecNode {
  readonly spellings: ReadonlyMap<string, unknown>;
}

/** What `discoverySelectors` says: label selectors of namespaces, each as it is written. */
export function discoverySelectors(configMap: KubeDocument): readonly unknown[] {
  const { spec } = meshConfigText(configMap, '');
  const selectors = spec['discoverySelectors'];
  return Array.isArray(selectors) ? selectors : [];
}

function meshConfigText(configMap: KubeDocument, file: string): { spec: KubeDocument; errors: Finding[] } {
  const data = configMap['data'] as { readonly mesh?: unknown } | undefined;
  const text = typeof data?.mesh === 'string' ? data.mesh : '';
  const { documents, errors } = parseYaml(text, file);
  const value = documents[0]?.value ?? {};
  const isText = typeof value === 'object' && !Array.isArray(value);
  const faults = errors.map(({ reason }) => ({ where: file, object: 'ConfigMap istio', path: 'data.mesh', reason }));
  if (!isText) faults.push({ where: file, object: 'ConfigMap istio', path: 'data.mesh', reason: 'is not a map' });
  return { spec: isText && value !== null ? { ...(value as KubeDocument) } : {}, errors: faults };
}
