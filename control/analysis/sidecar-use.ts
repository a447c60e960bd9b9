// Sidecar objects: several for one namespace, and imports that bring nothing in.
import { findingAt, placeOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { hostMatches } from '../registry/hostname.ts';
import { isVisible } from '../registry/service.ts';
import type { MeshView } from '../translate/mesh-view.ts';
import { sidecarSelector } from '../translate/sidecar-scope.ts';

export function sidecarFindings(view: MeshView): Finding[] {
  const first = new Map<string, MeshObject<'Sidecar'>>();
  return view.inventory.list('Sidecar').flatMap((object) => {
    const imports = emptyImports(view, object);
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
