// DestinationRules that get in each other's way: of one host and namespace only the first policy holds.
import { findingAt, placeOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { ruleHost } from '../translate/destination-policy.ts';
import type { MeshView } from '../translate/mesh-view.ts';

type Rule = MeshObject<'DestinationRule'>;

export function destinationRuleFindings(view: MeshView): Finding[] {
  const policies = new Map<string, Rule>();
  const subsets = new Map<string, Rule>();
  return view.inventory.list('DestinationRule').flatMap((rule) => {
    const { trafficPolicy, subsets: own = [], workloadSelector } = rule.body.spec;
    if (workloadSelector !== undefined) return [];
    const host = ruleHost(view, rule);
    const key = `${rule.namespace} ${host}`;
    return [
      ...(trafficPolicy === undefined ? [] : taken(policies, key, rule, ['spec', 'trafficPolicy'], host)),
      ...own.flatMap(({ name }, at) =>
        taken(subsets, `${key} ${name}`, rule, ['spec', 'subsets', at], `${host} subset ${name}`)),
    ];
  });
}

function taken(
  first: Map<string, Rule>, key: string, rule: Rule, path: readonly (string | number)[], what: string,
): Finding[] {
  const other = first.get(key);
  if (other === undefined) first.set(key, rule);
  if (other === undefined || other === rule) return [];
  const reason = `has no effect: ${placeOf(other.origin)} says it for ${what} already`;
  return [{ ...findingAt(rule, path, reason), level: 'error' }];
}
