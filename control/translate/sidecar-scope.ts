// What of the mesh a caller knows: what is exported to its namespace, narrowed by the Sidecar object for it.
import type { MeshObject } from '../model/mesh-object.ts';
import type { SidecarEgress } from '../model/sidecar.ts';
import { hostIntersection, hostMatches } from '../registry/hostname.ts';
import type { MeshService } from '../registry/service.ts';
import { hasLabels } from '../registry/workload.ts';
import { placedRules } from './delegate.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import { MESH_GATEWAY } from './rule-scope.ts';
import { boundVirtualServices, hostsOf, type VirtualServiceObject } from './virtual-service.ts';

type SidecarObject = MeshObject<'Sidecar'>;

export interface KnownMesh {
  readonly services: readonly MeshService[];
  /** Bound to the mesh, not to gateways. */
  readonly virtualServices: readonly VirtualServiceObject[];
}

/** Through all listeners. */
export function knownMesh(view: MeshView, scope: Scope): KnownMesh {
  return importedMesh(view, scope, egressOf(view, scope));
}

/** Through the common listener: what has a listener of its own is left out. */
export function commonMesh(view: MeshView, scope: Scope): KnownMesh {
  return importedMesh(view, scope, egressOf(view, scope)?.filter(({ port }) => port === undefined));
}

/** The Sidecar's list; undefined where all is known. */
export function egressOf(view: MeshView, scope: Scope): readonly SidecarEgress[] | undefined {
  const egress = scope.isGateway === true ? undefined : sidecarFor(view, scope)?.body.spec?.egress;
  return egress === undefined || egress.length === 0 ? undefined : egress;
}

/** What some of its entries bring in; all where there is no list. */
export function importedMesh(view: MeshView, scope: Scope, egress: readonly SidecarEgress[] | undefined): KnownMesh {
  const services = view.registry.visibleFrom(scope.namespace);
  const virtualServices = boundVirtualServices(view, scope.namespace, MESH_GATEWAY);
  if (egress === undefined) return { services, virtualServices };
  const imports = egress.flatMap(({ hosts }) => hosts.map((host) => importOf(host, scope.namespace)));
  const rules = virtualServices.filter((object) => hostsOf(view, object).some((host) =>
    imports.some(({ admits, pattern }) => admits(object.namespace) && hostIntersection(pattern, host) !== undefined)));
  // Where rules lead is known too, as in Istio, or they would lead nowhere.
  const targets = new Set(rules.flatMap((object) => destinationsOf(view, object)));
  const known = services.filter(({ namespace, hostname }) => targets.has(hostname)
    || imports.some(({ admits, pattern }) => admits(namespace) && hostMatches(pattern, hostname)));
  return { services: known, virtualServices: rules };
}

/** The one that selects the workload, else that of the namespace, else that of the mesh; the first of several. */
export function sidecarFor({ inventory, settings }: MeshView, scope: Scope): SidecarObject | undefined {
  const all = inventory.list('Sidecar');
  const own = all.filter(({ namespace }) => namespace === scope.namespace);
  const root = all.filter(({ namespace }) => namespace === settings.rootNamespace);
  const isFor = (object: SidecarObject): boolean => hasLabels(scope.labels, sidecarSelector(object));
  return own.find((object) => sidecarSelector(object).size > 0 && isFor(object))
    ?? own.find((object) => sidecarSelector(object).size === 0)
    ?? root.find((object) => sidecarSelector(object).size === 0);
}

export function sidecarSelector({ body }: SidecarObject): ReadonlyMap<string, string> {
  return new Map(Object.entries(body.spec?.workloadSelector?.labels ?? {}));
}

interface Import {
  readonly pattern: string;
  admits(namespace: string): boolean;
}

/** Its form was checked: `namespace/host`. */
function importOf(host: string, own: string): Import {
  const [namespace = '', pattern = ''] = host.split('/');
  const wanted = namespace === '.' ? own : namespace;
  return { pattern, admits: (other) => wanted !== '~' && (wanted === '*' || wanted === other) };
}

function destinationsOf(view: MeshView, object: VirtualServiceObject): string[] {
  const { tcp = [], tls = [] } = object.body.spec;
  const http = placedRules(view, object).flatMap(({ rule, object: home }) =>
    [...rule.route ?? [], ...rule.mirrors ?? []].map(({ destination }) => ({ destination, home })));
  const other = [...tcp, ...tls]
    .flatMap(({ route }) => route.map(({ destination }) => ({ destination, home: object })));
  return [...http, ...other].flatMap(({ destination, home }) => {
    const service = view.registry.byHost(view.registry.resolve(destination.host, home.namespace));
    return service === undefined ? [] : [service.hostname];
  });
}
