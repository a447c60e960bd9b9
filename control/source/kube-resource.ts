// Which resources of the Kubernetes API are watched, by which versions, and what is kept of their objects.
import { KINDS, REFUSED_KINDS, type Kind, type KindName } from '../model/kind.ts';
import type { KubeDocument } from './kube-document.ts';
import { trimObject } from './kube-trim.ts';

export interface KubeResource {
  readonly group: string;
  /** The first that is served is watched. */
  readonly versions: readonly string[];
  /** Under what its objects are kept: KINDS' name, `MeshConfig` for the ConfigMap that has it as text. */
  readonly id: string;
  /** `virtualservices` */
  readonly plural: string;
  /** As the API server calls it. */
  readonly kind: string;
  readonly namespaced: boolean;
  readonly fieldSelector?: string;
  /** Where reading it is forbidden, the mesh is served without: nothing that protects depends on it. */
  readonly dispensable: boolean;
  /** What is kept of an object; undefined where it is of no use. */
  trim(object: KubeDocument): KubeDocument | undefined;
}

/** Objects of the configuration that no resource of the API has: MeshConfig is a ConfigMap's text. */
const NOT_RESOURCES: ReadonlySet<KindName> = new Set(['MeshConfig', 'Endpoints']);
const DISPENSABLE: ReadonlySet<string> = new Set(['Node', 'Secret', 'ServiceAccount', 'ConfigMap']);
/** Charts' archives and the tokens of the past are most of what Secrets there are. */
const FIELD_SELECTORS: Readonly<Record<string, string>> = {
  Secret: 'type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token',
};
const ISTIO_GROUPS: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  EnvoyFilter: ['networking.istio.io', ['v1alpha3']],
  ProxyConfig: ['networking.istio.io', ['v1beta1', 'v1']],
  WasmPlugin: ['extensions.istio.io', ['v1alpha1']],
  TrafficExtension: ['extensions.istio.io', ['v1alpha1']],
};

/** All of them; `rootNamespace` has the ConfigMap `istio`. */
export function watchedResources(rootNamespace: string): KubeResource[] {
  const kinds = Object.entries(KINDS).filter(([name]) => !NOT_RESOURCES.has(name as KindName));
  const refused = Object.entries(ISTIO_GROUPS).filter(([kind]) => REFUSED_KINDS.has(kind));
  return [
    ...kinds.map(([id, kind]) => kindResource(id, kind)),
    ...refused.map(([id, [group, versions]]) => refusedResource(id, { group, versions })),
    {
      ...kindResource('MeshConfig', { group: '', versions: ['v1'], word: 'ConfigMap' }),
      fieldSelector: 'metadata.name=istio', dispensable: true,
      trim: (object) => (isMeshConfig(object, rootNamespace) ? trimObject('MeshConfig', object) : undefined),
    },
  ];
}

type Named = Pick<Kind, 'group' | 'versions' | 'word' | 'clusterScoped'>;

function kindResource(id: string, { group, versions, word: kind = id, clusterScoped }: Named): KubeResource {
  const fieldSelector = FIELD_SELECTORS[id];
  return {
    group, versions, kind, id,
    plural: pluralOf(kind),
    namespaced: clusterScoped !== true,
    dispensable: DISPENSABLE.has(id),
    ...(fieldSelector !== undefined && { fieldSelector }),
    trim: (object) => trimObject(id, object),
  };
}

/** Its objects are refused by name, for which the name is enough. */
function refusedResource(id: string, named: Named): KubeResource {
  const trim = (object: KubeDocument): KubeDocument => {
    const { name, namespace } = object['metadata'] as { name?: unknown; namespace?: unknown };
    return { apiVersion: object['apiVersion'], kind: id, metadata: { name, namespace } };
  };
  return { ...kindResource(id, named), dispensable: true, trim };
}

/** As Kubernetes forms it: policies, gateways, gatewayclasses. */
export function pluralOf(kind: string): string {
  const name = kind.toLowerCase();
  if (/[^aeiou]y$/.test(name)) return `${name.slice(0, -1)}ies`;
  return /(s|x|ch|sh)$/.test(name) ? `${name}es` : `${name}s`;
}

/** `/apis/networking.istio.io/v1/namespaces/default/virtualservices` */
export function resourcePath(
  resource: Pick<KubeResource, 'group' | 'plural'>, version: string, namespace: string | undefined,
): string {
  const root = resource.group === '' ? `/api/${version}` : `/apis/${resource.group}/${version}`;
  return `${root}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${resource.plural}`;
}

/** The field selector says it too; not every server that a test makes knows of those. */
function isMeshConfig({ metadata }: KubeDocument, rootNamespace: string): boolean {
  const { namespace, name } = (metadata ?? {}) as { namespace?: unknown; name?: unknown };
  return namespace === rootNamespace && name === 'istio';
}
