// DestinationRules without effect: of one host and namespace only the first policy holds, and failover needs ejection.
import { findingAt, placeOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { ruleHost } from '../translate/destination-policy.ts';
import type { MeshView } from '../translate/mesh-view.ts';

type Rule = MeshObject<'DestinationRule'>;

export function destinationRuleFindings(view: MeshView): Finding[] {
  const policies = new Map<string, Rule>();
  const subsets = new Map<string, Rule>();
  return view.inventory.list('DestinationRule').flatMap((rule) => {
    const { trafficPolicy, subsets: own = [], workloadSelector } = rule.body.spec;
    const idle = [...idleFailover(rule), ...idlePassthrough(rule)];
    if (workloadSelector !== undefined) return idle;
    const host = ruleHost(view, rule);
    const key = `${rule.namespace} ${host}`;
    return [
      ...idle,
      ...(trafficPolicy === undefined ? [] : taken(policies, key, rule, ['spec', 'trafficPolicy'], host)),
      ...own.flatMap(({ name }, at) =>
        taken(subsets, `${key} ${name}`, rule, ['spec', 'subsets', at], `${host} subset ${name}`)),
    ];
  });
}

/** Nothing fails over where nothing is found to fail. */
function idleFailover(rule: Rule): Finding[] {
  const { loadBalancer, outlierDetection } = rule.body.spec.trafficPolicy ?? {};
  const { failover, failoverPriority } = loadBalancer?.localityLbSetting ?? {};
  if (outlierDetection !== undefined || (failover ?? failoverPriority) === undefined) return [];
  const path = ['spec', 'trafficPolicy', 'loadBalancer', 'localityLbSetting'];
  return [findingAt(rule, path, 'has no effect without outlierDetection: endpoints are not found to fail')];
}

function idlePassthrough(rule: Rule): Finding[] {
  if (rule.body.spec.trafficPolicy?.loadBalancer?.simple !== 'PASSTHROUGH') return [];
  const path = ['spec', 'trafficPolicy', 'loadBalancer', 'simple'];
  return [findingAt(rule, path, 'is LEAST_REQUEST where connections are not redirected')];
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
