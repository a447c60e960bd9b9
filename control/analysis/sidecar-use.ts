// Sidecar objects: several for one namespace, and imports that bring nothing in.
import { findingAt, placeOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { hostMatches } from '../registry/hostname.ts';
import { isVisible } from '../registry/service.ts';
import type { MeshView } from '../translate/mesh-view.ts';
import { peerMode } from '../translate/peer-authentication.ts';
import { importedMesh, sidecarSelector } from '../translate/sidecar-scope.ts';

export function sidecarFindings(view: MeshView): Finding[] {
  const first = new Map<string, MeshObject<'Sidecar'>>();
  return view.inventory.list('Sidecar').flatMap((object) => {
    const imports = [...emptyImports(view, object), ...emptyListeners(view, object), ...idleTls(view, object)];
    if (sidecarSelector(object).size > 0) return imports;
    const other = first.get(object.namespace);
    if (other === undefined) first.set(object.namespace, object);
    if (other === undefined) return imports;
    const reason = `has no effect: ${placeOf(other.origin)} is for the whole namespace already`;
    return [{ ...findingAt(object, [], reason), level: 'error' as const }, ...imports];
  });
}

function emptyImports(view: MeshView, object: MeshObject<'Sidecar'>): Finding[] {
  return (object.body.spec?.egress ?? []).flatMap(({ hosts }, rule) => hosts.flatMap((text, at) => {
    const [scope = '', host = ''] = text.split('/');
    const namespace = scope === '.' ? object.namespace : scope;
    if (namespace === '~') return [];
    const brings = [...view.registry.services].some((service) => hostMatches(host, service.hostname)
      && (namespace === '*' || service.namespace === namespace) && isVisible(service.exportTo, object.namespace));
    if (brings) return [];
    const hint = host.includes('.') || host === '*' ? '' : '; hosts are written in full here';
    return [findingAt(object, ['spec', 'egress', rule, 'hosts', at], `brings in no service${hint}`)];
  }));
}

/** Egress entries with a port that none of their services has. */
function emptyListeners(view: MeshView, object: MeshObject<'Sidecar'>): Finding[] {
  const scope = { namespace: object.namespace, labels: sidecarSelector(object), isWeft: true };
  return (object.body.spec?.egress ?? []).flatMap((egress, at) => {
    if (egress.port === undefined) return [];
    const { services, virtualServices } = importedMesh(view, scope, [egress]);
    const { number } = egress.port;
    if (services.length === 0 || services.some(({ ports }) => ports.some((port) => port.number === number))) return [];
    // Rules may be for hosts that no service has.
    if (virtualServices.length > 0) return [];
    return [findingAt(object, ['spec', 'egress', at, 'port'], `no service of its hosts has port ${number}`)];
  });
}

/** The sidecar's own TLS, where the mesh's is on. */
function idleTls(view: MeshView, object: MeshObject<'Sidecar'>): Finding[] {
  const scope = { namespace: object.namespace, labels: sidecarSelector(object) };
  return (object.body.spec?.ingress ?? []).flatMap(({ port, tls }, at) => {
    if (tls === undefined || peerMode(view.inventory, view.settings, scope, port.number) === 'DISABLE') return [];
    const reason = `has no effect: no PeerAuthentication DISABLEs the mesh's TLS on port ${port.number}`;
    return [{ ...findingAt(object, ['spec', 'ingress', at, 'tls'], reason), level: 'error' as const }];
  });
}
