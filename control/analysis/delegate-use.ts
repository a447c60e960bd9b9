// Delegation between VirtualServices: to whom, what of it takes effect, and rules that nobody delegates to.
import { nearestName } from '../../proxy/config/nearest-name.ts';
import { findingAt, placeOf, titleOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { delegateOf, mergeRules } from '../translate/delegate.ts';
import type { MeshView } from '../translate/mesh-view.ts';

type VirtualServiceObject = MeshObject<'VirtualService'>;
type View = Pick<MeshView, 'inventory'>;

export function delegateFindings(view: View): Finding[] {
  const used = new Set<VirtualServiceObject>();
  const objects = view.inventory.list('VirtualService');
  const findings = objects.flatMap((object) => (object.body.spec.http ?? []).flatMap((rule, at) => {
    if (rule.delegate === undefined) return [];
    const target = delegateOf(view, object, rule);
    if (target === undefined) return [missing(view, object, at)];
    used.add(target);
    return outside(object, at, target);
  }));
  const idle = objects.filter((object) => (object.body.spec.hosts ?? []).length === 0 && !used.has(object));
  return [...findings, ...idle.map((object) => findingAt(object, ['spec'],
    'has no effect: without hosts it holds where another VirtualService delegates to it, and none does'))];
}

function missing({ inventory }: View, object: VirtualServiceObject, at: number): Finding {
  const { name = '', namespace = object.namespace } = object.body.spec.http?.[at]?.delegate ?? {};
  const found = inventory.get('VirtualService', namespace, name);
  const names = inventory.list('VirtualService').filter((other) => other !== object).map((other) => other.name);
  const hasHosts = (found?.body.spec.hosts ?? []).length > 0;
  const reason = found === undefined ? `no VirtualService '${namespace}/${name}'${nearestName(name, names)}`
    : `${titleOf(found)} ${hasHosts ? 'has hosts of its own' : `is not exported to ${object.namespace}`}`;
  const path = ['spec', 'http', at, 'delegate'];
  return { ...findingAt(object, path, `${reason}: the rule is left out`), level: 'error' };
}

/** Rules of the delegate that the root's conditions exclude. */
function outside(object: VirtualServiceObject, at: number, target: VirtualServiceObject): Finding[] {
  const root = object.body.spec.http?.[at];
  return (target.body.spec.http ?? []).flatMap((inner, index) => {
    if (root === undefined || mergeRules(root, inner, object.namespace) !== undefined) return [];
    const by = placeOf(object.locate(['spec', 'http', at]));
    const reason = `is left out: it matches what ${by}, which delegates to it, does not`;
    return [{ ...findingAt(target, ['spec', 'http', index, 'match'], reason), level: 'error' as const }];
  });
}
